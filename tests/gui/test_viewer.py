"""The plugin in napari's own window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.gui.conftest import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

PLUGIN = "napari-gradnet"


def test_denoise_in_the_window_and_close_it_in_the_middle(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, grey_model: Path
) -> None:
    from qtpy.QtCore import QThreadPool

    viewer = make_napari_viewer()
    viewer.open_sample(PLUGIN, "fluorescence_stack")
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise (GradNet)")
    assert dock is not None
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    widget.models.open_file(grey_model)
    qtbot.waitUntil(lambda: not widget.models.job.running, timeout=TIMEOUT)
    assert widget.layers.layer.name == "cells, noisy"
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons["Denoise"].click()
    result = viewer.layers["cells, noisy denoised"]
    np.testing.assert_allclose(result.scale, viewer.layers["cells, noisy"].scale)
    # many small tiles: the window is closed long before the end
    widget.advanced.tile.setValue(16)
    widget.advanced.ensemble.setChecked(True)
    with qtbot.waitSignal(widget.job.progressed, timeout=TIMEOUT):
        widget.bar.buttons["Denoise"].click()
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)

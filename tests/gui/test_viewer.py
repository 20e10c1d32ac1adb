"""The plugin in napari's own window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.gui.conftest import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
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


def test_active_layer_is_denoised_in_one_click(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    grey_model: Path,
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari._app_model import get_app_model

    from napari_gradnet.inference import models

    monkeypatch.setattr(models, "AUTO_GRAY", ("grey",))
    monkeypatch.setattr(models, "list_packaged", lambda: {"grey": grey_model})
    viewer = make_napari_viewer()
    execute = get_app_model().commands.execute_command
    execute("napari-gradnet.denoise_active")
    assert "select one image layer" in messages[-1]
    viewer.add_image(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48), name="a")
    viewer.add_image(np.zeros((48, 48), np.uint8), name="b")
    viewer.layers.selection.active = viewer.layers["a"]
    execute("napari-gradnet.denoise_active")
    qtbot.waitUntil(lambda: "a denoised" in viewer.layers, timeout=TIMEOUT)
    assert "b denoised" not in viewer.layers
    for name in ("Naive denoise", "Gradient"):
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        assert widget.layers.layer is not None
        if name == "Naive denoise":
            qtbot.waitUntil(lambda: widget.noise is not None, timeout=TIMEOUT)  # noqa: B023

"""Previews that change with what is previewed, on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from tests.gui.conftest import TIMEOUT

from napari_gradnet.widgets._train_form import TrainForm
from napari_gradnet.widgets.gradient import TEXTURE, GradientWidget
from napari_gradnet.widgets.naive import NaiveWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def preview(qtbot: QtBot, widget: Any) -> None:
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons["Preview"].click()


def test_colours_come_after_a_grey_stack(
    qtbot: QtBot, viewer: ViewerModel, rng: np.random.Generator
) -> None:
    units = ("micrometer",) * 3
    grey = viewer.add_image(
        rng.integers(0, 255, (2, 40, 48)).astype(np.uint8), name="cells", units=units
    )
    photo = viewer.add_image(
        rng.integers(0, 255, (40, 48, 3)).astype(np.uint8), rgb=True, name="photo"
    )
    widget = NaiveWidget(viewer)
    qtbot.addWidget(widget)
    widget.methods.setCurrentText("median")
    for source in (grey, photo, grey):
        widget.layers.set_layer(source)
        preview(qtbot, widget)
        shown = viewer.layers[-1]
        assert [x.name for x in viewer.layers][2:] == [f"{source.name} preview"]
        assert (shown.rgb, shown.ndim) == (source.rgb, source.ndim)
        assert shown.data.shape[-2:] == source.data.shape[-2:]
    qtbot.waitUntil(lambda: not widget.estimator.running, timeout=TIMEOUT)

"""Layers that are worked on, and what happens to them meanwhile."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT

from napari_gradnet import api
from napari_gradnet.errors import GradNetError, InputError
from napari_gradnet.values import nonfinite_message
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets._task import sentence_of
from napari_gradnet.widgets._train_form import TrainForm
from napari_gradnet.widgets.gradient import GradientWidget
from napari_gradnet.widgets.naive import NaiveWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def test_training_is_offered_what_no_widget_made(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    clean = viewer.add_image(stack, name="cells, clean")
    noisy = viewer.add_image(stack, name="cells, noisy")
    for name in ("cells, noisy denoised", "cells, clean gradient"):
        viewer.add_image(stack, name=name, metadata={METADATA_KEY: {}})
    viewer.add_labels(np.zeros((4, 48, 40), np.uint8), name="noisy parts")
    form = TrainForm(viewer)
    qtbot.addWidget(form)
    assert form.noisy_layer.layer is noisy
    assert form.clean_layer.layer is clean


def test_noise_of_other_data_is_estimated_anew(
    qtbot: QtBot, viewer: ViewerModel, rng: np.random.Generator
) -> None:
    noise = rng.normal(0, 10, (64, 64)).astype(np.float32)
    layer = viewer.add_image(1000 + noise, name="cells")
    widget = NaiveWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: widget.noise is not None, timeout=TIMEOUT)
    assert widget.noise[0].sigma < 20
    layer.data = 1000 + 30 * noise
    assert widget.noise is None
    qtbot.waitUntil(lambda: widget.noise is not None, timeout=TIMEOUT)
    assert widget.noise[0].sigma > 200


def test_work_ends_well_though_the_layer_has_other_data(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    placed = {
        "scale": (2, 0.5, 0.25),
        "axis_labels": ("z", "y", "x"),
        "units": ("second", "micrometer", "micrometer"),
    }
    layer = viewer.add_image(stack, name="cells", **placed)
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.run()
        layer.data = stack[0]
    assert "Done" in widget.bar.status.text()
    result = viewer.layers["cells gradient"]
    np.testing.assert_array_equal(result.data, api.gradient(stack, axes="ZYX"))
    np.testing.assert_array_equal(result.scale, placed["scale"])
    assert result.axis_labels == placed["axis_labels"]
    assert tuple(str(u) for u in result.units) == placed["units"]


def test_axes_follow_other_data(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    layer = viewer.add_image(stack, name="cells")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    widget.axes.set_axes("CYX")
    layer.data = stack[:2]
    assert widget.axes.axes == "CYX"
    assert widget.axes._shape == (2, 48, 40)
    layer.data = stack[0]
    assert widget.axes.axes == "YX"
    other = viewer.add_image(stack, name="other")
    widget.layers.set_layer(other)
    layer.data = stack[:2]
    assert widget.axes._shape == (4, 48, 40)
    # what was corrected stays with its layer
    assert widget.axes.axes == "ZYX"
    layer.data = stack
    widget.layers.set_layer(layer)
    assert widget.axes.axes == "CYX"


def test_what_was_done_is_not_held(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    viewer.add_image(stack, name="cells")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.run()
        done = weakref.ref(widget._task.run)

    def is_gone() -> bool:
        gc.collect()
        return done() is None

    qtbot.waitUntil(is_gone, timeout=TIMEOUT)


def test_errors_advise_what_a_form_has() -> None:
    error: GradNetError = InputError(nonfinite_message(np.full((3, 3), np.nan)))
    assert sentence_of(error).endswith(": repair them")
    with pytest.raises(GradNetError, match="give sigma") as small:
        api.estimate_noise(np.zeros((2, 2)))
    assert sentence_of(small.value).endswith("are needed")

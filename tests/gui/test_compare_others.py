"""The Compare widget among other layers: what it hides, links and puts back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.comparing import press

from napari_gradnet.errors import InputError
from napari_gradnet.widgets import _compare_curtain

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot
    from tests.gui.comparing import Layers

    from napari_gradnet.widgets.compare import CompareWidget


def test_curtain_follows_the_pixels_of_its_layers(
    widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    blurred = layers[2]
    widget.curtain_button.click()
    widget.slider.setValue(250)
    cut = viewer.layers["blurred (curtain)"]
    blurred.data = blurred.data + np.uint16(7)
    np.testing.assert_array_equal(cut.data, blurred.data[..., 20:])
    assert np.shares_memory(cut.data, blurred.data)
    blurred.data = blurred.data[..., :-1]
    assert not widget.curtain_button.isChecked()
    assert "blurred (curtain)" not in viewer.layers
    blurred.data = layers[1].data  # and nothing listens any more
    assert len(viewer.layers) == 3


def test_side_by_side_hides_layers_of_all_kinds(
    widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    _, noisy, blurred = layers
    points = viewer.add_points(np.zeros((1, 3)), name="points")
    masks = viewer.add_labels(np.zeros((2, 96, 80), int), visible=False)
    viewer.layers.move(viewer.layers.index(points), viewer.layers.index(blurred))
    between = [viewer.layers.index(x) for x in (noisy, points, blurred)]
    assert between == sorted(between)
    widget.side_button.click()
    grid = viewer.canvas.grid
    places = [
        grid.position(viewer.layers.index(x), viewer.layers) for x in (noisy, blurred)
    ]
    assert places == [(0, 0), (0, 1)]
    assert not points.visible
    widget.side_button.click()
    assert points.visible
    assert not masks.visible
    widget.curtain_button.click()
    assert points.visible  # it may lie on the curtain
    widget.curtain_button.click()


@pytest.mark.parametrize("button", ["curtain_button", "side_button"])
def test_links_of_the_layers_stay(
    widget: CompareWidget, viewer: ViewerModel, layers: Layers, button: str
) -> None:
    _, noisy, blurred = layers
    names = ("contrast_limits", "gamma", "colormap", "visible")
    viewer.layers.link_layers([noisy, blurred], names)
    getattr(widget, button).click()
    assert noisy.visible
    assert blurred.visible == (button == "side_button")
    getattr(widget, button).click()
    assert noisy.visible
    assert blurred.visible
    noisy.gamma, noisy.colormap = 0.5, "magma"
    noisy.contrast_limits = (1, 2)
    noisy.visible = False
    assert blurred.gamma == 0.5
    assert blurred.colormap.name == "magma"
    assert tuple(blurred.contrast_limits) == (1, 2)
    assert not blurred.visible


def test_contrast_keeps_its_range(widget: CompareWidget, layers: Layers) -> None:
    _, noisy, blurred = layers
    noisy.contrast_limits = (100, 60_000)
    blurred.contrast_limits_range = (800, 1700)
    widget.curtain_button.click()
    assert tuple(blurred.contrast_limits) == (100, 60_000)
    widget.curtain_button.click()
    assert tuple(blurred.contrast_limits) == (900, 1600)
    assert tuple(blurred.contrast_limits_range) == (800, 1700)


class Unchunked:
    """An array on disk that has no chunks, such as h5py's by default."""

    chunks = None

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.array[key]


def test_arrays_without_chunks_are_compared(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    for layer in layers[1:]:
        layer.data = Unchunked(np.asarray(layer.data))
    widget.curtain_button.click()
    assert "blurred (curtain)" in viewer.layers
    widget.curtain_button.click()
    press(qtbot, widget.noise)
    assert widget.noise.layer is not None


def test_what_cannot_be_shown_leaves_the_buttons_at_work(
    qtbot: QtBot,
    widget: CompareWidget,
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Any) -> str:
        message = "two shapes"
        raise ValueError(message)

    monkeypatch.setattr(widget.noise, "_show", fail)
    press(qtbot, widget.noise)
    assert "two shapes" in messages[-1]
    assert "Failed" in widget.noise.bar.status.text()


def test_a_curtain_that_cannot_be_drawn_hides_nothing(
    widget: CompareWidget,
    viewer: ViewerModel,
    layers: Layers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Any) -> Any:
        message = "no such array"
        raise InputError(message)

    other = viewer.add_labels(np.zeros((2, 96, 80), int), name="other")
    points = viewer.add_image(np.zeros((2, 96, 80)), name="more")
    monkeypatch.setattr(_compare_curtain, "cheap_array", fail)
    widget.curtain_button.click()
    assert other.visible
    assert points.visible

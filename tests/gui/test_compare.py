"""The Compare widget without a window: its layers, the curtain, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import TIMEOUT

from napari_gradnet.widgets.compare import CompareWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot
    from tests.gui.comparing import Layers


def click(qtbot: QtBot, button: Any) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# ---------------------------------------------------------------------- layers


def test_the_pair_and_the_reference_are_guessed(
    widget: CompareWidget, layers: Layers
) -> None:
    clean, noisy, blurred = layers
    assert widget.before.layer is noisy
    assert widget.after.layer is blurred
    assert widget.reference.layer is clean


def test_a_viewer_without_layers(
    qtbot: QtBot, viewer: ViewerModel, messages: list[str]
) -> None:
    widget = CompareWidget(viewer)
    qtbot.addWidget(widget)
    widget.show()
    for tab in (widget.noise, widget.quality, widget.methods):
        next(iter(tab.bar.buttons.values())).click()
        assert not tab.job.running
    click(qtbot, widget.curtain_button)
    assert not widget.curtain_button.isChecked()
    assert "open or choose two image layers" in messages[0]
    assert "choose the reference layer" in messages[1]
    assert "open an image first" in messages[2]
    assert "open or choose two image layers" in messages[3]
    # and the choice follows what is opened
    layer = viewer.add_image(np.zeros((20, 20)))
    assert widget.before.layer is layer
    assert widget.reference.layer is None


def test_other_shapes_are_refused_with_a_sentence(
    widget: CompareWidget, viewer: ViewerModel, messages: list[str]
) -> None:
    small = viewer.add_image(np.zeros((2, 50, 50)), name="small")
    colours = viewer.add_image(np.zeros((96, 80, 3)), name="colours", rgb=True)
    for layer, told in (
        (small, "'small' (2, 50, 50) (grey): choose two layers of one shape"),
        (colours, "'colours' (96, 80, 3) (colours): choose two layers of one shape"),
        (widget.before.layer, "is the same layer, 'noisy': choose another"),
    ):
        widget.after.set_layer(layer)
        widget.curtain_button.click()
        widget.side_button.click()
        widget.noise.start()
        assert [told in m for m in messages[-3:]] == [True] * 3
    assert not widget.curtain_button.isChecked()
    assert len(viewer.layers) == 5


# ------------------------------------------------------------------------ view


def test_curtain_shows_the_columns_beyond_the_line(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    blurred = layers[2]
    other = viewer.add_image(np.zeros((96, 80)), name="other")
    widget.show()
    click(qtbot, widget.curtain_button)
    cut = viewer.layers["blurred (curtain)"]
    assert [x.name for x in viewer.layers if x.visible] == [
        "noisy",
        "blurred (curtain)",
        "curtain",
    ]
    widget.slider.setValue(250)
    np.testing.assert_array_equal(cut.data, blurred.data[..., 20:])
    assert np.shares_memory(cut.data, blurred.data)
    np.testing.assert_allclose(cut.translate, (0, 0, 10))
    line = viewer.layers["curtain"]
    (start, direction) = line.data[0]
    # at the left edge of column 20, over all rows
    np.testing.assert_allclose(start + line.translate, (-0.25, 19.5 * 0.5))
    np.testing.assert_allclose(direction, (96 * 0.5, 0))
    for value, columns in ((0, 80), (1000, 1)):
        widget.slider.setValue(value)
        assert cut.data.shape == (2, 96, columns)
    assert not cut.visible  # all the way to the right
    click(qtbot, widget.curtain_button)
    assert [x.name for x in viewer.layers] == ["clean", "noisy", "blurred", "other"]
    assert [x.visible for x in viewer.layers] == [False, True, True, True]
    assert other.visible
    assert not widget.slider.isEnabled()


def test_contrast_is_shared_and_put_back(
    widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    _, noisy, blurred = layers
    widget.curtain_button.click()
    cut = viewer.layers["blurred (curtain)"]
    assert tuple(cut.contrast_limits) == (1000, 1500)
    noisy.contrast_limits = (1100, 1300)
    assert tuple(cut.contrast_limits) == (1100, 1300)
    blurred.colormap = "magma"
    assert cut.colormap.name == "magma"
    assert noisy.colormap.name == "gray"
    widget.same_contrast.setChecked(False)
    cut = viewer.layers["blurred (curtain)"]
    assert tuple(cut.contrast_limits) == (900, 1600)
    noisy.contrast_limits = (0, 1)
    assert tuple(cut.contrast_limits) == (900, 1600)
    widget.curtain_button.click()
    assert tuple(blurred.contrast_limits) == (900, 1600)
    blurred.contrast_limits = (0, 5)
    assert tuple(noisy.contrast_limits) == (0, 1)


@pytest.mark.parametrize("gone", ["noisy", "blurred", "curtain", "blurred (curtain)"])
def test_curtain_goes_with_any_of_its_layers(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, gone: str
) -> None:
    widget.curtain_button.click()
    viewer.layers.remove(gone)
    qtbot.waitUntil(lambda: not widget.curtain_button.isChecked(), timeout=TIMEOUT)
    left = [x.name for x in viewer.layers]
    assert left == [x for x in ("clean", "noisy", "blurred") if x != gone]
    assert all(x.visible for x in viewer.layers if x.name != "clean")
    assert len(viewer.mouse_drag_callbacks) == len(type(viewer)().mouse_drag_callbacks)


def test_curtain_needs_two_dimensions(
    widget: CompareWidget, viewer: ViewerModel, messages: list[str]
) -> None:
    widget.curtain_button.click()
    viewer.dims.ndisplay = 3
    assert not widget.curtain_button.isChecked()
    assert "taken away" in messages[-1]
    widget.curtain_button.click()
    assert "switch to 2-D" in messages[-1]
    viewer.dims.ndisplay = 2
    viewer.dims.order = (1, 0, 2)
    widget.curtain_button.click()
    assert "put the dimensions in order" in messages[-1]
    assert "curtain" not in viewer.layers


def test_curtain_of_turned_lazy_colours_with_levels(
    qtbot: QtBot, viewer: ViewerModel, rng: np.random.Generator
) -> None:
    reads = []

    def read(block: NDArray[Any]) -> NDArray[Any]:
        reads.append(block.shape)
        return block

    base = rng.integers(0, 255, (4, 64, 90, 3)).astype(np.uint8)
    lazy = da.from_array(base, chunks=(1, 64, 90, 3)).map_blocks(read, dtype=np.uint8)
    levels = [lazy, lazy[:, ::4, ::4]]
    for name in ("a", "b"):
        viewer.add_image(
            levels, name=name, rgb=True, multiscale=True, rotate=30, scale=(1, 2, 2)
        )
    widget = CompareWidget(viewer)
    qtbot.addWidget(widget)
    widget.before.set_layer(viewer.layers["a"])
    widget.after.set_layer(viewer.layers["b"])
    reads.clear()
    widget.curtain_button.click()
    widget.slider.setValue(300)
    cut = viewer.layers["b (curtain)"]
    # from a column that all levels have
    assert [x.shape for x in cut.data] == [(4, 64, 66, 3), (4, 16, 17, 3)]
    np.testing.assert_allclose(
        cut.data_to_world((0, 5, 0)), viewer.layers["b"].data_to_world((0, 5, 24))
    )
    assert len(reads) < 40  # planes that were shown; not the stack at every step
    widget.curtain_button.click()


@pytest.mark.parametrize("button", ["curtain_button", "side_button"])
def test_all_layers_are_removed_at_once(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, button: str
) -> None:
    getattr(widget, button).click()
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: not getattr(widget, button).isChecked(), timeout=TIMEOUT)
    assert len(viewer.layers) == 0
    assert len(viewer.mouse_drag_callbacks) == len(type(viewer)().mouse_drag_callbacks)


def test_side_by_side_and_back(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    clean, noisy, blurred = layers
    grid = viewer.canvas.grid
    viewer.scene.camera.zoom = 7
    widget.before.set_layer(blurred)
    widget.after.set_layer(noisy)
    widget.side_button.click()
    assert grid.enabled
    assert grid.actual_shape(viewer.layers) == (1, 2)
    assert grid.position(viewer.layers.index(blurred), viewer.layers) == (0, 0)
    assert grid.position(viewer.layers.index(noisy), viewer.layers) == (0, 1)
    assert tuple(noisy.contrast_limits) == (900, 1600)
    # the curtain takes its place
    widget.curtain_button.click()
    assert not grid.enabled
    assert not widget.side_button.isChecked()
    widget.curtain_button.click()
    assert not grid.enabled
    assert viewer.scene.camera.zoom == 7
    assert tuple(noisy.contrast_limits) == (1000, 1500)
    widget.side_button.click()
    widget.after.set_layer(clean)
    assert not grid.enabled  # another choice ends it
    assert not clean.visible


def test_curtain_goes_with_the_widget(
    qtbot: QtBot, viewer: ViewerModel, layers: Layers
) -> None:
    widget = CompareWidget(viewer)
    widget.curtain_button.click()
    gone: list[bool] = []
    widget.destroyed.connect(lambda *_: gone.append(True))
    widget.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    assert [x.name for x in viewer.layers] == ["clean", "noisy", "blurred"]
    assert layers[2].visible

"""Rectangles on the canvas, as parts of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.test_denoise import PLACED, open_widget, run

from napari_gradnet import api
from napari_gradnet.errors import InputError
from napari_gradnet.widgets._layers import METADATA_KEY, view_region
from napari_gradnet.widgets._rectangle import (
    ask_rectangle,
    find_rectangles,
    rectangle_region,
)
from napari_gradnet.widgets._task import RECTANGLE

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def box(top: float, left: float, bottom: float, right: float) -> NDArray[Any]:
    """Corners in rows and columns, on plane 1."""
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    return np.array([(1, *corner) for corner in corners], float)


def test_the_layer_lies_on_the_image_and_the_tool_is_chosen(
    viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    image = viewer.add_image(stack, name="cells", **PLACED)
    shapes = ask_rectangle(viewer, image)
    assert shapes.mode == "add_rectangle"
    assert viewer.layers.selection.active is shapes
    point = (2.0, 7.0, 11.0)
    np.testing.assert_allclose(shapes.data_to_world(point), image.data_to_world(point))
    assert shapes.units == image.units
    assert ask_rectangle(viewer, image) is shapes
    assert find_rectangles(viewer) is shapes
    with pytest.raises(InputError, match="draw a rectangle"):
        rectangle_region(image, shapes)
    shapes.add_rectangles(box(9.6, 3.2, 30.4, 20.0))
    region = rectangle_region(image, shapes)
    assert region == np.s_[0:4, 10:31, 4:21]
    viewer.layers.remove(shapes)
    assert find_rectangles(viewer) is None
    with pytest.raises(InputError, match="draw a rectangle"):
        rectangle_region(image, None)


def test_the_selected_one_counts_else_the_last(
    viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    image = viewer.add_image(stack)
    shapes = ask_rectangle(viewer, image)
    shapes.add_rectangles([box(0, 0, 5, 5), box(10, 10, 20, 20)])
    shapes.selected_data = set()
    assert rectangle_region(image, shapes)[1:] == np.s_[10:21, 10:21]
    shapes.selected_data = {0}
    assert rectangle_region(image, shapes)[1:] == np.s_[0:6, 0:6]


def test_it_is_cut_to_the_image_and_must_touch_it(
    viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    image = viewer.add_image(stack)  # 4 x 48 x 40
    shapes = ask_rectangle(viewer, image)
    shapes.add_rectangles(box(-20, 30, 400, 90))
    assert rectangle_region(image, shapes) == np.s_[0:4, 0:48, 30:40]
    shapes.add_rectangles(box(0, 41, 10, 90))
    shapes.selected_data = {1}
    with pytest.raises(InputError, match="holds no pixel"):
        rectangle_region(image, shapes)
    shapes.add_rectangles(box(3.2, 3.2, 3.9, 8))  # between two rows
    shapes.selected_data = {2}
    with pytest.raises(InputError, match="holds no pixel"):
        rectangle_region(image, shapes)


def test_other_layers_are_met_where_they_lie(
    viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    image = viewer.add_image(stack)
    shapes = ask_rectangle(viewer, image)
    shapes.add_rectangles(box(10, 10, 20, 20))
    coarse = viewer.add_image(stack[0, ::2, ::2], scale=(2, 2))
    assert rectangle_region(coarse, shapes) == np.s_[5:11, 5:11]
    photo = viewer.add_image(np.zeros((48, 40, 3), np.uint8), rgb=True)
    assert rectangle_region(photo, shapes) == np.s_[10:21, 10:21, 0:3]
    turned = viewer.add_image(stack, rotate=10, name="turned one")
    with pytest.raises(InputError, match="turned against the layer 'turned one'"):
        rectangle_region(turned, shapes)
    more = viewer.add_image(np.zeros((2, 4, 48, 40), np.uint8))
    assert rectangle_region(more, shapes) == np.s_[0:2, 0:4, 10:21, 10:21]


def test_layers_of_other_units_are_met_where_napari_shows_them(
    viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    micro = viewer.add_image(stack, units=("um",) * 3)
    first = ask_rectangle(viewer, micro)
    first.add_rectangles(box(4, 4, 12, 12))
    nano = viewer.add_image(stack, scale=(1000,) * 3, units=("nm",) * 3)
    expected = np.s_[0:4, 4:13, 4:13]
    assert rectangle_region(micro, first) == expected
    assert rectangle_region(nano, first) == expected
    shapes = ask_rectangle(viewer, micro)  # napari draws wrongly on the first one now
    assert shapes is not first
    assert shapes.units == viewer.dims.units == nano.units
    np.testing.assert_allclose(shapes.data_to_world((1, 2, 3)), (1000, 2000, 3000))
    shapes.add_rectangles(box(4, 4, 12, 12))
    assert rectangle_region(micro, shapes) == expected
    assert rectangle_region(nano, shapes) == expected
    assert ask_rectangle(viewer, nano) is shapes


def test_the_view_is_that_of_the_layers_units(
    viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    micro = viewer.add_image(stack, units=("um",) * 3)
    nano = viewer.add_image(stack, scale=(1000,) * 3, units=("nm",) * 3)
    viewer.dims.set_point(0, 2000)
    micro.corner_pixels = np.array([[0, 47, 39], [0, 47, 39]])  # as napari has it then
    nano.corner_pixels = np.array([[0, 5, 6], [0, 9, 6]])
    assert view_region(micro, viewer.dims, "ZYX") == np.s_[2:3, 0:48, 0:40]
    assert view_region(nano, viewer.dims, "ZYX") == np.s_[2:3, 5:10, 6:7]


def test_the_part_is_denoised_in_all_planes(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = viewer.add_image(stack, name="cells", **PLACED)
    widget = open_widget(qtbot, viewer, grey_model)
    widget.scope.setCurrentText(RECTANGLE)
    widget.scope.activated.emit(widget.scope.currentIndex())
    shapes = find_rectangles(viewer)
    assert shapes is not None
    widget.run()
    assert "draw a rectangle" in messages[-1]
    assert not widget.job.running
    shapes.add_rectangles(box(8, 4, 29, 25))
    run(qtbot, widget)
    result = viewer.layers["cells denoised"]
    region = np.s_[0:4, 8:30, 4:26]
    whole = api.denoise(stack, grey_model, axes="ZYX")
    np.testing.assert_allclose(result.data, whole[region], atol=1)
    np.testing.assert_allclose(
        result.data_to_world((1, 2, 3)), image.data_to_world((1, 10, 7))
    )
    assert result.metadata[METADATA_KEY]["region"] == [[0, 4], [8, 30], [4, 26]]
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    names: dict[str, Any] = {}
    exec(widget.python_script(), names)
    np.testing.assert_array_equal(names["denoised"], result.data)

"""Axes, regions and metadata of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

pytest.importorskip("napari")

from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source

from napari_gradnet.errors import AxesError
from napari_gradnet.widgets._layers import (
    METADATA_KEY,
    full_data,
    guess_layer_axes,
    result_keywords,
    view_region,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("shape", "keywords", "axes"),
    [
        ((8, 9), {}, "YX"),
        ((3, 8, 9), {}, "ZYX"),
        ((2, 3, 8, 9), {}, "TZYX"),
        ((2, 3, 4, 8, 9), {}, "TZCYX"),
        ((2, 2, 3, 4, 8, 9), {}, "PTZCYX"),
        ((8, 9, 3), {"rgb": True}, "YXS"),
        ((5, 8, 9, 4), {"rgb": True}, "ZYXS"),
        ((8, 3, 9), {"axis_labels": ("y", "c", "x")}, "YCX"),
        ((5, 8, 9), {"axis_labels": ("time", "row", "column")}, "TYX"),
        ((5, 8, 9), {"axis_labels": ("a", "b", "c")}, "ZYX"),
        ((2, 5, 8, 9), {"axis_labels": ("t", "t", "y", "x")}, "TPYX"),
    ],
)
def test_axes_are_guessed(
    shape: tuple[int, ...], keywords: dict[str, object], axes: str
) -> None:
    assert guess_layer_axes(Image(np.zeros(shape, np.uint8), **keywords)) == axes


@pytest.mark.parametrize(
    ("in_file", "axes", "in_layer", "expected"),
    [
        ((2, 4, 8, 9), "CZYX", (2, 4, 8, 9), "CZYX"),
        ((1, 3, 1, 8, 9), "TZCYX", (3, 8, 9), "ZYX"),
        ((2, 1, 8, 9), "CZYX", (2, 8, 9), "CYX"),
        ((8, 9), "YX", (1, 8, 9), "ZYX"),
        ((2, 4, 8, 9), "CZYX", (4, 8, 9), "ZYX"),  # a channel of it
        ((8, 9, 3), "YXS", (8, 9, 3), "YXS"),
    ],
)
def test_axes_are_those_of_the_file(
    tmp_path: Path,
    in_file: tuple[int, ...],
    axes: str,
    in_layer: tuple[int, ...],
    expected: str,
) -> None:
    path = tmp_path / "a.ome.tif"
    kind = "rgb" if "S" in axes else "minisblack"
    pixels = np.zeros(in_file, np.uint8)
    tifffile.imwrite(path, pixels, photometric=kind, ome=True, metadata={"axes": axes})
    with layer_source(path=str(path)):
        layer = Image(np.zeros(in_layer, np.uint8), rgb="S" in axes)
    assert guess_layer_axes(layer) == expected
    path.unlink()  # it is looked into once
    assert guess_layer_axes(layer) == expected


def test_region_is_the_plane_and_the_corners_on_screen() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((6, 40, 50)), scale=(2, 1, 1))
    viewer.add_image(np.zeros((2, 6, 40, 50)))  # the viewer has more dimensions
    viewer.dims.set_point(1, 6.0)  # world: plane 3 of the scaled layer
    layer.corner_pixels = np.array([[0, 5, 7], [0, 20, 30]])
    region = view_region(layer, viewer.dims, "ZYX")
    assert region == (slice(3, 4), slice(5, 21), slice(7, 31))


def test_region_of_a_pyramid_is_at_full_resolution() -> None:
    viewer = ViewerModel()
    levels = [np.zeros((64, 64)), np.zeros((32, 32)), np.zeros((16, 16))]
    layer = viewer.add_image(levels, multiscale=True)
    layer.locked_data_level = 1
    layer.corner_pixels = np.array([[2, 4], [10, 31]])
    assert layer.data_level == 1
    assert full_data(layer).shape == (64, 64)
    region = view_region(layer, viewer.dims, "YX")
    # pixel 10 of the second level is the pixels 20 and 21 of the first
    assert region == (slice(4, 22), slice(8, 64))


def test_rows_that_are_not_displayed_are_taken_whole() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((6, 40, 50)))
    viewer.dims.order = (1, 0, 2)  # Z and X are displayed
    region = view_region(layer, viewer.dims, "ZYX")
    assert region == (slice(0, 6), slice(0, 40), slice(0, 50))


def test_wrong_axes_are_refused() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((6, 40, 50)))
    with pytest.raises(AxesError, match="repeats a letter"):
        view_region(layer, viewer.dims, "YYX")


def test_part_lies_where_it_was_cut_out() -> None:
    source = Image(
        np.zeros((6, 40, 50), np.uint16),
        scale=(2, 0.5, 0.25),
        translate=(1, -3, 7),
        rotate=30,
        shear=(0.1, 0, 0.2),
        affine=np.array([[1, 0, 0, 5], [0, 0, 1, 0], [0, -1, 0, 2], [0, 0, 0, 1.0]]),
        metadata={"mine": 1},
    )
    region = (slice(2, 3), slice(5, 30), slice(7, 20))
    keywords = result_keywords(source, "part", {"operation": "x"}, region)
    part = Image(source.data[region], **keywords)
    np.testing.assert_allclose(
        part.data_to_world((0.5, 3, 4)), source.data_to_world((2.5, 8, 11))
    )
    assert part.metadata == {"mine": 1, METADATA_KEY: {"operation": "x"}}
    assert METADATA_KEY not in source.metadata


def test_region_in_3d_is_the_plane_of_the_slider() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((2, 6, 40, 50)))
    viewer.dims.set_current_step((0, 1), (1, 4))
    viewer.dims.ndisplay = 3
    layer.corner_pixels = np.array([[0, 2, 5, 7], [0, 5, 20, 30]])
    region = view_region(layer, viewer.dims, "TZYX")
    assert region == (slice(1, 2), slice(4, 5), slice(0, 40), slice(0, 50))
    region = view_region(layer, viewer.dims, "TYZX")
    assert [s.stop - s.start for s in region] == [1, 6, 1, 50]

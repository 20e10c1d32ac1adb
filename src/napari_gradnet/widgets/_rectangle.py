"""A rectangle that is drawn on the canvas, as a part of an image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_gradnet.errors import InputError
from napari_gradnet.widgets._layers import (
    METADATA_KEY,
    PLACE,
    full_data,
    unit_factors,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_gradnet.region import Region

__all__ = ["ask_rectangle", "find_rectangles", "rectangle_region"]

NAME = "part to denoise"
_MARK = "rectangles"
#: Pixels by which a corner may miss the grid before a rectangle counts as turned.
_TURNED = 0.5
#: Pixels that the way to the world and back may cost.
_ROUNDING = 1e-4
_COLOR = "#ffb000"
_DRAW = "draw a rectangle on the layer first: the tool is chosen already"


def find_rectangles(viewer: ViewerModel) -> Shapes | None:
    """Layer on which rectangles are drawn, if there is one."""
    for layer in reversed(viewer.layers):
        if isinstance(layer, Shapes) and layer.metadata.get(METADATA_KEY) == _MARK:
            return layer
    return None


def ask_rectangle(viewer: ViewerModel, image: Image) -> Shapes:
    """Make the layer for rectangles where it is missing, and choose the drawing tool.

    Parameters
    ----------
    viewer : ViewerModel
        Where it goes.
    image : Image
        A new layer lies on it as it does: turned if it is turned.
    """
    shapes = find_rectangles(viewer)
    if shapes is None or not _has_units_of(viewer, shapes):
        shapes = viewer.add_shapes(
            ndim=image.ndim,
            name=NAME,
            edge_color=_COLOR,
            edge_width=_line_width(image),
            face_color="transparent",
            metadata={METADATA_KEY: _MARK},
            **_place(viewer, image),
        )
    viewer.layers.selection.active = shapes
    if viewer.dims.ndisplay == 2:
        shapes.mode = "add_rectangle"
    return shapes


def _has_units_of(viewer: ViewerModel, layer: Image | Shapes) -> bool:
    """Whether a mouse draws on a layer where it points: napari forgets its units."""
    units = getattr(viewer.dims, "units", None)
    return bool(np.allclose(unit_factors(units, layer.units), 1))


def _place(viewer: ViewerModel, image: Image) -> dict[str, Any]:
    """Where an image lies, in the viewer's units."""
    place = {name: getattr(image, name) for name in PLACE}
    if not _has_units_of(viewer, image):
        units = viewer.dims.units[-image.ndim :]
        factors = np.diag([*unit_factors(image.units, units), 1])
        place |= {"units": units, "affine": factors @ image.affine.affine_matrix}
    return place


def _line_width(image: Image) -> float:
    """Width of a line in pixels of the image, thin at any size."""
    return max(1.0, max(full_data(image).shape[: image.ndim]) / 400)


def rectangle_region(image: Image, shapes: Shapes | None) -> Region:
    """Part of a layer inside the selected rectangle, or the last one.

    Dimensions along which it has no extent, such as planes, are taken whole.

    Raises
    ------
    InputError
        There is no rectangle, it lies beside the layer or is turned against it.
    """
    if shapes is None or not len(shapes.data):
        raise InputError(_DRAW)
    index = min(shapes.selected_data, default=len(shapes.data) - 1)
    corners = _corners(image, shapes, np.asarray(shapes.data[index]))
    low, high = corners.min(0), corners.max(0)
    if shapes.shape_type[index] == "rectangle" and _is_turned(corners, low, high):
        msg = (
            f"the rectangle is turned against the layer {image.name!r}: delete the "
            f"layer {shapes.name!r} and draw another one with this layer chosen"
        )
        raise InputError(msg)
    data = full_data(image)
    parts = []
    for d in range(image.ndim):
        length = data.shape[d]
        if high[d] - low[d] < _TURNED:
            parts.append(slice(0, length))
            continue
        # a pixel belongs to it when its centre does
        start = max(np.ceil(low[d] - _ROUNDING), 0)
        stop = min(np.floor(high[d] + _ROUNDING) + 1, length)
        if stop <= start:
            msg = (
                f"the rectangle holds no pixel of the layer {image.name!r}: draw it "
                "on the layer"
            )
            raise InputError(msg)
        parts.append(slice(int(start), int(stop)))
    parts += [slice(0, n) for n in data.shape[image.ndim :]]
    return tuple(parts)


def _corners(image: Image, shapes: Shapes, vertices: NDArray[Any]) -> NDArray[Any]:
    """Vertices in pixels of the image."""
    world = [np.asarray(shapes.data_to_world(vertex)) for vertex in vertices]
    missing = image.ndim - shapes.ndim  # the viewer's last dimensions are common
    if missing > 0:
        world = [np.concatenate([np.zeros(missing), point]) for point in world]
    elif missing < 0:
        world = [point[-missing:] for point in world]
    factors = unit_factors(shapes.units, image.units)
    return np.array([image.world_to_data(point * factors) for point in world], float)


def _is_turned(corners: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> bool:
    """Whether a corner is not one of the box around all."""
    off = np.minimum(np.abs(corners - low), np.abs(corners - high))
    return bool(off.max() > _TURNED)

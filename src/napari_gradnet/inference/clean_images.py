"""Clean images that methods are measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.data.files import to_channels
from napari_gradnet.errors import InputError
from napari_gradnet.io import open_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SMALLEST_CROP", "read_clean"]

_BYTE = 255
#: Integers of more bits that end below this share of their range are of another one.
_LEAST_FILLED = 0.25
#: By which floats may miss 0 and 1.
_ROUNDING = 1e-3
SMALLEST_CROP = 8


def read_clean(
    path: Path, *, grey: bool, crop: int | None = None, repeat_grey: bool = False
) -> NDArray[np.float32]:
    """Read a clean image in [0, 1], shape (Y, X, 3) or, with `grey`, (Y, X).

    `crop` cuts the centre: 500 gives the Kodak24 crops of the literature. With
    `repeat_grey` a grey image becomes three equal channels.

    Raises
    ------
    InputError
        It is a stack, or grey where colours are measured, smaller than `crop`, or its
        values are not those of a clean image of its type.
    """
    with open_image(path) as source:
        if source.num_planes > 1:
            msg = f"{path} holds {source.num_planes} planes: save them as files"
            raise InputError(msg)
        if not (grey or repeat_grey or source.axes.is_rgb):
            msg = f"{path} is grey: measure grey models on it (--grey, grey=True)"
            raise InputError(msg)
        plane = to_channels(source.read_plane(0), 1 if grey else 3)
    scale = _full_scale(path, plane)
    image = (plane / scale).astype(np.float32)
    if crop is not None:
        if crop < SMALLEST_CROP:
            msg = f"crop={crop} must be at least {SMALLEST_CROP} pixels"
            raise InputError(msg)
        rows, columns = image.shape[1:]
        if min(rows, columns) < crop:
            msg = f"{path} has {columns} x {rows} pixels, less than the crop of {crop}"
            raise InputError(msg)
        top, left = (rows - crop) // 2, (columns - crop) // 2
        image = image[:, top : top + crop, left : left + crop]
    return image[0] if grey else image.transpose(1, 2, 0)


def _full_scale(path: Path, plane: NDArray[Any]) -> int:
    """What is white; refuses what has another scale than its type promises."""
    remedy = "save it as 8-bit, or as floats from 0 to 1"
    if plane.dtype.kind in "iu":
        white = int(np.iinfo(plane.dtype).max)
        if plane.min() < 0:
            msg = f"{path} is of {plane.dtype} and begins at {plane.min()}: {remedy}"
            raise InputError(msg)
        if white > _BYTE and plane.max() < _LEAST_FILLED * white:
            msg = f"{path} is of {plane.dtype}, but ends at {plane.max()}: {remedy}"
            raise InputError(msg)
        return white
    if not np.isfinite(plane).all():
        msg = f"{path} holds NaN or infinite pixels: fill them"
        raise InputError(msg)
    low, high = float(plane.min()), float(plane.max())
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        msg = f"{path} holds floats from {low:.4g} to {high:.4g}: {remedy}"
        raise InputError(msg)
    return 1

"""Small pictures of planes. No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PICTURE", "first_plane", "thumbnail"]

#: Longest side of a picture, pixels.
PICTURE = 96


def first_plane(image: NDArray[Any], axes: str) -> NDArray[Any]:
    """Rows and columns of the first plane, with its colours behind them."""
    order = ImageAxes(axes, image.shape)
    return order.to_plane(image[next(order.iter_planes())])


def thumbnail(
    image: NDArray[Any], limits: tuple[float, float], *, rgb: bool
) -> NDArray[np.uint8]:
    """A small grey or colour picture of a plane.

    Parameters
    ----------
    image : ndarray
        One plane; other dimensions have length 1.
    limits : (float, float)
        Black and white of grey images.
    rgb : bool
        Whether the last dimension is colours.

    Returns
    -------
    ndarray, shape (Y, X, 3)
    """
    plane: NDArray[Any] = image.reshape(image.shape[-3:] if rgb else image.shape[-2:])
    step = -(-max(plane.shape[:2]) // PICTURE)
    edges = [np.arange(0, length, step) for length in plane.shape[:2]]
    sums: NDArray[np.float64] = plane.reshape(*plane.shape[:2], -1).astype(np.float64)
    for axis, starts in enumerate(edges):
        sums = np.add.reduceat(sums, starts, axis=axis)
        lengths = np.diff([*starts, plane.shape[axis]])
        sums /= np.expand_dims(lengths, tuple({0, 1, 2} - {axis}))
    if rgb:
        scale = 255 if image.dtype.kind == "f" else 255 / np.iinfo(image.dtype).max
        values = sums[..., :3] * scale
    else:
        low, high = limits
        values = np.repeat(255 * (sums - low) / max(high - low, 1e-300), 3, axis=-1)
    return np.nan_to_num(np.clip(values, 0, 255)).astype(np.uint8)

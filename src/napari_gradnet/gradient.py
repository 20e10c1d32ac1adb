"""Sobel gradients of images (GradNet, eq. 1-3).

The kernels stand here once; `napari_gradnet.networks.sobel` uses the same ones.

References
----------
Y. Liu, S. Anwar, L. Zheng, Q. Tian, "GradNet Image Denoising", CVPR Workshops 2020,
eq. 1-3. The paper prints ``+1`` at the top right of ``S_V``, a slip for ``-1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SOBEL_H", "SOBEL_V", "GradientKind", "sobel_gradient"]

GradientKind = Literal["magnitude", "horizontal", "vertical", "orientation"]

SOBEL_H = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SOBEL_V = ((-1.0, -2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1.0))


def _along(
    image: NDArray[np.floating], derivative_axis: int, smooth_axis: int
) -> NDArray[np.floating]:
    """Separable Sobel: [-1, 0, 1] along one axis, [1, 2, 1] along the other."""
    pad = [(0, 0)] * image.ndim
    pad[derivative_axis] = pad[smooth_axis] = (1, 1)
    # "symmetric" repeats the border pixel, so a 1-pixel axis works and borders show
    # no false edge
    padded = np.pad(image, pad, mode="symmetric")

    def part(
        array: NDArray[np.floating], axis: int, start: int
    ) -> NDArray[np.floating]:
        index = [slice(None)] * array.ndim
        index[axis] = slice(start, start + image.shape[axis])
        return array[tuple(index)]

    difference = part(padded, derivative_axis, 2) - part(padded, derivative_axis, 0)
    return (
        part(difference, smooth_axis, 0)
        + 2 * part(difference, smooth_axis, 1)
        + part(difference, smooth_axis, 2)
    )


def sobel_gradient(
    image: ArrayLike,
    kind: GradientKind = "magnitude",
    *,
    plane_axes: tuple[int, int] = (-2, -1),
    samples_axis: int | None = None,
) -> NDArray[np.floating]:
    """Unnormalised Sobel gradient of every plane of an image.

    Parameters
    ----------
    image : array_like, shape (..., Y, X)
        Any real numbers; NaN stays within one pixel of where it was.
    kind : {"magnitude", "horizontal", "vertical", "orientation"}
        ``G = sqrt(G_H**2 + G_V**2)``, ``G_H``, ``G_V``, or the direction of the
        steepest rise ``atan2(G_V, G_H)`` in radians, -pi..pi, 0 to the right, pi/2
        downwards.
    plane_axes : tuple of int
        The axes of rows and columns.
    samples_axis : int, optional
        The axis of colour samples. The last of four, alpha, stays as it is: a gradient
        of it would make all flat parts transparent.

    Returns
    -------
    ndarray, shape of `image`
        In the units of `image` (times 8 for a step of one unit a pixel); float32, or
        float64 where the input is float64 or a 32-bit integer and wider.

    Raises
    ------
    InputError
        `kind` is unknown, the image has fewer than two dimensions or is not real, or
        `plane_axes` are not two of its axes.

    References
    ----------
    GradNet, eq. 1-3. Borders repeat the edge pixel here; the paper pads with zeros.
    """
    if kind not in get_args(GradientKind):
        msg = (
            f"kind={kind!r} is unknown: use one of {', '.join(get_args(GradientKind))}"
        )
        raise InputError(msg)
    array = np.asarray(image)
    if array.ndim < 2:
        msg = (
            f"a gradient needs rows and columns, this array has {array.ndim} dimensions"
        )
        raise InputError(msg)
    if array.dtype.kind not in "biuf":
        msg = f"a gradient needs real numbers, this array has dtype {array.dtype}"
        raise InputError(msg)
    result = _of_kind(array, kind, *_plane_axes(plane_axes, array.ndim))
    if samples_axis is not None and array.shape[samples_axis] == 4:
        np.moveaxis(result, samples_axis, 0)[3] = np.moveaxis(array, samples_axis, 0)[3]
    return result


def _of_kind(
    array: NDArray[Any], kind: GradientKind, rows: int, columns: int
) -> NDArray[np.floating]:
    dtype = np.result_type(array.dtype, np.float32)
    # where both gradients nearly vanish, rounding alone would turn the direction
    exact = np.float64 if kind == "orientation" else dtype
    array = array.astype(exact, copy=False)
    if kind == "horizontal":
        return _along(array, columns, rows)
    if kind == "vertical":
        return _along(array, rows, columns)
    horizontal = _along(array, columns, rows)
    vertical = _along(array, rows, columns)
    if kind == "magnitude":
        return np.hypot(horizontal, vertical)
    return np.arctan2(vertical, horizontal).astype(dtype)


def _plane_axes(plane_axes: tuple[int, int], ndim: int) -> tuple[int, int]:
    rows, columns = plane_axes
    inside = all(-ndim <= axis < ndim for axis in plane_axes)
    if not inside or rows % ndim == columns % ndim:
        msg = f"plane_axes={plane_axes} must be two different axes of {ndim} dimensions"
        raise InputError(msg)
    return rows % ndim, columns % ndim

"""Denoise one plane with any method: the hook that pipelines use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.naive.registry import get_method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_sigmas", "denoise_plane"]

#: Shorter sides are padded: BM3D's blocks are 8 pixels wide, and below twice that the
#: package has been seen to crash.
_MIN_SIDE = 32


def denoise_plane(
    plane: ArrayLike,
    method: str = "bm3d",
    sigma: float | Sequence[float] = 0.1,
    *,
    workers: int = 1,
) -> NDArray[np.floating]:
    """Denoise one grey or RGB plane of white Gaussian noise.

    Parameters
    ----------
    plane : array_like, shape (Y, X) or (Y, X, 3)
        Finite numbers in any units; may be negative.
    method : str
        One of `list_methods`.
    sigma : float or three of them
        Noise standard deviation in the units of `plane`, of all or of each channel. 0
        returns the plane as it is.
    workers : int
        Threads for this plane; the result does not depend on it.

    Returns
    -------
    ndarray, shape of `plane`
        In its units: float64 for float64 and integers of 32 bits or more, else float32.

    Raises
    ------
    InputError
        The shape, the method or `sigma` cannot be used.
    MissingDependencyError
        The method needs a package that is not installed.
    """
    array = np.asarray(plane)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        msg = f"a plane has shape (Y, X) or (Y, X, 3), this one {array.shape}"
        raise InputError(msg)
    if array.size == 0:
        msg = f"the plane is empty (shape {array.shape}): there is nothing to denoise"
        raise InputError(msg)
    dtype = np.result_type(array.dtype, np.float32)
    channels = array.astype(dtype).reshape(*array.shape[:2], -1)
    sigmas = _channel_sigmas(sigma, channels.shape[2])
    denoiser = get_method(method).load()
    if not sigmas.any() or np.ptp(channels) == 0:
        return channels.reshape(array.shape)
    # a channel without noise of its own follows the others, nearly untouched
    sigmas = np.maximum(sigmas, 1e-3 * sigmas.max())
    rows, columns = (max(_MIN_SIDE - k, 0) for k in array.shape[:2])
    if rows or columns:
        channels = np.pad(channels, ((0, rows), (0, columns), (0, 0)), mode="symmetric")
    result = denoiser(channels, sigmas, workers=workers)
    result = np.asarray(result)[: array.shape[0], : array.shape[1]]
    return result.reshape(array.shape).astype(dtype, copy=False)


def as_sigmas(sigma: float | Sequence[float]) -> NDArray[np.float64]:
    """Turn one sigma or several into an array, shape (n,); refuse what is no number."""
    try:
        return np.atleast_1d(np.asarray(sigma, dtype=np.float64))
    except (TypeError, ValueError) as error:
        msg = f"sigma={sigma!r} must be a number, or one for each channel"
        raise InputError(msg) from error


def _channel_sigmas(
    sigma: float | Sequence[float], channels: int
) -> NDArray[np.float64]:
    sigmas = as_sigmas(sigma)
    if sigmas.shape not in ((1,), (channels,)):
        msg = (
            f"sigma has {sigmas.size} values for {channels} channels: give one, or one "
            "for each"
        )
        raise InputError(msg)
    if not np.isfinite(sigmas).all() or (sigmas < 0).any():
        msg = f"sigma={sigma!r} must be at least 0 and finite, in the image's units"
        raise InputError(msg)
    return np.broadcast_to(sigmas, (channels,)).copy()

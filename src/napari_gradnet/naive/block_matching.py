"""BM3D, through the `bm3d` package.

The package's licence allows non-commercial use only.

References
----------
K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image Denoising by Sparse 3-D
Transform-Domain Collaborative Filtering", IEEE Trans. Image Processing 16(8), 2007.
Y. Makinen, L. Azzari, A. Foi, "Collaborative Filtering of Correlated Noise: Exact
Transform-Domain Variance for Improved Shrinkage and Patch Matching", IEEE Trans. Image
Processing 29, 2020.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import MissingDependencyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["denoise_bm3d"]

#: Opponent colours of BM3D: the mean, red minus blue, and green against both.
_TO_OPPONENT = np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.0, -0.5], [0.25, -0.5, 0.25]])
_FROM_OPPONENT = np.linalg.inv(_TO_OPPONENT)
#: Rows denoised at once, and rows of context on either side (a multiple of BM3D's step,
#: so that bands keep the block grid of the whole plane).
_BAND, _CONTEXT = 255, 48
#: Channels that vary by less, as a share of the image's range, count as constant: in a
#: plane (it can only be rounding), and in a band (single precision is near).
_FLAT, _FLAT_BAND = 1e-6, 1e-4


def denoise_bm3d(
    plane: NDArray[np.floating], sigma: NDArray[np.float64], *, workers: int = 1
) -> NDArray[np.floating]:
    """Denoise one plane with BM3D, profile ``np``; colour in opponent channels.

    For non-commercial use only (licence of the `bm3d` package).

    Parameters
    ----------
    plane : ndarray, shape (Y, X, C)
        Grey (C = 1) or RGB (C = 3), any units, at least 32 pixels along Y and X.
    sigma : ndarray, shape (C,)
        Noise standard deviation of each channel, in the units of `plane`.
    workers : int
        Threads. The plane is cut into bands of rows whatever their number, because the
        package's own threads change the result from run to run.

    Returns
    -------
    ndarray, shape (Y, X, C)
        In the units of `plane`.

    Raises
    ------
    MissingDependencyError
        The package `bm3d` is not installed.

    Notes
    -----
    `bm3d.bm3d_rgb` divides each opponent channel by its own range, which is zero for a
    constant channel (a grey picture in RGB, a picture of one hue): the whole result is
    then NaN. Here the range of the luminance scales all three; a constant channel stays
    as it is, without being passed on.
    """
    bm3d = _import_bm3d()
    if plane.shape[-1] == 1:
        channels, sigmas = plane[..., 0][..., np.newaxis], sigma
    else:
        channels = plane @ _TO_OPPONENT.T
        sigmas = np.sqrt(sigma**2 @ (_TO_OPPONENT**2).T)
    low = channels.min(axis=(0, 1))
    span = np.ptp(channels, axis=(0, 1))
    varied = span > _FLAT * span.max()
    if not varied.any():
        return plane.copy()
    # block distances have thresholds for images between 0 and 1
    scale = span[varied][0]
    scaled = (channels[..., varied] - low[varied]) / scale
    # noise cannot exceed the range, and little is left of an image filtered so strongly
    scaled_sigmas = np.minimum(sigmas[varied] / scale, 1.0)
    starts = range(0, max(plane.shape[0] - _BAND // 2, 1), _BAND)
    out = channels.copy()

    def band(start: int) -> None:
        stop = plane.shape[0] if start == starts[-1] else start + _BAND
        first = max(start - _CONTEXT, 0)
        part = _bm3d_channels(bm3d, scaled[first : stop + _CONTEXT], scaled_sigmas)
        out[start:stop, :, varied] = (
            part[start - first : stop - first] * scale + low[varied]
        )

    with ThreadPoolExecutor(max(1, min(workers, len(starts)))) as pool:
        list(pool.map(band, starts))
    return out if plane.shape[-1] == 1 else out @ _FROM_OPPONENT.T


def _import_bm3d() -> Any:
    try:
        import bm3d
    except ImportError as error:
        msg = (
            "method 'bm3d' needs the package bm3d, which is not installed: run "
            "`pip install bm3d` (non-commercial use only) or choose another method, "
            "for example 'nlm'"
        )
        raise MissingDependencyError(msg) from error
    return bm3d


def _bm3d_channels(
    bm3d: Any,
    part: NDArray[np.floating],
    sigmas: NDArray[np.float64],
) -> NDArray[np.floating]:
    """BM3D of a part, shape (Y, X, C): block matching on the first channel."""
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1  # more give another result each time
    flat = np.ptp(part, axis=(0, 1)) < _FLAT_BAND
    if part.shape[-1] == 1 or flat[0]:
        # a flat first channel has no blocks to share: the package returns it alone
        single = [
            part[..., c]
            if flat[c]
            else bm3d.bm3d(part[..., c], float(sigmas[c]), profile)
            for c in range(part.shape[-1])
        ]
        return np.stack(single, axis=-1)
    result: NDArray[np.floating] = bm3d.bm3d(part, sigmas, profile)
    return result

"""Noise variance of a set of small patches (shared by the estimators).

Weakly textured patches are selected as by Liu, Tanaka and Okutomi; the variance is
then read from the eigenvalues of their covariance as by Chen, Zhu and Heng, which is
unbiased where the smallest eigenvalue alone is too low.

References
----------
X. Liu, M. Tanaka, M. Okutomi, "Single-Image Noise Level Estimation for Blind
Denoising", IEEE Trans. Image Processing 22(12), 2013, eq. 12-17.
G. Chen, F. Zhu, P. A. Heng, "An Efficient Statistical Method for Image Noise Level
Estimation", ICCV 2015, algorithm 1.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["extract_patches", "noise_variance", "texture_strength"]

#: For each patch size in use, the share of pure-noise patches that the texture
#: threshold lets pass, and the factor by which that lowers the variance (measured on
#: white noise). A smaller share rejects more texture, until the choice gets unstable.
_SELECTION = {5: (0.99, 0.99), 7: (0.85, 0.927)}
_MAX_ROUNDS = 8


def extract_patches(
    plane: NDArray[np.floating], size: int, max_patches: int
) -> NDArray[np.float64]:
    """Overlapping patches on a regular grid, at most about `max_patches`.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Both sides at least `size`.
    size : int
        Patch side, in pixels.
    max_patches : int
        The grid is thinned out evenly beyond this number.

    Returns
    -------
    ndarray, shape (N, size * size)
        The patches, one a row.
    """
    windows = np.lib.stride_tricks.sliding_window_view(plane, (size, size))
    count = windows.shape[0] * windows.shape[1]
    step = max(1, math.ceil(math.sqrt(count / max_patches)))
    return windows[::step, ::step].reshape(-1, size * size).astype(np.float64)


def _differences(
    patches: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cube = patches.reshape(-1, size, size)
    return (cube[:, :, 2:] - cube[:, :, :-2]) / 2, (cube[:, 2:] - cube[:, :-2]) / 2


def texture_strength(patches: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sum of squared central differences of each patch (Liu et al., eq. 12)."""
    across, down = _differences(patches, size)
    strength: NDArray[np.float64] = (across**2).sum((1, 2)) + (down**2).sum((1, 2))
    return strength


@lru_cache
def _texture_limit(size: int) -> float:
    """Quantile of the texture strength of unit white noise (Liu et al., eq. 16).

    The strength is a weighted sum of chi-squares; a gamma distribution with the same
    mean and variance stands for it.
    """
    from scipy.stats import gamma

    unit = np.eye(size * size)
    across, down = _differences(unit, size)
    form = np.hstack([across.reshape(len(unit), -1), down.reshape(len(unit), -1)])
    gram = form @ form.T
    mean = float(np.trace(gram))
    spread = float(np.sum(gram**2))
    freedom = mean**2 / spread
    return float(gamma.ppf(_SELECTION[size][0], freedom / 2, scale=2 * mean / freedom))


def _noise_eigenvalue(patches: NDArray[np.float64]) -> float:
    """Mean of the eigenvalues that noise alone explains (Chen et al., algorithm 1)."""
    values = np.linalg.eigvalsh(np.cov(patches, rowvar=False))[::-1]
    for first in range(len(values)):
        rest = values[first:]
        mean = rest.mean()
        if np.count_nonzero(rest > mean) >= np.count_nonzero(rest < mean):
            return max(float(mean), 0.0)
    return max(float(values[-1]), 0.0)


def noise_variance(
    patches: NDArray[np.float64], texture: NDArray[np.float64], size: int
) -> tuple[float, NDArray[np.intp]] | None:
    """Noise variance of patches and which of them it was read from.

    Parameters
    ----------
    patches : ndarray, shape (N, size * size)
        Patches with one noise variance.
    texture : ndarray, shape (N,)
        Their `texture_strength`.
    size : int
        Patch side, in pixels: 5 or 7.

    Returns
    -------
    tuple of (float, ndarray of int) or None
        Variance in squared units of the patches, and indices of the smooth patches.
        None where there are too few patches to say.
    """
    needed = 4 * size * size
    if len(patches) < needed:
        return None
    chosen = np.arange(len(patches))
    variance = _noise_eigenvalue(patches)
    for _ in range(_MAX_ROUNDS):
        smooth = np.flatnonzero(texture <= _texture_limit(size) * variance)
        if len(smooth) < needed or len(smooth) == len(chosen):
            break
        chosen = smooth
        variance = _noise_eigenvalue(patches[chosen])
    return variance / (_SELECTION[size][1] if len(chosen) < len(patches) else 1), chosen

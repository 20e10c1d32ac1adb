"""Noise variance of a set of small patches (shared by the estimators).

Smooth patches are chosen by their low frequencies, and the variance is read from their
high ones. White noise is independent between the two, so that the choice does not
favour patches whose noise happens to be weak (Ponomarenko et al.). Texture that reaches
into the high frequencies has few directions there, which stand out as large eigenvalues
and are left out (Chen et al.).

References
----------
N. N. Ponomarenko, V. V. Lukin, M. S. Zriakhov, A. Kaarna, J. Astola, "An Automatic
Approach to Lossy Compression of AVIRIS Images", IGARSS 2007 (low frequencies choose,
high frequencies measure).
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

__all__ = ["extract_patches", "noise_variance"]

#: Times that the patches may be chosen anew.
_NUM_ROUNDS = 4
#: More patches of the same noise raise the variance by no more than this (few patches
#: make it too low by up to a fifth).
_LARGEST_RISE = 1.25
#: Patches for each coefficient below which a covariance is too uncertain.
_PATCHES_A_COEFFICIENT = 8


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


@lru_cache
def _bases(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine bases of the low frequencies (without the mean) and of the high ones.

    Shapes (size * size, L) and (size * size, H).
    """
    from scipy.fft import dct

    first = size + 1  # sum of the two frequencies from which on they count as high
    one = dct(np.eye(size), norm="ortho", axis=0)
    both = np.kron(one, one).T
    order = np.add.outer(np.arange(size), np.arange(size)).ravel()
    return both[:, (order > 0) & (order < first)], both[:, order >= first]


def _noise_eigenvalue(coefficients: NDArray[np.float64]) -> float:
    """Mean of the eigenvalues that noise alone explains (Chen et al., algorithm 1)."""
    covariance = coefficients.T @ coefficients / len(coefficients)
    values = np.linalg.eigvalsh(covariance)[::-1]
    for first in range(len(values)):
        rest = values[first:]
        mean = rest.mean()
        if np.count_nonzero(rest > mean) >= np.count_nonzero(rest < mean):
            return max(float(mean), 0.0)
    return max(float(values[-1]), 0.0)


def noise_variance(
    patches: NDArray[np.float64], size: int, share: float
) -> tuple[float, NDArray[np.intp], float] | None:
    """Noise variance of patches and which of them it was read from.

    Parameters
    ----------
    patches : ndarray, shape (N, size * size)
        Patches with one noise variance.
    size : int
        Patch side, in pixels.
    share : float
        Of the patches, the smoothest, that the variance is read from at least.

    Returns
    -------
    tuple of (float, ndarray of int, float) or None
        Variance in squared units of the patches, indices of the patches it was read
        from, and the share of all patches that are as smooth as this noise lets them
        be. None where there are too few patches to say.
    """
    low, high = _bases(size)
    needed = _PATCHES_A_COEFFICIENT * high.shape[1]
    if len(patches) < needed:
        return None
    energy = ((patches @ low) ** 2).sum(1)
    order = np.argsort(energy, kind="stable")
    count = max(needed, int(share * len(patches)))
    variance = _noise_eigenvalue(patches[order[:count]] @ high)
    for _ in range(_NUM_ROUNDS):
        # half of the patches without texture lie below this noise's mean energy: more
        # patches make the covariance more certain, where there are more
        smooth = int(np.count_nonzero(energy <= variance * low.shape[1]))
        if smooth <= count:
            break
        wider = _noise_eigenvalue(patches[order[:smooth]] @ high)
        if wider > _LARGEST_RISE * variance:
            break  # that was texture
        count, variance = smooth, wider
    # 3 standard deviations of chi-squared above its mean
    limit = variance * (low.shape[1] + 3 * math.sqrt(2 * low.shape[1]))
    smooth_share = float(np.count_nonzero(energy <= limit)) / len(patches)
    return variance, order[:count], smooth_share

"""Figures of a residual: how its pixels hang together, and with the image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_gradnet.gradient import sobel_gradient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Plane = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = [
    "MAX_LAG",
    "NEIGHBOURS",
    "SMALLEST",
    "Autocorrelation",
    "PlaneFigures",
    "plane_figures",
]

#: Largest distance of the autocorrelation, pixels.
MAX_LAG = 8
#: Rows and columns between adjacent pixels.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: Side of the smallest part that can be judged, pixels.
SMALLEST = 16
#: Levels of brightness within which pixels are compared.
_NUM_LEVELS = 32


class Autocorrelation(NamedTuple):
    """Sums of products of pixels at each distance, and how many there were."""

    sums: Plane
    pairs: Plane

    @property
    def values(self) -> Plane:
        """Correlations, 1 in the middle."""
        mean = self.sums / np.maximum(self.pairs, 1)
        return mean / max(mean[MAX_LAG, MAX_LAG], 1e-300)

    def at(self, lag: tuple[int, int]) -> float:
        """Correlation of pixels so many rows and columns apart."""
        return float(self.values[MAX_LAG + lag[0], MAX_LAG + lag[1]])

    def nearest(self) -> float:
        """Mean correlation of adjacent pixels."""
        return sum(self.at(lag) for lag in NEIGHBOURS) / len(NEIGHBOURS)

    def error(self) -> float:
        """Standard error of one value: Bartlett's, from above."""
        spread = float(np.sum(np.minimum(self.values**2, 1.0)))
        num = float(self.pairs[MAX_LAG, MAX_LAG])
        return math.sqrt(spread * (2 if spread > 1.5 else 1) / max(num, 1.0))

    def __add__(self, other: Any) -> Autocorrelation:
        return Autocorrelation(self.sums + other.sums, self.pairs + other.pairs)


class PlaneFigures(NamedTuple):
    """Figures of one plane; those of several are added."""

    everywhere: Autocorrelation
    flat: Autocorrelation
    steep: Autocorrelation
    #: Sums of |u| g, |u|^2 and g^2 with the mean of each brightness taken off.
    products: NDArray[np.float64]
    #: How many pixels count for one, their neighbours being alike.
    inflation: float


def plane_figures(removed: Plane, denoised: Plane) -> PlaneFigures | None:
    """Figures of one plane; None where nothing was removed or it is too small."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    valid = np.isfinite(removed) & np.isfinite(denoised)
    if not valid.all():
        denoised = np.where(valid, denoised, _median(denoised[valid]))
        valid = binary_erosion(valid, iterations=3)
    if valid.sum() < SMALLEST**2:
        return None
    removed = np.where(valid, removed, 0.0)
    least = 1e-3 * float(removed[valid].std())
    smooth = gaussian_filter(denoised, 1.0)
    gradient = sobel_gradient(smooth)
    unit = np.zeros_like(removed)
    size, slope = np.zeros_like(removed), np.zeros_like(removed)
    flat, steep = np.zeros_like(valid), np.zeros_like(valid)
    for level in _levels(smooth, valid):
        low, high = np.quantile(gradient[level], (0.5, 0.9))
        is_flat = level & (gradient <= low)
        middle, sigma = float(removed[is_flat].mean()), float(removed[is_flat].std())
        if sigma <= least:  # saturated: nothing can be removed there
            valid &= ~level
            continue
        flat |= is_flat
        steep |= level & (gradient > high)
        unit[level] = (removed[level] - middle) / sigma
        amount = np.minimum(np.abs(unit[level]), 5.0)
        size[level] = amount - amount.mean()
        rise = gradient[level] - gradient[level].mean()
        slope[level] = rise / (rise.std() or 1.0)
    if valid.sum() < SMALLEST**2:
        return None
    products = np.array([np.sum(size * slope), np.sum(size**2), np.sum(slope**2)])
    alike = _autocorrelate(size, valid).values[6:11, 6:11]
    return PlaneFigures(
        _autocorrelate(unit, valid),
        _autocorrelate(unit, flat),
        _autocorrelate(unit, steep),
        products,
        max(1.0, float(alike.sum())),
    )


def _levels(smooth: Plane, valid: Mask) -> Iterator[Mask]:
    """Pixels of about equal brightness."""
    ends = np.quantile(smooth[valid], np.linspace(0, 1, _NUM_LEVELS + 1)[1:-1])
    number = np.searchsorted(np.unique(ends), smooth, side="right")
    for level in range(_NUM_LEVELS):
        mask = valid & (number == level)
        if mask.any():
            yield mask


def _autocorrelate(values: Plane, mask: Mask) -> Autocorrelation:
    """Sums of products of masked pixels up to the largest distance apart."""
    from scipy import fft

    shape = [fft.next_fast_len(n + MAX_LAG, real=True) for n in values.shape]

    def correlate(part: Plane) -> Plane:
        power = np.abs(fft.rfft2(part, shape)) ** 2
        whole = fft.irfft2(power, shape)
        lags = np.arange(-MAX_LAG, MAX_LAG + 1)
        return np.asarray(whole[np.ix_(lags % shape[0], lags % shape[1])])

    inside = mask.astype(np.float64)
    return Autocorrelation(correlate(values * inside), np.rint(correlate(inside)))


def _median(values: Plane) -> float:
    return float(np.median(values)) if values.size else 0.0

"""A straight line through the noise of brightness levels: a camera's law."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit_law"]

#: Levels between which lines are tried.
_MOST_ENDS = 96


def fit_law(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """Fit ``variance = slope * mean + intercept``, robustly.

    Texture can only add to a level's variance, and by a lot; so the line is the one
    through two levels that most others agree with (relative to the variance itself),
    refined by reweighted least squares.

    Parameters
    ----------
    points : ndarray, shape (N, 3)
        Mean, variance and weight of each brightness level.

    Returns
    -------
    tuple of float
        Slope, intercept and the confidence in them, 0 to 1; zeros where nothing fits.
    """
    if len(points) < 4 or np.ptp(points[:, 0]) == 0:
        return 0.0, 0.0, 0.0
    points = points.copy()
    # a large even area is one brightness, however many patches it has
    points[:, 2] = np.minimum(points[:, 2], np.median(points[:, 2]))
    mean, variance, weight = points.T
    floor = 0.02 * float(np.median(variance))
    if floor == 0:
        return 0.0, 0.0, 0.0
    ends = np.arange(len(mean))
    if len(ends) > _MOST_ENDS:  # of many channels all pairs would fill the memory
        step = math.ceil(len(ends) / _MOST_ENDS)
        ends = np.argsort(mean, kind="stable")[::step]
    i, j = (ends[k] for k in np.triu_indices(len(ends), 1))
    apart = np.abs(mean[i] - mean[j]) > 0.1 * np.ptp(mean)
    i, j = i[apart], j[apart]
    slopes = (variance[j] - variance[i]) / (mean[j] - mean[i])
    intercepts = variance[i] - slopes * mean[i]
    law = slopes[:, None] * mean + intercepts[:, None]
    cost = _robust_cost(variance, law, weight, floor)
    cost[(law <= floor).any(axis=1)] = np.inf
    best = int(np.argmin(cost))
    if not np.isfinite(cost[best]):
        return 0.0, 0.0, 0.0
    slope, intercept = _refine(
        points, float(slopes[best]), float(intercepts[best]), floor
    )
    return slope, intercept, _law_confidence(points, slope, intercept, floor)


def _law_confidence(
    points: NDArray[np.float64], slope: float, intercept: float, floor: float
) -> float:
    """Share of the levels on the line, times how much the noise changes along them."""
    mean, variance, weight = points.T
    law = np.maximum(slope * mean + intercept, floor)
    agrees = np.abs(variance / law - 1) < 0.15
    if np.count_nonzero(agrees) < 4 or slope <= 0:
        return 0.0
    dark, bright = slope * np.quantile(mean[agrees], [0.1, 0.9]) + intercept
    change = float(bright / max(dark, floor)) - 1
    share = float(weight[agrees].sum() / weight.sum())
    # half of the levels may be texture above the line, which proves nothing against it;
    # levels with less noise than the line says do
    below = float(weight[variance < 0.7 * law].sum() / weight.sum())
    return min(max(change, 0.0), 1.0) * min(2 * share, 1.0) * max(1 - 3 * below, 0.0)


def _robust_cost(
    variance: NDArray[np.float64],
    law: NDArray[np.float64],
    weight: NDArray[np.float64],
    floor: float,
) -> NDArray[np.float64]:
    """Weighted squared relative residuals, cut off at 20 %, of each row of `law`."""
    relative = (variance - law) / np.maximum(law, floor)
    cost: NDArray[np.float64] = (np.minimum((relative / 0.2) ** 2, 1) * weight).sum(1)
    return cost


def _refine(
    points: NDArray[np.float64], slope: float, intercept: float, floor: float
) -> tuple[float, float]:
    """Least squares with Tukey's biweight on the relative residuals."""
    mean, variance, weight = points.T
    # in any units the least squares see columns of like size
    unit = float(np.abs(mean).max())
    design = np.stack([mean / unit, np.ones_like(mean)], axis=1)
    for _ in range(20):
        law = np.maximum(slope * mean + intercept, floor)
        relative = (variance - law) / law
        scale = np.clip(1.4826 * np.median(np.abs(relative)), 0.02, 0.1)
        tukey = np.maximum(1 - (relative / (3 * scale)) ** 2, 0) ** 2
        root = np.sqrt(tukey * weight) / law
        solution = np.linalg.lstsq(design * root[:, None], variance * root, rcond=None)
        slope, intercept = float(solution[0][0] / unit), float(solution[0][1])
    return slope, intercept

"""Tell whether a denoiser removed noise alone, or parts of the image with it.

The residual is the noisy image minus the denoised one. Where the denoiser took nothing
but white noise, its values know nothing of each other and nothing of the image. Three
figures tell when they do:

- the correlation of neighbouring pixels where the denoised image is flat: above 0 the
  noise itself is correlated (or fine texture went with it), below 0 blurred noise
  stayed in the image;
- the correlation of the residual's size with the gradient of the denoised image among
  pixels of equal brightness: above 0 edges were removed. Noise that grows with the
  brightness alone does not raise it;
- how much more neighbouring pixels agree along edges than in flat parts.

A figure counts when it is beyond chance (5 standard errors for this many pixels) and
large enough to matter: with a million pixels, everything is beyond chance.

References
----------
A. Buades, B. Coll, J.-M. Morel, "A Review of Image Denoising Algorithms, with a New
One", Multiscale Modeling & Simulation 4(2), 2005 (method noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.events import Event, Progress, drain
from napari_gradnet.pairs import spread_pair
from napari_gradnet.residual.figures import (
    MAX_LAG,
    NEIGHBOURS,
    SMALLEST,
    Autocorrelation,
    PlaneFigures,
    plane_figures,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

__all__ = ["Finding", "ResidualReport", "analyze_residual", "iter_analyze_residual"]

Finding = Literal[
    "nothing", "brightness", "structure", "correlated", "noise left", "edges spared"
]

#: Standard errors beyond which a figure is no chance.
CERTAIN = 5.0
#: Least correlation of the residual's size with the gradient that counts. Tested on
#: photos: pure noise, also of a camera, stays below 0.012; results that look blurred
#: are above 0.02.
LEAST_EDGE = 0.02
#: The same below 0; camera noise comes to -0.025.
LEAST_SPARED = 0.04
#: Least correlation of neighbours that counts.
LEAST_NEIGHBOUR = 0.05
#: Least share of the residual's standard deviation by which the mean may be off.
LEAST_SHIFT = 0.1
#: Largest side of the part of a plane that is looked at, pixels.
_LARGEST = 1024
_NUM_BINS = 61

_SENTENCES: dict[Finding, str] = {
    "nothing": "Nothing was removed: the two images are the same.",
    "brightness": (
        "The brightness changed: on average {mean:+.3g} was removed, {shift:.0%} of "
        "the noise."
    ),
    "structure": (
        "Structure is left in the removed noise: along edges it is stronger or hangs "
        "together, so details were removed with it."
    ),
    "correlated": (
        "The removed noise is correlated{direction} (neighbours agree by "
        "{neighbour:.0%}): either the noise itself is, or fine texture went with it. "
        "Methods made for white noise work less well on it."
    ),
    "noise left": (
        "Noise was left in the image: neighbouring pixels of what was removed are "
        "opposed ({neighbour:.0%}), its coarser part stayed."
    ),
    "edges spared": (
        "Along edges less was removed than elsewhere: details were kept there, and "
        "some noise with them."
    ),
}
_ADVICE = {
    (True, True): "Another method would serve better.",
    (True, False): "Try a weaker setting.",
    (False, True): "A stronger setting removes more.",
    (False, False): "",
}
_WHITE = "No structure is left in the removed noise: it is white"
_CLEAN = f"{_WHITE}, and no stronger along edges than elsewhere."


@dataclass(frozen=True, eq=False)
class ResidualReport:
    """What stands in a residual.

    Parameters
    ----------
    mean, sigma : float
        Of the residual, in image units.
    num_pixels : int
        How many values were looked at.
    counts, edges : ndarray, shape (61,) and (62,)
        Histogram from -4 to 4 sigma around the mean, or a little further.
    autocorrelation : ndarray, shape (17, 17)
        Correlation of pixels `dy`, `dx` apart, at ``[8 + dy, 8 + dx]``; 1 in the
        middle. The noise is brought to one strength at all brightness levels first.
    neighbour_correlation : float
        Strongest correlation of adjacent pixels in flat parts, -1..1.
    edge_correlation : float
        Correlation of the residual's size with the gradient of the denoised image
        among pixels of equal brightness, -1..1.
    findings : tuple of str
        Any of ``"nothing"``, ``"brightness"``, ``"structure"``, ``"correlated"``,
        ``"noise left"`` and ``"edges spared"``; empty where what was removed is white
        noise, as strong along edges as elsewhere.
    direction : str
        ``"rows"`` or ``"columns"`` where neighbours agree along these only.
    """

    mean: float
    sigma: float
    num_pixels: int
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    autocorrelation: NDArray[np.float64]
    neighbour_correlation: float
    edge_correlation: float
    findings: tuple[Finding, ...]
    direction: str = ""

    @property
    def sentence(self) -> str:
        """The findings in plain words."""
        if not self.findings:
            return _CLEAN
        if self.findings == ("edges spared",):
            return f"{_WHITE}. {_SENTENCES['edges spared']}"
        values = {
            "mean": self.mean,
            "shift": abs(self.mean) / self.sigma if self.sigma else 0.0,
            "neighbour": abs(self.neighbour_correlation),
            "direction": f" along {self.direction}" if self.direction else "",
        }
        told = [_SENTENCES[f].format(**values) for f in self.findings]
        told.append(
            _ADVICE["structure" in self.findings, "noise left" in self.findings]
        )
        return " ".join(told).rstrip()


def analyze_residual(
    noisy: Any, denoised: Any, *, axes: str | None = None, num_planes: int = 8
) -> ResidualReport:
    """Tell whether what a denoiser removed is noise alone.

    Parameters
    ----------
    noisy, denoised : array, 2 to 5 dimensions, of one shape
        In the same units; numpy, dask or zarr. Of larger planes, the middle
        1024 x 1024 pixels are read.
    axes : str, optional
        One letter a dimension; guessed when not given. Colour samples are looked at
        one by one; alpha is left out.
    num_planes : int
        Most planes of a channel to read; they are spread over the stack.

    Returns
    -------
    ResidualReport
        `sentence` says it in words.

    Raises
    ------
    InputError
        The shapes differ, or there are fewer than 16 x 16 finite pixels.
    """
    work = iter_analyze_residual(noisy, denoised, axes=axes, num_planes=num_planes)
    return drain(work)


def iter_analyze_residual(
    noisy: Any, denoised: Any, *, axes: str | None = None, num_planes: int = 8
) -> Generator[Event, None, ResidualReport]:
    """Do the work of `analyze_residual` as a generator of `Progress`, one a plane."""
    checked, places = spread_pair(
        {"noisy image": noisy, "denoised one": denoised},
        axes=axes,
        num_planes=num_planes,
        largest=_LARGEST,
    )
    figures: list[PlaneFigures] = []
    values: list[NDArray[np.float64]] = []
    for done, place in enumerate(places):
        yield Progress(done, len(places), "plane")
        pair = [
            np.atleast_3d(checked.to_plane(np.asarray(image[place]))).astype(np.float64)
            for image in (noisy, denoised)
        ]
        for sample in range(min(pair[0].shape[-1], 3)):
            first, second = pair[0][..., sample], pair[1][..., sample]
            removed = first - second
            values.append(removed[np.isfinite(removed)])
            found = plane_figures(removed, second)
            if found is not None:
                figures.append(found)
    yield Progress(len(places), len(places), "plane")
    return _report(np.concatenate(values), figures)


def _report(values: NDArray[np.float64], figures: list[PlaneFigures]) -> ResidualReport:
    mean = float(values.mean()) if values.size else 0.0
    sigma = float(values.std()) if values.size else 0.0
    counts, edges = _histogram(values, mean, sigma)
    if not figures:
        if values.size >= SMALLEST**2 and sigma == 0:
            empty = np.zeros((2 * MAX_LAG + 1,) * 2)
            kind: Finding = "brightness" if mean else "nothing"
            return ResidualReport(
                mean, sigma, values.size, counts, edges, empty, 0.0, 0.0, (kind,)
            )
        msg = (
            f"too few finite pixels ({values.size}) to judge what was removed: give at "
            f"least {SMALLEST} x {SMALLEST}"
        )
        raise InputError(msg)
    everywhere, flat, steep = (
        _total(part) for part in zip(*(f[:3] for f in figures), strict=True)
    )
    edge = _edge_correlation(figures)
    findings: list[Finding] = []
    if abs(mean) > LEAST_SHIFT * sigma and values.size * (mean / sigma) ** 2 > 25:
        findings.append("brightness")
    chance = _edge_error(figures)
    if edge > max(LEAST_EDGE, CERTAIN * chance) or _hangs_together(flat, steep):
        findings.append("structure")
    neighbour = max((flat.at(lag) for lag in NEIGHBOURS), key=abs)
    if abs(neighbour) > max(LEAST_NEIGHBOUR, CERTAIN * flat.error()):
        findings.append("correlated" if neighbour > 0 else "noise left")
    if -edge > max(LEAST_SPARED, CERTAIN * chance):
        findings.append("edges spared")
    return ResidualReport(
        mean,
        sigma,
        values.size,
        counts,
        edges,
        everywhere.values,
        neighbour,
        edge,
        tuple(findings),
        _direction(flat),
    )


def _histogram(
    values: NDArray[np.float64], mean: float, sigma: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count values around the mean; whole numbers in bins as wide as some of them."""
    reach = 4 * sigma or 1.0
    low, high = mean - reach, mean + reach
    if np.array_equal(values, np.rint(values)):  # else some bins have more of them
        width = max(1, math.ceil((high - low) / _NUM_BINS))
        low = round(mean) - (_NUM_BINS * width) // 2 - 0.5
        high = low + _NUM_BINS * width
    return np.histogram(values, _NUM_BINS, (low, high))


def _total(parts: Iterable[Autocorrelation]) -> Autocorrelation:
    first, *others = parts
    for other in others:
        first = first + other
    return first


def _edge_correlation(figures: list[PlaneFigures]) -> float:
    both, sizes, slopes = np.sum([f.products for f in figures], axis=0)
    return float(both / math.sqrt(sizes * slopes)) if sizes * slopes > 0 else 0.0


def _edge_error(figures: list[PlaneFigures]) -> float:
    """Standard error of the edge correlation of noise alone."""
    middle = (MAX_LAG, MAX_LAG)
    return sum(f.everywhere.pairs[middle] / f.inflation for f in figures) ** -0.5


def _hangs_together(flat: Autocorrelation, steep: Autocorrelation) -> bool:
    """Whether neighbours agree more along edges than in flat parts."""
    more = steep.nearest() - flat.nearest()
    error = math.hypot(steep.error(), flat.error())
    least = max(LEAST_NEIGHBOUR / 2, CERTAIN * error)
    return more > least and steep.nearest() > LEAST_NEIGHBOUR


def _direction(flat: Autocorrelation) -> str:
    """Where only neighbours in rows, or only those in columns, agree."""
    along, across = flat.at((0, 1)), flat.at((1, 0))
    if along > LEAST_NEIGHBOUR and across < along / 4:
        return "rows"
    if across > LEAST_NEIGHBOUR and along < across / 4:
        return "columns"
    return ""

"""Estimate the noise of an image: white Gaussian, and Poisson-Gaussian of a camera.

The camera law is ``variance = gain * (mean - offset) + read_noise**2``. Its slope (the
gain) and its value at one brightness are what an image shows; offset and read noise
follow from them only together. Here the offset is the dark level of the image (a low
percentile of local means), raised to where the law's variance reaches zero if that lies
higher, and the read noise is what the law gives at that offset. So the law itself is
kept exactly, whatever the true offset; the offset is right where the image has dark
background, otherwise it is an upper bound, and so is the read noise.

References
----------
A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian Noise
Modeling and Fitting for Single-Image Raw-Data", IEEE Trans. Image Processing 17(10),
2008 (the affine law, eq. 3, and its fit to pairs of local means and variances).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.noise._law import fit_law
from napari_gradnet.noise._patches import extract_patches, noise_variance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NoiseEstimate", "estimate_noise"]

#: Side of patches in pixels, and the share of them that counts, for sigma and for the
#: variance of a brightness level, which has fewer patches.
_SIGMA_PATCH, _SIGMA_SHARE = 8, 0.05
_LEVEL_PATCH, _LEVEL_SHARE = 5, 0.3
_NUM_LEVELS = 24
_MAX_PATCHES = 60_000
_MAX_PLANES = 16
_DARK_PERCENTILE = 0.1
#: Confidence from which on the noise is said to depend on the signal.
_SURE = 0.5
#: Sums of squares of all patches stay below float64's largest number.
_LARGEST = 1e150


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise of an image.

    Parameters
    ----------
    sigma : float
        Noise standard deviation in image units, root mean square over the channels.
        Where the noise depends on the signal it is that at the mean brightness.
    channel_sigmas : tuple of float
        The same, one a channel.
    gain : float
        Image units per photo-electron: the slope of the variance over the mean. 0 where
        no slope was found.
    offset : float
        Image value of no light (see the module on what is known of it).
    read_noise : float
        Noise standard deviation at `offset`, in image units.
    confidence : float
        0..1: how many of the brightness levels agree with the camera law, times how
        much the noise changes between them. Above 0.5 the noise depends on the signal.
    levels : tuple of (float, float)
        The pairs (mean, variance) that the law was fitted to, in image units and their
        squares: what a plot shows.
    channels : tuple of NoiseEstimate
        Of channels that were estimated one by one, each one's own; the law above is
        the surest of theirs. Empty elsewhere.
    """

    sigma: float
    channel_sigmas: tuple[float, ...]
    gain: float = 0.0
    offset: float = 0.0
    read_noise: float = 0.0
    confidence: float = 0.0
    levels: tuple[tuple[float, float], ...] = ()
    channels: tuple[NoiseEstimate, ...] = ()

    def variance(self, mean: ArrayLike) -> NDArray[np.float64]:
        """Noise variance that the camera law gives at a brightness.

        Parameters
        ----------
        mean : array_like
            Noise-free values, in image units.

        Returns
        -------
        ndarray
            In squared image units; below `offset` it is that at the offset.
        """
        signal = np.maximum(np.asarray(mean, dtype=np.float64) - self.offset, 0)
        return np.asarray(self.gain * signal + self.read_noise**2)


def estimate_noise(
    image: ArrayLike, *, channel_axis: int | None = None
) -> NoiseEstimate:
    """Estimate the noise of an image from the image alone.

    Parameters
    ----------
    image : array_like, shape (..., Y, X) or with one more axis of channels
        Integer or floating-point numbers, any units. Of stacks, up to 16 planes spread
        evenly are looked at.
    channel_axis : int, optional
        The axis of colour samples, or of channels of one detector. Each gets its own
        sigma; one camera law is fitted to all of them. Estimate channels that may
        differ in gain one by one, as `api.describe_noise` does.

    Returns
    -------
    NoiseEstimate
        Of a constant image, sigma is 0. Planes with a side below 8 pixels, and a lone
        one of less than 20 x 20, have too few patches: they get a sigma from second
        differences and no camera law.

    Raises
    ------
    InputError
        The image is no array of real finite numbers with rows and columns, smaller
        than 3 pixels along both, or of values beyond 1e150.

    Notes
    -----
    Noise is taken to be independent from pixel to pixel; a picture that was resized,
    demosaicked or compressed shows less noise than it has. Saturated pixels (a pile of
    pixels at the lowest or highest value) and patches near them are left out, but for
    the zeros of images of few photons. The same image gives the same estimate: nothing
    is drawn at random.
    """
    channels = _channels(image, channel_axis)
    limits = [_clipping_limits(planes) for planes in channels]
    estimate = _estimate(channels, limits)
    if any(math.isfinite(low) for low, _ in limits):
        counts = _estimate(channels, [(-math.inf, high) for _, high in limits])
        if _are_counts(counts, min(low for low, _ in limits)):
            return counts
    return estimate


def _are_counts(estimate: NoiseEstimate, lowest: float) -> bool:
    """Whether the noise is that of few photons, whose zeros are no saturation.

    That is, whether its variance vanishes at the pile of lowest values. A camera's read
    noise, of which the pile has cut off one half, leaves some.
    """
    if estimate.confidence < _SURE:
        return False
    zero = estimate.gain * (lowest - estimate.offset) + estimate.read_noise**2
    return abs(zero) < estimate.gain**2


def _estimate(
    channels: list[NDArray[np.float64]], limits: list[tuple[float, float]]
) -> NoiseEstimate:
    """Estimate sigmas and law of channels with known clipping limits."""
    sigmas = []
    levels = []
    dark = []
    for planes, ends in zip(channels, limits, strict=True):
        sigmas.append(_channel_sigma(planes, ends))
        pairs, low = _channel_levels(planes, ends, sigmas[-1])
        levels.append(pairs)
        dark.append(low)
    points = np.concatenate(levels)
    slope, intercept, confidence = fit_law(points)
    pairs_out = tuple((float(p[0]), float(p[1])) for p in points)
    if slope <= 0 or not math.isfinite(slope):
        return NoiseEstimate(_rms(sigmas), tuple(sigmas), levels=pairs_out)
    offset = max(min(dark), -intercept / slope)
    read_noise = math.sqrt(max(intercept + slope * offset, 0.0))
    if confidence >= _SURE:
        # the patch estimate favours dark patches where the noise grows with the signal
        means = [float(np.mean(planes)) for planes in channels]
        sigmas = [
            math.sqrt(max(slope * (m - offset), 0) + read_noise**2) for m in means
        ]
    return NoiseEstimate(
        sigma=_rms(sigmas),
        channel_sigmas=tuple(sigmas),
        gain=float(slope),
        offset=float(offset),
        read_noise=read_noise,
        confidence=confidence,
        levels=pairs_out,
    )


def _rms(values: list[float]) -> float:
    return math.sqrt(sum(v * v for v in values) / len(values))


def _channels(image: ArrayLike, channel_axis: int | None) -> list[NDArray[np.float64]]:
    """Check the image; one array (planes, Y, X) a channel."""
    array = np.asarray(image)
    if array.dtype.kind not in "iuf":
        msg = (
            f"noise can be estimated of integer or floating-point images, this one is "
            f"{array.dtype}: convert it"
        )
        raise InputError(msg)
    if channel_axis is None:
        array = array[np.newaxis]
    elif -array.ndim <= channel_axis < array.ndim:
        array = np.moveaxis(array, channel_axis, 0)
    else:
        msg = f"channel_axis={channel_axis} does not exist in shape {array.shape}"
        raise InputError(msg)
    if array.ndim < 3 or 0 in array.shape or max(array.shape[-2:]) < 3:
        msg = (
            f"noise cannot be estimated from shape {np.shape(image)}: rows or columns "
            "of at least 3 pixels are needed; give sigma instead"
        )
        raise InputError(msg)
    array = array.reshape(array.shape[0], -1, *array.shape[-2:])
    picked = np.unique(
        np.linspace(0, array.shape[1] - 1, min(_MAX_PLANES, array.shape[1])).round()
    ).astype(int)
    array = array[:, picked].astype(np.float64)
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        msg = f"noise cannot be estimated: {bad} pixels are NaN or infinite; fill them"
        raise InputError(msg)
    largest = float(max(array.max(), -array.min()))
    if largest > _LARGEST:
        msg = (
            f"noise cannot be estimated: the squares of values up to {largest:g} do "
            "not fit into float64; divide the image first"
        )
        raise InputError(msg)
    return list(array)


def _clipping_limits(planes: NDArray[np.float64]) -> tuple[float, float]:
    """Values at which the image is saturated, -inf and inf where it is not."""
    limits = []
    for sign in (1, -1):
        values = sign * planes
        extreme = values.min()
        others = values[values > extreme]
        count = values.size - others.size
        following = np.count_nonzero(others == others.min()) if others.size else 0
        # unsaturated noise has a thin tail at its extremes, never a pile
        clipped = count > max(10, 1e-4 * values.size) and count > 2 * following
        limits.append(sign * extreme if clipped else -sign * math.inf)
    return limits[0], limits[1]


def _usable_patches(
    planes: NDArray[np.float64],
    size: int,
    limits: tuple[float, float],
) -> NDArray[np.float64]:
    """Patches without saturated pixels, and without flat ones (mask or border)."""
    budget = max(_MAX_PATCHES // len(planes), 1)
    patches = np.concatenate([extract_patches(p, size, budget) for p in planes])
    low, high = patches.min(axis=1), patches.max(axis=1)
    varied = patches[high > low]
    clean = patches[(high > low) & (low > limits[0]) & (high < limits[1])]
    # images of few photons are zero nearly everywhere, which is no saturation
    return clean if len(clean) >= max(8 * size * size, 0.05 * len(varied)) else varied


def _channel_sigma(planes: NDArray[np.float64], limits: tuple[float, float]) -> float:
    if min(planes.shape[1:]) >= _SIGMA_PATCH:
        patches = _usable_patches(planes, _SIGMA_PATCH, limits)
        if len(patches) == 0:
            return 0.0
        found = noise_variance(patches, _SIGMA_PATCH, _SIGMA_SHARE)
        if found is not None:
            sigma = math.sqrt(found[0])
            mean = patches.mean(axis=1)
            # next to saturation the noise is cut off on one side
            inner = (mean > limits[0] + 3 * sigma) & (mean < limits[1] - 3 * sigma)
            if inner.all():
                return sigma
            patches = patches[inner]
            found = noise_variance(patches, _SIGMA_PATCH, _SIGMA_SHARE)
            return sigma if found is None else math.sqrt(found[0])
    return _sigma_from_differences(planes)


def _sigma_from_differences(planes: NDArray[np.float64]) -> float:
    """Median of absolute second differences along the axes that are long enough."""
    parts = [
        np.abs(np.diff(planes, n=2, axis=axis)).ravel()
        for axis in (1, 2)
        if planes.shape[axis] >= 3
    ]
    # 1.4826: median of |normal| to its standard deviation; 6 = 1 + 4 + 1
    return float(1.4826 * np.median(np.concatenate(parts)) / math.sqrt(6))


def _channel_levels(
    planes: NDArray[np.float64], limits: tuple[float, float], sigma: float
) -> tuple[NDArray[np.float64], float]:
    """Rows (mean, variance, weight), one a brightness level, and the dark level."""
    size = _LEVEL_PATCH
    none = np.empty((0, 3))
    if min(planes.shape[1:]) < _SIGMA_PATCH or sigma == 0:
        return none, float(planes.min())
    patches = _usable_patches(planes, size, limits)
    means = patches.mean(axis=1)
    # between levels of equal count (precise) and of equal width (wide in brightness)
    steps = np.linspace(0, 1, _NUM_LEVELS + 1)
    low, high = np.quantile(means, [0.002, 0.998])
    edges = (np.quantile(means, steps) + low + (high - low) * steps) / 2
    level = np.clip(np.searchsorted(edges, means) - 1, 0, _NUM_LEVELS - 1)
    rows = []
    for k in range(_NUM_LEVELS):
        members = np.flatnonzero(level == k)
        found = noise_variance(patches[members], size, _LEVEL_SHARE)
        if found is None:
            continue
        variance, chosen, smooth = found
        mean = means[members[chosen]].mean()
        margin = 3 * math.sqrt(variance)
        if limits[0] + margin < mean < limits[1] - margin:
            # levels that are mostly texture count less, but something: in a stack of
            # small things no level may be smooth
            weight = (smooth**1.5 + 0.02) * math.sqrt(len(members))
            rows.append((mean, variance, weight))
    dark = float(np.percentile(means, _DARK_PERCENTILE))
    return (np.array(rows) if rows else none), dark

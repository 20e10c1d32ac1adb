"""Classical denoisers of scikit-image and SciPy, with parameters derived from sigma.

Images are divided by their noise, so that it has a standard deviation of 1 and one set
of parameters serves every unit and strength. Those that look
for a size (median, gaussian) minimise Stein's unbiased estimate of the squared error,
which needs no clean image.

References
----------
C. Stein, "Estimation of the Mean of a Multivariate Normal Distribution", Annals of
Statistics 9(6), 1981 (SURE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.values import robust_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Plane = NDArray[np.floating]
    Sigma = NDArray[np.float64]

__all__ = [
    "denoise_bilateral",
    "denoise_gaussian",
    "denoise_median",
    "denoise_nlm",
    "denoise_tv",
    "denoise_wavelet",
]

#: Orthonormal: mean, red - blue, green against both. White noise stays white.
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])


def _to_opponent(plane: Plane) -> Plane:
    return plane @ _OPPONENT.T.astype(plane.dtype) if plane.shape[-1] == 3 else plane


def _from_opponent(plane: Plane) -> Plane:
    return plane @ _OPPONENT.astype(plane.dtype) if plane.shape[-1] == 3 else plane


def _in_noise_units(
    plane: Plane, sigma: Sigma, denoise: Callable[[Plane], Plane]
) -> Plane:
    """Run `denoise` on the plane with noise of standard deviation 1 and minimum 0."""
    scale = sigma.astype(plane.dtype)
    low = plane.min(axis=(0, 1))
    return denoise((plane - low) / scale) * scale + low


def denoise_nlm(plane: Plane, sigma: Sigma, *, workers: int = 1) -> Plane:
    """Non-local means; parameters as of `NaiveDenoiser`.

    Patches of 5x5 pixels are searched within 6 pixels; the decay h is 0.6 sigma, and
    the noise's share of patch distances is taken off (scikit-image's fast mode).

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "A Non-Local Algorithm for Image Denoising", CVPR
    2005.
    """
    from skimage.restoration import denoise_nl_means

    def run(unit: Plane) -> Plane:
        return denoise_nl_means(
            unit,
            patch_size=5,
            patch_distance=6,
            h=0.6,
            sigma=1.0,
            fast_mode=True,
            preserve_range=True,
            channel_axis=-1,
        )

    return _in_noise_units(plane, sigma, run)


def denoise_wavelet(plane: Plane, sigma: Sigma, *, workers: int = 1) -> Plane:
    """Soft wavelet shrinkage (BayesShrink, ``db2``); parameters as of `NaiveDenoiser`.

    Colour is shrunk in opponent channels. The result is the mean over shifts by 0..3
    pixels along both axes, which removes the blocks of the decimated transform.

    References
    ----------
    S. G. Chang, B. Yu, M. Vetterli, "Adaptive Wavelet Thresholding for Image Denoising
    and Compression", IEEE Trans. Image Processing 9(9), 2000.
    R. R. Coifman, D. L. Donoho, "Translation-Invariant De-Noising", 1995.
    """
    from skimage.restoration import denoise_wavelet as shrink

    # one hot pixel would take a whole band for signal: it stays as it is
    low, high = robust_range([plane])
    inside = plane.clip(2 * low - high, 2 * high - low)
    opponent = _to_opponent(inside)
    sigmas = sigma if len(sigma) == 1 else np.sqrt(_OPPONENT**2 @ sigma**2)
    # symmetric rows and columns around, so that a shift wraps none of the far edge
    padded = np.pad(opponent, ((4, 4), (4, 4), (0, 0)), mode="symmetric")
    height, width = opponent.shape[:2]
    total = np.zeros_like(opponent)
    for y, x in np.ndindex(4, 4):
        part = padded[y : y + height + 4, x : x + width + 4]
        for c, noise in enumerate(sigmas):
            shrunk = shrink(
                # of numbers far from 1 the threshold of scikit-image loses precision
                part[..., c] / noise,
                sigma=1.0,
                wavelet="db2",
                rescale_sigma=False,
            )
            total[..., c] += shrunk[4 - y :, 4 - x :][:height, :width] * noise
    return _from_opponent(total / 16) + (plane - inside)


def denoise_tv(plane: Plane, sigma: Sigma, *, workers: int = 1) -> Plane:
    """Total variation with weight 0.8 sigma; parameters as of `NaiveDenoiser`.

    References
    ----------
    A. Chambolle, "An Algorithm for Total Variation Minimization and Applications",
    Journal of Mathematical Imaging and Vision 20, 2004.
    """
    from skimage import restoration

    def run(unit: Plane) -> Plane:
        # scikit-image rescales integers only; the input is floating-point
        return restoration.denoise_tv_chambolle(unit, weight=0.8, channel_axis=-1)

    return _in_noise_units(plane, sigma, run)


def denoise_bilateral(plane: Plane, sigma: Sigma, *, workers: int = 1) -> Plane:
    """Bilateral filter; parameters as of `NaiveDenoiser`.

    Spatial standard deviation 2 pixels (9x9 window), brightness 1 sigma. Brightness
    differences are taken from a slightly blurred image (0.7 pixels), since noise alone
    would separate neighbours; for colour they are averaged over the channels.

    References
    ----------
    C. Tomasi, R. Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998.
    """
    from scipy.ndimage import gaussian_filter

    # scikit-image 0.26 has a bilateral filter whose spatial window is misaligned: its
    # result is worse than a plain blur
    radius, spatial = 4, 2.0

    def run(unit: Plane) -> Plane:
        guide = gaussian_filter(unit, (0.7, 0.7, 0))
        border = ((radius, radius), (radius, radius), (0, 0))
        values = np.pad(unit, border, mode="symmetric")
        guides = np.pad(guide, border, mode="symmetric")
        height, width = unit.shape[:2]
        total = np.zeros_like(unit)
        weights = np.zeros_like(unit[..., :1])
        for y, x in np.ndindex(2 * radius + 1, 2 * radius + 1):
            window = (slice(y, y + height), slice(x, x + width))
            away = ((y - radius) ** 2 + (x - radius) ** 2) / (2 * spatial**2)
            change = np.mean((guides[window] - guide) ** 2, axis=-1, keepdims=True)
            weight = np.exp(-change / 2 - away)
            total += weight * values[window]
            weights += weight
        return total / weights

    return _in_noise_units(plane, sigma, run)


def denoise_median(plane: Plane, sigma: Sigma, *, workers: int = 1) -> Plane:
    """Median of a 1x1 to 7x7 window, by SURE; parameters as of `NaiveDenoiser`."""
    from scipy.ndimage import median_filter

    def candidates(unit: Plane) -> Iterable[tuple[Plane, float]]:
        yield unit, 1.0
        for size in (3, 5, 7):
            result = median_filter(unit, size=(size, size, 1), mode="reflect")
            # the median follows its own pixel exactly where it is that pixel
            yield result, float(np.mean(result == unit))

    return _in_noise_units(plane, sigma, lambda unit: _least_risk(unit, candidates))


def denoise_gaussian(plane: Plane, sigma: Sigma, *, workers: int = 1) -> Plane:
    """Gaussian blur of 0 to 3 pixels, by SURE; parameters as of `NaiveDenoiser`."""
    from scipy.ndimage import gaussian_filter

    def candidates(unit: Plane) -> Iterable[tuple[Plane, float]]:
        yield unit, 1.0
        for width in (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0):
            impulse = np.zeros((31, 31))
            impulse[15, 15] = 1
            own_share = float(gaussian_filter(impulse, width)[15, 15])
            yield gaussian_filter(unit, (width, width, 0), mode="reflect"), own_share

    return _in_noise_units(plane, sigma, lambda unit: _least_risk(unit, candidates))


def _least_risk(
    unit: Plane, candidates: Callable[[Plane], Iterable[tuple[Plane, float]]]
) -> Plane:
    """The candidate with the least SURE at unit noise: residual + 2 divergence.

    Pixels that change by more than 5 sigma are outliers: one alone, such as a hot
    pixel, would decide for all others.
    """
    best, least = unit, np.inf
    for result, divergence in candidates(unit):
        residual = np.minimum((result - unit) ** 2, 25)
        risk = float(np.mean(residual)) + 2 * divergence
        if risk < least:
            best, least = result, risk
    return best

"""Variance stabilisation of Poisson-Gaussian noise and its exact unbiased inverse.

References
----------
J.-L. Starck, F. Murtagh, A. Bijaoui, "Image Processing and Data Analysis", Cambridge
University Press 1998 (the generalised Anscombe transform).
M. Makitalo, A. Foi, "Optimal Inversion of the Generalized Anscombe Transformation for
Poisson-Gaussian Noise", IEEE Trans. Image Processing 22(1), 2013.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_gradnet.noise.estimate import NoiseEstimate

__all__ = ["Stabilizer", "needs_stabilization"]

#: Photo-electrons up to which the expectation is tabulated; beyond, the asymptotic form
#: is right to better than 0.001 photo-electrons.
_TABLE_END = 250.0
_TABLE_POINTS = 800


class Stabilizer:
    """Generalised Anscombe transform: camera noise gets a standard deviation of 1.

    Parameters
    ----------
    gain : float
        Image units per photo-electron, above 0.
    offset : float
        Image value of no light.
    read_noise : float
        Standard deviation of the Gaussian part, in image units, at least 0.

    Raises
    ------
    InputError
        A parameter is out of its range.

    Notes
    -----
    With ``y = (image - offset) / gain`` photo-electrons and ``s = read_noise / gain``,
    ``forward`` is ``2 sqrt(max(y + 3/8 + s**2, 0))``. `inverse` takes the expectation
    of that back to the expectation of the image (Makitalo and Foi 2013, eq. 7),
    tabulated by numerical integration; the algebraic inverse would be too dark by a
    quarter of a photo-electron. Stabilisation is good from about 4 photo-electrons on,
    or from none with a read noise above 2.

    A mean below `offset`, which a real dark level never shows but a slightly wrong
    `offset` does, is taken as Gaussian noise around it, so that dark pixels are not
    clipped.
    """

    def __init__(
        self, gain: float, offset: float = 0.0, read_noise: float = 0.0
    ) -> None:
        if not (math.isfinite(gain) and gain > 0):
            msg = f"gain={gain!r} must be a positive number of image units per electron"
            raise InputError(msg)
        if not math.isfinite(offset):
            msg = f"offset={offset!r} must be a finite number in image units"
            raise InputError(msg)
        if not (math.isfinite(read_noise) and read_noise >= 0):
            msg = f"read_noise={read_noise!r} must be at least 0, in image units"
            raise InputError(msg)
        self.gain = float(gain)
        self.offset = float(offset)
        self.read_noise = float(read_noise)

    def __repr__(self) -> str:
        return (
            f"Stabilizer(gain={self.gain:g}, offset={self.offset:g}, "
            f"read_noise={self.read_noise:g})"
        )

    @classmethod
    def from_estimate(cls, estimate: NoiseEstimate) -> Stabilizer:
        """Build one from `napari_gradnet.noise.estimate.estimate_noise`'s result.

        Raises
        ------
        InputError
            The estimate found no signal-dependent noise (its gain is 0).
        """
        if estimate.gain <= 0:
            msg = (
                "the estimate has gain 0: no noise that grows with the signal was "
                "found; use the image without stabilisation"
            )
            raise InputError(msg)
        return cls(estimate.gain, estimate.offset, estimate.read_noise)

    def forward(self, image: ArrayLike) -> NDArray[np.floating]:
        """Stabilise an image.

        Parameters
        ----------
        image : array_like
            Any shape, in the units of `gain` and `offset`.

        Returns
        -------
        ndarray
            Noise of standard deviation 1; float32, or float64 for float64 and wide
            integers.
        """
        array = np.asarray(image)
        array = array.astype(np.result_type(array.dtype, np.float32))
        shift = 0.375 + (self.read_noise / self.gain) ** 2
        electrons = (array - array.dtype.type(self.offset)) / array.dtype.type(
            self.gain
        )
        stabilized: NDArray[np.floating] = 2 * np.sqrt(
            np.maximum(electrons + array.dtype.type(shift), 0)
        )
        return stabilized

    def inverse(self, stabilized: ArrayLike) -> NDArray[np.floating]:
        """Exact unbiased inverse, of a denoised stabilised image.

        Parameters
        ----------
        stabilized : array_like
            What a denoiser made of `forward`'s result.

        Returns
        -------
        ndarray
            The mean in image units; float32, or float64 for float64.
        """
        array = np.asarray(stabilized)
        array = array.astype(np.result_type(array.dtype, np.float32), copy=False)
        expectation, correction = _inverse_table(round(self.read_noise / self.gain, 6))
        # the correction to the square is smooth, and constant at both ends: there the
        # inverse goes on as the asymptotic one
        squared = (np.maximum(array, 0) / 2) ** 2
        extra = np.interp(array, expectation, correction).astype(array.dtype)
        image: NDArray[np.floating] = (squared + extra) * array.dtype.type(
            self.gain
        ) + array.dtype.type(self.offset)
        return image


@lru_cache(maxsize=16)
def _inverse_table(
    read_noise: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Table of the inverse: expectation D, and mean minus ``(D/2)**2``.

    Parameters
    ----------
    read_noise : float
        In photo-electrons.
    """
    from scipy.special import gammaln

    root = math.sqrt(_TABLE_END)
    means = np.linspace(0, root, _TABLE_POINTS) ** 2
    reach = math.ceil(_TABLE_END + 12 * root)
    counts = np.arange(reach + 1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        logarithm = np.where(means > 0, np.log(means), -np.inf)[:, None]
    power = np.where(counts == 0, 0.0, counts * np.where(counts == 0, 0.0, logarithm))
    poisson = np.exp(power - means[:, None] - gammaln(counts + 1))
    expectation = poisson @ _gaussian_mean(counts, read_noise)
    # no light: only the Gaussian part is left, around means below zero too
    below = np.linspace(-min(8 * read_noise, 0.375 + read_noise**2), 0, 200)[:-1]
    dark = _gaussian_mean(below, read_noise)
    expectation = np.concatenate([dark, expectation])
    means = np.concatenate([below, means])
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(expectation)) > 0])
    expectation, means = expectation[rising], means[rising]
    correction = means - (expectation / 2) ** 2
    expectation.flags.writeable = correction.flags.writeable = False
    return expectation, correction


def _gaussian_mean(
    centers: NDArray[np.float64], read_noise: float
) -> NDArray[np.float64]:
    """Mean of the transform over Gaussian noise around each of `centers`."""
    shift = 0.375 + read_noise**2
    if read_noise == 0:
        return 2 * np.sqrt(np.maximum(centers + shift, 0))
    nodes = np.linspace(-8, 8, 1601)
    weights = np.exp(-(nodes**2) / 2)
    weights /= weights.sum()
    values = centers[:, None] + shift + read_noise * nodes
    mean: NDArray[np.float64] = 2 * np.sqrt(np.maximum(values, 0)) @ weights
    return mean


def needs_stabilization(estimate: NoiseEstimate) -> bool:
    """Whether noise grows with the signal clearly enough to be stabilised.

    Parameters
    ----------
    estimate : NoiseEstimate
        From `napari_gradnet.noise.estimate.estimate_noise`.

    Returns
    -------
    bool
        True where the camera law has a positive gain and a confidence of at least 0.5:
        the variance grows by half or more from the dark to the bright parts.
    """
    return estimate.gain > 0 and estimate.confidence >= 0.5

"""Image quality against a reference: PSNR, SSIM, textured and smooth parts.

References
----------
Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment: From
Error Visibility to Structural Similarity", IEEE Trans. Image Processing 13(4), 2004.
Y. Liu, S. Anwar, L. Zheng, Q. Tian, "GradNet Image Denoising", CVPR Workshops 2020,
sec. 5.4 (textured and smooth parts).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.gradient import sobel_gradient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AffineFit",
    "SplitPsnr",
    "affine_fit",
    "psnr",
    "split_psnr",
    "ssim",
    "textured_mask",
]


@dataclass(frozen=True)
class AffineFit:
    """Least-squares ``gain * image + offset`` towards a reference.

    Parameters
    ----------
    gain, offset : float
        The coefficients, in reference units per image unit and reference units.
    """

    gain: float
    offset: float

    def apply(self, image: ArrayLike) -> NDArray[np.float64]:
        """The image in the units of the reference."""
        return np.asarray(self.gain * np.asarray(image, dtype=np.float64) + self.offset)


@dataclass(frozen=True)
class SplitPsnr:
    """PSNR in decibels of all pixels and of either part; NaN where a part is empty."""

    whole: float
    textured: float
    smooth: float


def psnr(
    image: ArrayLike,
    reference: ArrayLike,
    data_range: float = 1.0,
    clip: bool = True,
    *,
    mask: ArrayLike | None = None,
) -> float:
    """Peak signal-to-noise ratio over all pixels and channels.

    Parameters
    ----------
    image, reference : array_like, of one shape
        In the same units; 0 to `data_range` for photos.
    data_range : float
        Peak value: 1.0, or 255 for 8-bit numbers.
    clip : bool
        Whether `image` is clipped to 0..`data_range` first, as is the custom.
    mask : array_like of bool, optional
        The pixels that count; of the shape of `image`, or without its last axis.

    Returns
    -------
    float
        Decibels; infinite where the images are equal, NaN where no pixel counts.

    Raises
    ------
    InputError
        The shapes differ or `data_range` is not above 0.
    """
    first, second = _pair(image, reference, data_range)
    if clip:
        first = np.clip(first, 0, data_range)
    squares = (first - second) ** 2
    if mask is not None:
        squares = squares[np.asarray(mask, dtype=bool)]
    if squares.size == 0:
        return math.nan
    error = float(np.mean(squares))
    return math.inf if error == 0 else 10 * math.log10(data_range**2 / error)


def ssim(
    image: ArrayLike,
    reference: ArrayLike,
    data_range: float = 1.0,
    clip: bool = True,
    *,
    win_size: int = 7,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Mean structural similarity, with scikit-image's uniform window.

    Parameters
    ----------
    image, reference : array_like, of one shape
        In the same units.
    data_range : float
        Peak value: 1.0, or 255 for 8-bit numbers.
    clip : bool
        Whether `image` is clipped to 0..`data_range` first.
    win_size : int
        Side of the window in pixels, odd; 7 is scikit-image's default, the GradNet
        paper used 3.
    channel_axis : int, optional
        The axis of colour channels, over which the similarity is averaged.
    mask : array_like of bool, optional
        The pixels that count, without the channels; the margin of half a window never
        does.

    Returns
    -------
    float
        -1..1, 1 for equal images, NaN where no pixel counts.

    Raises
    ------
    InputError
        The shapes differ, or the window is even or larger than the image.
    """
    from skimage.metrics import structural_similarity

    first, second = _pair(image, reference, data_range)
    if clip:
        first = np.clip(first, 0, data_range)
    sides = list(first.shape)
    if channel_axis is not None:
        del sides[channel_axis]
    if win_size % 2 == 0 or win_size < 3 or min(sides) < win_size:
        msg = (
            f"win_size={win_size} must be odd, at least 3, and no longer than the "
            f"image's sides {tuple(sides)}"
        )
        raise InputError(msg)
    options = {
        "win_size": win_size,
        "data_range": data_range,
        "channel_axis": channel_axis,
    }
    if mask is None:
        return float(structural_similarity(first, second, **options))
    _, similarity = structural_similarity(first, second, full=True, **options)
    if channel_axis is not None:
        similarity = similarity.mean(axis=channel_axis)
    margin = win_size // 2
    inner = (slice(margin, -margin),) * similarity.ndim
    values = similarity[inner][np.asarray(mask, dtype=bool)[inner]]
    return float(values.mean()) if values.size else math.nan


def textured_mask(
    clean: ArrayLike, epsilon: float, *, channel_axis: int | None = None
) -> NDArray[np.bool_]:
    """Pixels at and around which the clean image has a strong gradient.

    Parameters
    ----------
    clean : array_like, shape (Y, X), or with an axis of channels
        Intensities from 0 to 1.
    epsilon : float
        Least Sobel magnitude that counts as texture; the paper uses 0.5, 1, 1.5 and 2.
    channel_axis : int, optional
        The axis of channels. A pixel is textured where any channel is.

    Returns
    -------
    ndarray of bool, shape (Y, X)
        Textured pixels, after dilation by 3x3.
    """
    from scipy.ndimage import binary_dilation

    array = np.asarray(clean, dtype=np.float64)
    if channel_axis is not None:
        array = np.moveaxis(array, channel_axis, 0)
    gradient = sobel_gradient(array)
    if channel_axis is not None:
        gradient = gradient.max(axis=0)
    strong = np.asarray(gradient >= epsilon)
    if strong.ndim != 2:
        msg = (
            f"shape {np.shape(clean)} is no single plane: pass rows and columns, and "
            "name the channel_axis of a colour image"
        )
        raise InputError(msg)
    return np.asarray(binary_dilation(strong, np.ones((3, 3), dtype=bool)))


def split_psnr(
    image: ArrayLike,
    reference: ArrayLike,
    epsilon: float,
    *,
    clip: bool = True,
    channel_axis: int | None = None,
) -> SplitPsnr:
    """PSNR of the whole image, its textured and its smooth part.

    Parameters
    ----------
    image, reference : array_like, shape (Y, X), or with an axis of channels
        Intensities from 0 to 1.
    epsilon : float
        See `textured_mask`, which is taken from `reference`.
    clip : bool
        Whether `image` is clipped to 0..1 first.
    channel_axis : int, optional
        The axis of channels.

    Returns
    -------
    SplitPsnr
        In decibels.
    """
    first, second = _pair(image, reference, 1.0)
    if channel_axis is not None:
        first = np.moveaxis(first, channel_axis, -1)
        second = np.moveaxis(second, channel_axis, -1)
        channel_axis = -1
    mask = textured_mask(second, epsilon, channel_axis=channel_axis)
    return SplitPsnr(
        whole=psnr(first, second, clip=clip),
        textured=psnr(first, second, clip=clip, mask=mask),
        smooth=psnr(first, second, clip=clip, mask=~mask),
    )


def affine_fit(image: ArrayLike, reference: ArrayLike) -> AffineFit:
    """Gain and offset that bring an image closest to its reference.

    For data whose clean image has another exposure or zero than the noisy one.

    Parameters
    ----------
    image, reference : array_like, of one shape
        Any units.

    Returns
    -------
    AffineFit
        Of a constant image the gain is 0 and the offset the mean of `reference`.

    Raises
    ------
    InputError
        The shapes differ.
    """
    first, second = _pair(image, reference, 1.0)
    deviation = first - first.mean()
    spread = float(np.sum(deviation**2))
    gain = float(np.sum(deviation * second)) / spread if spread > 0 else 0.0
    return AffineFit(gain, float(second.mean() - gain * first.mean()))


def _pair(
    image: ArrayLike, reference: ArrayLike, data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first = np.asarray(image, dtype=np.float64)
    second = np.asarray(reference, dtype=np.float64)
    if first.shape != second.shape or first.size == 0:
        msg = (
            f"image and reference must have one shape and hold pixels, they have "
            f"{first.shape} and {second.shape}"
        )
        raise InputError(msg)
    if not data_range > 0:
        msg = f"data_range={data_range!r} must be above 0: 1.0 or 255, for example"
        raise InputError(msg)
    return first, second

"""Pixel values: which are accepted, how they are scaled and brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import DTypeLike, NDArray

__all__ = [
    "RANGE_PERCENTILES",
    "black_and_white",
    "cast_values",
    "check_dtype",
    "in_parts",
    "nonfinite_message",
    "output_dtype",
    "robust_range",
]

#: Percentiles that count as black and white of data without a fixed scale.
RANGE_PERCENTILES = (0.1, 99.9)
#: Values that `in_parts` works on at a time: few enough for a processor's caches.
_PART = 1 << 18
_ACCEPTED = "integers of 8 to 64 bits and float16, float32, float64"


def check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Refuse what are no intensities.

    Raises
    ------
    InputError
        For bool, complex, text and objects.
    """
    checked = np.dtype(dtype)
    if checked.kind == "b":
        msg = "a bool image is a mask, not intensities: convert it, e.g. to uint8"
        raise InputError(msg)
    if checked.kind not in "iuf" or checked.itemsize > 8:
        msg = f"images of {checked} cannot be denoised: use {_ACCEPTED}"
        raise InputError(msg)
    return checked


def output_dtype(dtype: str | DTypeLike, source: DTypeLike) -> np.dtype[Any]:
    """Turn ``"same"`` or a dtype's name into a dtype.

    Raises
    ------
    InputError
        The name is unknown or no dtype of intensities.
    """
    if isinstance(dtype, str) and dtype == "same":
        return np.dtype(source)
    msg = f"dtype={dtype!r} is unknown: use 'same', 'float32' or {_ACCEPTED}"
    if dtype is None:  # float64 to NumPy
        raise InputError(msg)
    try:
        return check_dtype(dtype)
    except TypeError as error:
        raise InputError(msg) from error


def cast_values(image: NDArray[np.floating], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert to a dtype; values beyond it saturate, integers are rounded."""
    if dtype.kind == "f":
        if dtype.itemsize < image.dtype.itemsize:
            largest = float(np.finfo(dtype).max)
            image = np.clip(image, -largest, largest)
        return image.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    # float64 holds every 32-bit integer; float32 would round the ends outwards
    wide = np.rint(image, dtype=np.float64)
    result = np.clip(wide, limits.min, limits.max)
    if dtype.itemsize == 8:  # the largest 64-bit integers are no float64
        upper = np.nextafter(float(limits.max), 0)
        result = np.clip(result, float(limits.min), upper)
    return result.astype(dtype)


def in_parts(
    function: Callable[[NDArray[Any]], NDArray[Any]],
    image: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Compute some values of an image at a time: what lies between takes little memory.

    Parameters
    ----------
    function : callable
        Part of the image to its result, each value by itself.
    image : ndarray
        What it is given.
    out : ndarray, shape of `image`
        Takes the results.
    """
    axis = int(np.argmax(image.shape))
    step = max(1, _PART * image.shape[axis] // image.size)
    for start in range(0, image.shape[axis], step):
        part = (*(slice(None),) * axis, slice(start, start + step))
        out[part] = function(image[part])


def nonfinite_message(image: NDArray[Any], where: str = "") -> str:
    """Say how many NaN and infinite values an image holds and where the first is.

    Returns
    -------
    str
        Empty when all values are finite.
    """
    if image.dtype.kind != "f":
        return ""
    finite = np.isfinite(image)
    if finite.all():
        return ""
    bad = ~finite
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    return (
        f"{int(bad.sum())} of {image.size} values{where} are NaN or infinite, the "
        f"first at {first}: repair them, or keep them out of the way with nan='keep'"
    )


def robust_range(samples: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Black and white of an image: two percentiles of all finite values together.

    Parameters
    ----------
    samples : sequence of ndarray
        Parts of one image.

    Returns
    -------
    low, high : float
        In the units of the image; ``high > low`` always. A constant image lies between
        0 and its value.
    """
    values = np.concatenate([np.asarray(s).ravel() for s in samples])
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    # values that are there: between two of them, narrow types overflow
    ends = np.percentile(
        values, RANGE_PERCENTILES, method="nearest", overwrite_input=True
    )
    low, high = (float(v) for v in ends)
    if high <= low:  # nearly constant: a few bright pixels, or none
        low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = min(low, 0.0), max(low, 0.0)
    return (low, high) if high > low else (0.0, 1.0)


def black_and_white(
    dtype: DTypeLike, samples: Sequence[NDArray[Any]]
) -> tuple[float, float]:
    """What counts as 0 and 1 where images are measured.

    Parameters
    ----------
    dtype : dtype
        Of the image.
    samples : sequence of ndarray
        Parts of it; not looked at where 8 bits settle it.

    Returns
    -------
    low, high : float
        0 and 255 of 8-bit numbers; 0 and 1 of floats from 0 to 1 of which some are
        above 0.5; else see `robust_range`.
    """
    checked = np.dtype(dtype)
    if checked == np.uint8:
        return 0.0, 255.0
    if checked.kind == "f" and samples:
        low = min(float(s.min()) for s in samples)
        high = max(float(s.max()) for s in samples)
        if low >= 0 and 0.5 < high <= 1:
            return 0.0, 1.0
    return robust_range(samples)

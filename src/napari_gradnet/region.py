"""Parts of an image: slices, with the margin that a network sees around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from napari_gradnet.axes import ImageAxes

__all__ = ["Region", "check_region", "inner", "widen"]

#: One slice a dimension, none of them empty; start and stop are numbers.
Region = tuple[slice, ...]


def check_region(region: Sequence[slice], shape: Sequence[int]) -> Region:
    """Make all starts and stops explicit.

    Parameters
    ----------
    region : sequence of slice
        One a dimension; as in NumPy, ends may be left out or counted from the end.
    shape : sequence of int
        Of the image.

    Raises
    ------
    InputError
        There are too few slices or too many, or one is empty or has a step.
    """
    given: Any = region
    slices = isinstance(given, Sequence) and all(isinstance(s, slice) for s in given)
    if not slices or len(region) != len(shape):
        msg = (
            f"region={region!r} must hold one slice for each of the image's "
            f"{len(shape)} dimensions, as np.s_[0:1, 10:50, 20:60] does"
        )
        raise InputError(msg)
    parts = []
    for number, (part, length) in enumerate(zip(region, shape, strict=True)):
        start, stop, step = part.indices(length)
        if step != 1 or stop <= start:
            msg = (
                f"region: {part} of dimension {number}, of length {length}, must keep "
                "one pixel or more, and every one between its ends"
            )
            raise InputError(msg)
        parts.append(slice(start, stop))
    return tuple(parts)


def widen(region: Region, axes: ImageAxes, halo: int, alignment: int = 1) -> Region:
    """Add a margin around rows and columns, as far as the image goes.

    Parameters
    ----------
    region : tuple of slice
        A part of the image.
    axes : ImageAxes
        Of the whole image.
    halo, alignment : int
        Pixels. The result starts at multiples of `alignment`, counted from the first
        pixel, and ends at such, counted from the last.
    """
    parts = []
    for part, letter, length in zip(region, axes.axes, axes.shape, strict=True):
        if letter in "YX":
            start = max(part.start - halo, 0) // alignment * alignment
            # turned by a self-ensemble, the end is the start
            left = max(length - part.stop - halo, 0) // alignment * alignment
            parts.append(slice(start, length - left))
        else:
            parts.append(part)
    return tuple(parts)


def inner(region: Region, read: Region) -> Region:
    """Where `region` lies in what was cut out as `read`."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start)
        for a, b in zip(region, read, strict=True)
    )

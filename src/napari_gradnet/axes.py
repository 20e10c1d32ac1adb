"""Axes strings: which dimension of an array is which.

Letters follow the OME and ImageJ habit: ``T`` time, ``C`` channel, ``Z`` depth, ``Y``
row, ``X`` column, ``S`` the RGB(A) samples of one pixel. Any other upper-case letter is
a dimension over which planes are treated one by one. A *plane* is the ``YX`` or ``YXS``
part that a 2-D denoiser sees at once.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_gradnet.errors import AxesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["ImageAxes", "guess_axes", "resolve_axes"]

SAMPLE_COUNTS = (3, 4)
#: Guesses for arrays without samples, by the number of dimensions.
_STACK_GUESS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}


@dataclass(frozen=True)
class ImageAxes:
    """Axes of one image.

    Parameters
    ----------
    axes : str
        One letter a dimension, for example ``"TZCYX"`` or ``"YXS"``.
    shape : tuple of int
        Length of each dimension, in pixels or planes.

    Raises
    ------
    AxesError
        The letters do not fit the shape.
    """

    axes: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        axes, shape = self.axes, self.shape
        if len(shape) < 2:
            msg = (
                f"an image needs at least 2 dimensions (Y, X), this array has "
                f"{len(shape)} (shape {shape}): reshape it to rows and columns"
            )
            raise AxesError(msg)
        if len(axes) != len(shape):
            msg = (
                f"axes={axes!r} names {len(axes)} dimensions, the array has "
                f"{len(shape)} (shape {shape}): give one letter for each"
            )
            raise AxesError(msg)
        if not (axes.isascii() and axes.isalpha() and axes.isupper()):
            msg = f"axes={axes!r}: use upper-case letters such as 'TZCYX' or 'YXS'"
            raise AxesError(msg)
        if len(set(axes)) != len(axes):
            msg = f"axes={axes!r} repeats a letter: each dimension needs its own"
            raise AxesError(msg)
        if "Y" not in axes or "X" not in axes:
            msg = f"axes={axes!r} lacks Y or X: name the rows Y and the columns X"
            raise AxesError(msg)
        if 0 in shape:
            msg = f"the array is empty (shape {shape}): there is nothing to denoise"
            raise AxesError(msg)
        if "S" in axes and self.length("S") not in SAMPLE_COUNTS:
            msg = (
                f"axis S of axes={axes!r} has {self.length('S')} samples (shape "
                f"{shape}): RGB has 3 and RGBA 4; call separate channels C"
            )
            raise AxesError(msg)

    def length(self, letter: str) -> int:
        """Length of the dimension `letter`, 1 where there is none."""
        return self.shape[self.axes.index(letter)] if letter in self.axes else 1

    @property
    def is_rgb(self) -> bool:
        """Whether pixels have RGB(A) samples."""
        return "S" in self.axes

    @property
    def plane_axes(self) -> str:
        """``"YX"`` or ``"YXS"``."""
        return "YXS" if self.is_rgb else "YX"

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Shape of one plane, in the order of `plane_axes`."""
        return tuple(self.length(a) for a in self.plane_axes)

    @property
    def stack_axes(self) -> str:
        """The letters over which planes are counted, in the array's order."""
        return "".join(a for a in self.axes if a not in "YXS")

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Lengths of `stack_axes`."""
        return tuple(self.length(a) for a in self.stack_axes)

    @property
    def num_planes(self) -> int:
        """Number of planes."""
        n = 1
        for k in self.stack_shape:
            n *= k
        return n

    def channel_of(self, number: int) -> int:
        """Channel (position along C) of a plane; 0 where there is no C."""
        if "C" not in self.axes:
            return 0
        after = self.stack_shape[self.stack_axes.index("C") + 1 :]
        return number // math.prod(after) % self.length("C")

    def spread_planes(self, most: int) -> dict[int, list[int]]:
        """Choose planes that stand for each channel.

        Parameters
        ----------
        most : int
            Planes of a channel; they are evenly spread, first and last among them.

        Returns
        -------
        dict of int to list of int
            Plane numbers by channel.
        """
        numbers: dict[int, list[int]] = {}
        for number in range(self.num_planes):
            numbers.setdefault(self.channel_of(number), []).append(number)
        return {c: _spread(planes, most) for c, planes in numbers.items()}

    def iter_planes(self) -> Iterator[tuple[int | slice, ...]]:
        """Indices into the array, one a plane, in C order of `stack_axes`.

        The plane keeps the array's own order of Y, X and S: see `to_plane`.
        """
        for position in itertools.product(*(range(k) for k in self.stack_shape)):
            rest = iter(position)
            yield tuple(slice(None) if a in "YXS" else next(rest) for a in self.axes)

    def middle(
        self, index: tuple[int | slice, ...], largest: int
    ) -> tuple[int | slice, ...]:
        """The middle of a plane.

        Parameters
        ----------
        index : tuple
            One of `iter_planes`.
        largest : int
            Most rows and columns that are kept.
        """
        part = list(index)
        for at, (letter, length) in enumerate(zip(self.axes, self.shape, strict=True)):
            if letter in "YX" and length > largest:
                start = (length - largest) // 2
                part[at] = slice(start, start + largest)
        return tuple(part)

    def _order(self) -> tuple[int, ...]:
        kept = [a for a in self.axes if a in "YXS"]
        return tuple(kept.index(a) for a in self.plane_axes)

    def to_plane(self, part: NDArray[Any]) -> NDArray[Any]:
        """Bring what an index of `iter_planes` selected into ``YX(S)`` order."""
        return part.transpose(self._order())

    def from_plane(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Bring a ``YX(S)`` plane back into the array's own order."""
        order = self._order()
        return plane.transpose(tuple(order.index(i) for i in range(len(order))))


def _spread(values: list[int], most: int) -> list[int]:
    """At most `most` of the values, the first and the last among them."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / max(1, most - 1)
    return [values[round(i * step)] for i in range(most)]


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of an array from its shape.

    A last dimension of 3 or 4 is read as RGB(A) samples when the two before it are
    longer; everything else is a stack of grey planes.

    Raises
    ------
    AxesError
        The array has fewer than 2 or more than 6 dimensions.
    """
    shape = tuple(shape)
    ndim = len(shape)
    rgb = ndim >= 3 and shape[-1] in SAMPLE_COUNTS and min(shape[-3:-1]) > shape[-1]
    stack = _STACK_GUESS.get(ndim - 1 if rgb else ndim)
    if stack is None:
        msg = (
            f"cannot guess the axes of an array with {ndim} dimensions (shape "
            f"{shape}): 2 to 5 are understood; name them, for example axes='TZCYX'"
        )
        raise AxesError(msg)
    return stack + "S" if rgb else stack


def resolve_axes(
    shape: Sequence[int], axes: str | None = None
) -> tuple[ImageAxes, str]:
    """Check given axes, or guess them.

    Returns
    -------
    axes : ImageAxes
        The checked axes.
    message : str
        A sentence that says what was guessed; empty when `axes` was given or the image
        has two dimensions.

    Raises
    ------
    AxesError
        The axes do not fit, cannot be guessed, or a length is not known yet.
    """
    if any(k != k for k in shape):  # dask's NaN
        msg = f"the array's shape {tuple(shape)} is not known yet: compute it first"
        raise AxesError(msg)
    shape = tuple(int(k) for k in shape)
    if axes is not None:
        given: object = axes
        if not isinstance(given, str):
            msg = f"axes={given!r} must be a text with one letter a dimension: 'ZYX'"
            raise AxesError(msg)
        return ImageAxes(given.upper(), shape), ""
    guess = guess_axes(shape)
    message = ""
    if len(shape) > 2:
        message = (
            f"axes guessed as {guess} from the shape {shape}; give axes=... if wrong"
        )
    return ImageAxes(guess, shape), message

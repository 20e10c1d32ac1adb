"""How a volume is cut into units: blocks of whole files of the output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

__all__ = ["MAX_UNIT_BYTES", "BlockUnits", "Context", "unit_block"]

#: Most bytes of a unit, read and written, unless a single file of the output holds
#: more. A dozen of them may wait in the queues of an engine.
MAX_UNIT_BYTES = 96 << 20
#: Pixels of a plane from which on a unit need not grow: the context that is read around
#: it takes few percent of the work by then.
ENOUGH_PIXELS = 1 << 22

Region = tuple[slice, ...]


class BlockUnits(Sequence[str]):
    """Names of the blocks of a grid, made when they are asked for.

    A name is a prefix and the number of the block along each axis, such as
    ``"0/t0/c1/z17/y0/x2"``.

    Parameters
    ----------
    prefix : str
        Tells stages apart.
    letters : str
        The axes.
    shape : tuple of int
        Pixels.
    block : tuple of int
        Pixels of a block; the last one along an axis may be shorter.
    """

    def __init__(
        self, prefix: str, letters: str, shape: Sequence[int], block: Sequence[int]
    ) -> None:
        self.prefix = prefix
        self.letters = letters
        self.shape = tuple(shape)
        self.block = tuple(block)
        self.counts = tuple(
            -(-n // b) for n, b in zip(self.shape, self.block, strict=True)
        )

    def __len__(self) -> int:
        return math.prod(self.counts)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            msg = f"unit {index} of {len(self)}"
            raise IndexError(msg)
        index %= len(self)
        places = []
        for count in reversed(self.counts):
            index, place = divmod(index, count)
            places.append(place)
        return self._name(places[::-1])

    def _name(self, places: Sequence[int]) -> str:
        parts = (
            f"{letter.lower()}{place}"
            for letter, place in zip(self.letters, places, strict=True)
        )
        return "/".join((self.prefix, *parts))

    def __contains__(self, name: object) -> bool:
        try:
            places = self._places(str(name))
        except ValueError:
            return False
        return self._name(places) == name

    def _places(self, name: str) -> list[int]:
        prefix, *parts = name.split("/")
        places = [int(part[1:]) for part in parts]
        if prefix != self.prefix or len(places) != len(self.counts):
            msg = f"{name!r} is no unit of stage {self.prefix!r}"
            raise ValueError(msg)
        if any(not 0 <= p < n for p, n in zip(places, self.counts, strict=True)):
            msg = f"{name!r} lies beyond the {self.counts} units of its stage"
            raise ValueError(msg)
        return places

    def region(self, name: str) -> Region:
        """Pixels of a unit along each axis."""
        return tuple(
            slice(place * b, min((place + 1) * b, n))
            for place, b, n in zip(
                self._places(name), self.block, self.shape, strict=True
            )
        )


@dataclass(frozen=True)
class Context:
    """What is read around a part of a plane, so that the part comes out exact.

    Parameters
    ----------
    halo : int
        Pixels, see `PlaneWork`.
    alignment : int
        See `PlaneWork`.
    """

    halo: int
    alignment: int = 1

    def around(self, part: slice, length: int) -> slice:
        """Rows or columns to read for some of a plane's `length`."""
        start = max(0, part.start - self.halo) // self.alignment * self.alignment
        # the other end is counted from the plane's last pixel: turned by a
        # self-ensemble it is the start
        left = max(0, length - part.stop - self.halo) // self.alignment
        return slice(start, length - left * self.alignment)


def unit_block(
    letters: str,
    shape: Sequence[int],
    grid: Sequence[int],
    stored: Sequence[int],
    *,
    max_values: int,
    whole: str = "",
    grown: str = "YX",
) -> tuple[int, ...]:
    """Choose the block of a unit.

    Parameters
    ----------
    letters : str
        The output's axes.
    shape : sequence of int
        Pixels.
    grid : sequence of int
        Pixels that one file of the output holds: a block is a multiple of it.
    stored : sequence of int
        Pixels that the input decodes at once; blocks that cover it decode it once.
    max_values : int
        Most pixels of a block that is more than one file.
    whole : str
        Axes along which a block covers everything.
    grown : str
        Axes along which it may grow to a size that is worth while.

    Returns
    -------
    tuple of int
        Pixels along each axis.
    """
    block = _Growing(shape, grid, max_values)
    for axis, letter in enumerate(letters):
        if letter in whole:
            block.counts[axis] = block.full[axis]
    for axis in reversed(range(len(letters))):
        wanted = -(-min(stored[axis], shape[axis]) // grid[axis])
        while wanted > block.counts[axis] and not block.grow(axis, wanted):
            wanted //= 2
    sides = [axis for axis, letter in enumerate(letters) if letter in "YX"]
    block.grow_evenly(sides, sides)
    for axis in reversed(range(len(letters))):
        if letters[axis] in grown and axis not in sides:
            block.grow_evenly([axis], range(len(letters)))
    return tuple(c * g for c, g in zip(block.counts, grid, strict=True))


class _Growing:
    """A block that grows by whole files of the output."""

    def __init__(
        self, shape: Sequence[int], grid: Sequence[int], max_values: int
    ) -> None:
        self.shape, self.grid, self.max_values = shape, grid, max_values
        #: files along each axis, of the block and of everything
        self.counts = [1] * len(grid)
        self.full = [-(-n // g) for n, g in zip(shape, grid, strict=True)]

    def length(self, axis: int) -> int:
        """Pixels along an axis."""
        return min(self.counts[axis] * self.grid[axis], self.shape[axis])

    @property
    def size(self) -> int:
        """All pixels."""
        return math.prod(self.length(axis) for axis in range(len(self.grid)))

    def grow(self, axis: int, count: int) -> bool:
        """Take so many files along an axis, if that is allowed."""
        before, self.counts[axis] = self.counts[axis], min(count, self.full[axis])
        if self.size > self.max_values:
            self.counts[axis] = before
        return self.counts[axis] != before

    def grow_evenly(self, axes: Sequence[int], counted: Sequence[int]) -> None:
        """Double the shortest of some axes until all counted ones hold enough."""
        growing = set(axes)
        while growing and math.prod(map(self.length, counted)) < ENOUGH_PIXELS:
            axis = min(growing, key=self.length)
            if not self.grow(axis, 2 * self.counts[axis]):
                growing.discard(axis)

"""Tiles of a plane: what to read, what to keep, where to write it. No pixels here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Tile", "count_tiles", "fit_tile", "iter_tiles"]

Slices = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile.

    Parameters
    ----------
    read : (slice, slice)
        Rows and columns of the plane that the network sees, halo included. At the
        border of the plane the halo ends with the plane.
    keep : (slice, slice)
        Rows and columns of the network's result without the halo.
    write : (slice, slice)
        Where these lie in the plane. The tiles' `write` cover every pixel once.
    """

    read: Slices
    keep: Slices
    write: Slices


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _cuts(length: int, tile: int, alignment: int) -> list[tuple[int, int]]:
    """Ranges of about equal length, at most `tile`, that start at multiples."""
    count = -(-length // tile)
    step = _round_up(-(-length // count), alignment)
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def _check(tile: int, halo: int, alignment: int) -> None:
    if tile < 1 or halo < 0 or alignment < 1:
        msg = (
            f"tile={tile}, halo={halo}, alignment={alignment}: use tile >= 1, halo >= 0"
        )
        raise InputError(msg)
    if tile % alignment:
        msg = (
            f"tile={tile} is no multiple of the network's grid of {alignment} pixels: "
            f"use {_round_up(tile, alignment)}"
        )
        raise InputError(msg)


def iter_tiles(
    size: tuple[int, int], tile: int, halo: int, alignment: int = 1
) -> Iterator[Tile]:
    """Cut a plane into tiles with halos.

    Parameters
    ----------
    size : (int, int)
        Rows and columns, pixels.
    tile : int
        Largest written side of a tile, pixels, a multiple of `alignment`.
    halo : int
        Margin that is read and discarded, pixels: the network's receptive radius.
    alignment : int
        Tiles start at multiples of this, so that the network's grid falls on the same
        pixels as in the whole plane.

    Raises
    ------
    InputError
        A number is out of range; the message holds one that works.
    """
    _check(tile, halo, alignment)
    halo = _round_up(halo, alignment)
    sides = [
        [
            (max(0, start - halo), min(stop + halo, length), start, stop)
            for start, stop in _cuts(length, tile, alignment)
        ]
        for length in size
    ]
    for row, column in itertools.product(*sides):
        parts = [
            (
                slice(first, last),
                slice(start - first, stop - first),
                slice(start, stop),
            )
            for first, last, start, stop in (row, column)
        ]
        read, keep, write = zip(*parts, strict=True)
        yield Tile(read, keep, write)


def count_tiles(size: tuple[int, int], tile: int, alignment: int = 1) -> int:
    """Count what `iter_tiles` yields."""
    return len(_cuts(size[0], tile, alignment)) * len(_cuts(size[1], tile, alignment))


def fit_tile(size: tuple[int, int], halo: int, alignment: int, max_pixels: int) -> int:
    """Find the largest tile whose read area, halo included, stays within `max_pixels`.

    Returns
    -------
    int
        Pixels, a multiple of `alignment`; at least `alignment`, or the halo alone would
        forbid any tile.
    """
    if size[0] * size[1] <= max_pixels:
        return _round_up(max(size), alignment)
    side = int(max_pixels**0.5) - 2 * _round_up(halo, alignment)
    # a tile smaller than its halo wastes nearly all work: rather use more memory
    side = max(side, halo, alignment)
    return max(alignment, side // alignment * alignment)

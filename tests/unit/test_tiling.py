"""Tiles cover a plane, each pixel once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gradnet.errors import InputError
from napari_gradnet.tiling import count_tiles, fit_tile, iter_tiles

SIDES = st.integers(1, 150)
GRIDS = st.integers(1, 8)


@given(
    rows=SIDES,
    columns=SIDES,
    cells=st.integers(1, 12),
    halo=st.integers(0, 40),
    grid=GRIDS,
)
def test_tiles(rows: int, columns: int, cells: int, halo: int, grid: int) -> None:
    size, tile = (rows, columns), cells * grid
    plane = np.arange(rows * columns).reshape(size)
    seen = np.zeros(size, int)
    tiles = list(iter_tiles(size, tile, halo, grid))
    for part in tiles:
        seen[part.write] += 1
        # what is kept of what was read is what is written
        assert np.array_equal(plane[part.read][part.keep], plane[part.write])
        for length, read, write in zip(size, part.read, part.write, strict=True):
            assert write.stop - write.start <= tile
            assert read.start <= max(0, write.start - halo)
            assert read.stop >= min(length, write.stop + halo)
            assert read.start >= 0
            assert read.stop <= length
            # the network's grid falls on the same pixels as in the whole plane
            assert read.start % grid == 0
            assert read.stop % grid == 0 or read.stop == length
            # and the halo is no wider than it must be
            assert write.start - read.start < halo + grid
            assert read.stop - write.stop < halo + grid
    assert (seen == 1).all()
    assert len(tiles) == count_tiles(size, tile, grid)


def test_tiles_are_of_about_equal_size() -> None:
    rows = {t.write[0].stop - t.write[0].start for t in iter_tiles((100, 10), 64, 8)}
    assert rows == {50}  # not 64 and 36


def test_one_tile_for_a_plane_that_fits() -> None:
    (tile,) = iter_tiles((30, 20), 32, 100, 2)
    whole = (slice(0, 30), slice(0, 20))
    assert tile.read == tile.keep == tile.write == whole


@given(
    rows=SIDES,
    columns=SIDES,
    halo=st.integers(0, 40),
    grid=GRIDS,
    max_pixels=st.integers(0, 20_000),
)
def test_fit_tile(
    rows: int, columns: int, halo: int, grid: int, max_pixels: int
) -> None:
    size = (rows, columns)
    tile = fit_tile(size, halo, grid, max_pixels)
    assert tile >= grid
    assert tile % grid == 0
    areas = [
        (t.read[0].stop - t.read[0].start) * (t.read[1].stop - t.read[1].start)
        for t in iter_tiles(size, tile, halo, grid)
    ]
    # a tile is not made smaller than its halo, even for lack of memory
    smallest = min(max(halo, grid) + 2 * (halo + grid), max(size)) ** 2
    assert max(areas) <= max(max_pixels, smallest)
    if rows * columns <= max_pixels:
        assert len(areas) == 1


@pytest.mark.parametrize(
    ("tile", "halo", "grid", "message"),
    [
        (0, 1, 1, r"tile=0.*use tile >= 1"),
        (8, -1, 1, r"halo=-1.*halo >= 0"),
        (8, 1, 0, r"alignment=0"),
        (9, 1, 4, r"tile=9 is no multiple of the network's grid of 4 pixels: use 12"),
    ],
)
def test_wrong_numbers(tile: int, halo: int, grid: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        next(iter_tiles((10, 10), tile, halo, grid))

"""How volumes are cut: every pixel once, names that last, context that suffices."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gradnet.batch import volume_units
from napari_gradnet.batch.volume_units import BlockUnits, Context, unit_block


@given(st.data())
def test_units_cover_every_pixel_once(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    sizes = st.lists(st.integers(1, 9), min_size=count, max_size=count)
    shape, block = data.draw(sizes), data.draw(sizes)
    units = BlockUnits("0", "ZYX"[-count:], shape, block)
    seen = np.zeros(shape, int)
    names = list(units)
    assert len(names) == len(units) == len(set(names))
    for name in names:
        assert name in units
        seen[units.region(name)] += 1
    assert (seen == 1).all()


def test_names() -> None:
    units = BlockUnits("1", "TCYX", (2, 1, 30, 31), (1, 1, 16, 16))
    assert units[0] == "1/t0/c0/y0/x0"
    assert units[-1] == "1/t1/c0/y1/x1"
    assert units[1:3] == ["1/t0/c0/y0/x1", "1/t0/c0/y1/x0"]
    assert units.region("1/t1/c0/y1/x0") == (
        slice(1, 2),
        slice(0, 1),
        slice(16, 30),
        slice(0, 16),
    )
    with pytest.raises(IndexError):
        units[8]
    for wrong in (
        "0/t0/c0/y0/x0",
        "1/t2/c0/y0/x0",
        "1/t0",
        "1/t0/c0/y0/x-1",
        "1/a/b/c/d",
    ):
        assert wrong not in units


def test_a_billion_units_take_no_memory() -> None:
    units = BlockUnits("0", "ZYX", (10**6, 10**5, 10**5), (1, 1000, 1000))
    assert len(units) == 10**10
    assert units[10**10 - 1] == "0/z999999/y99/x99"


@given(
    length=st.integers(1, 60),
    ends=st.tuples(st.integers(0, 59), st.integers(1, 60)),
    halo=st.integers(0, 9),
    alignment=st.integers(1, 4),
)
def test_context_keeps_halo_and_grid_at_both_ends(
    length: int, ends: tuple[int, int], halo: int, alignment: int
) -> None:
    start, stop = ends
    if not start < stop <= length:
        return
    read = Context(halo, alignment).around(slice(start, stop), length)
    assert 0 <= read.start <= max(0, start - halo)
    assert min(length, stop + halo) <= read.stop <= length
    # the network's grid begins where it does in the whole plane, also when turned
    assert read.start % alignment == 0
    assert (length - read.stop) % alignment == 0
    assert start - read.start < halo + alignment
    assert read.stop - stop < halo + alignment


CASES = list(
    itertools.product(
        [(1, 2048, 2048), (64, 128, 128), (1, 512, 512), (300, 300, 300)],
        [(40, 5000, 6000), (1, 100, 100), (1000, 64, 64)],
        ["", "YX"],
    )
)


@pytest.mark.parametrize(("grid", "shape", "whole"), CASES)
def test_blocks_are_whole_files_and_bounded(
    grid: tuple[int, ...], shape: tuple[int, ...], whole: str
) -> None:
    most = 1 << 22
    block = unit_block("ZYX", shape, grid, grid, max_values=most, whole=whole)
    assert all(b % g == 0 for b, g in zip(block, grid, strict=True))
    size = math.prod(min(b, n) for b, n in zip(block, shape, strict=True))
    least = math.prod(
        n if letter in whole else min(g, n)
        for letter, g, n in zip("ZYX", grid, shape, strict=True)
    )
    assert size <= max(most, least)


def test_blocks_grow_to_what_is_worth_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_units, "ENOUGH_PIXELS", 4096)

    def block(grid: tuple[int, ...], **options: object) -> tuple[int, ...]:
        settings = {"stored": grid, "max_values": 10**6, **options}
        return unit_block("ZYX", (8, 500, 500), grid, **settings)

    assert block((1, 16, 16)) == (1, 64, 64)
    # the depth of a chunk does not count: context is read around each plane
    assert block((4, 16, 16)) == (4, 64, 64)
    assert block((4, 16, 16), max_values=2048) == (4, 32, 16)
    # what the input decodes at once is decoded once
    assert block((1, 16, 16), stored=(4, 16, 200)) == (4, 32, 208)
    assert block((1, 16, 16), stored=(8, 16, 16), max_values=1024) == (4, 16, 16)
    assert block((1, 600, 600), grown="ZYX") == (1, 600, 600)

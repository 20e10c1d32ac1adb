"""Flips and rotations of the self-ensemble."""

from __future__ import annotations

import pytest
import torch

from napari_gradnet.networks.views import NUM_VIEWS, turn, turn_back, turn_window


def test_views_differ_and_are_undone() -> None:
    image = torch.arange(2 * 3 * 5.0).reshape(2, 3, 5)
    square = torch.arange(9.0).reshape(1, 3, 3)
    seen = set()
    for number in range(NUM_VIEWS):
        assert torch.equal(turn_back(turn(image, number), number), image)
        seen.add(tuple(turn(square, number).ravel().tolist()))
    assert len(seen) == NUM_VIEWS
    assert turn(image, 0) is image


@pytest.mark.parametrize("number", range(NUM_VIEWS))
def test_windows_turn_with_the_image(number: int) -> None:
    image = torch.arange(7 * 11.0).reshape(1, 7, 11)
    rows, columns = window = (slice(1, 4), slice(6, 8))
    there = turn_window(window, (7, 11), number)
    expected = turn(image[:, rows, columns], number)
    assert torch.equal(turn(image, number)[:, there[0], there[1]], expected)

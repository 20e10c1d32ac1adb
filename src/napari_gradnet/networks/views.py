"""The 8 flips and rotations of an image that a self-ensemble averages over."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["NUM_VIEWS", "turn", "turn_back", "turn_window"]

NUM_VIEWS = 8
#: Rows and columns.
Window = tuple[slice, slice]


def turn(image: Tensor, number: int) -> Tensor:
    """Show images (..., Y, X) in one of their views; the view 0 is the image."""
    turned = torch.rot90(image, number % 4, (-2, -1)) if number % 4 else image
    return turned.flip(-1) if number >= 4 else turned


def turn_back(view: Tensor, number: int) -> Tensor:
    """Undo `turn`."""
    image = view.flip(-1) if number >= 4 else view
    return torch.rot90(image, -(number % 4), (-2, -1)) if number % 4 else image


def turn_window(window: Window, size: tuple[int, int], number: int) -> Window:
    """Where a window of an image of a size, in pixels, lies in a view of it."""
    rows, columns = window
    height, width = size
    for _ in range(number % 4):
        rows, columns = _mirrored(columns, width), rows
        height, width = width, height
    return rows, _mirrored(columns, width) if number >= 4 else columns


def _mirrored(part: slice, length: int) -> slice:
    return slice(length - part.stop, length - part.start)

"""The 8 flips and rotations of an image that a self-ensemble averages over."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["NUM_VIEWS", "turn", "turn_back"]

NUM_VIEWS = 8


def turn(image: Tensor, number: int) -> Tensor:
    """Show images (..., Y, X) in one of their views; the view 0 is the image."""
    turned = torch.rot90(image, number % 4, (-2, -1))
    return turned.flip(-1) if number >= 4 else turned


def turn_back(view: Tensor, number: int) -> Tensor:
    """Undo `turn`."""
    return torch.rot90(view.flip(-1) if number >= 4 else view, -(number % 4), (-2, -1))

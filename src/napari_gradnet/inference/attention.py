"""Channel attention that does not depend on tiles.

Channel attention weighs the channels
by their mean over the whole image; a tile has other means, so tiles of a naively cut
image differ from the whole and show seams. Here the means are gathered once for a
plane, from all of it or, when it is large, from windows spread evenly over it, and then
used in every tile. The windows follow from the plane's size alone: whatever the tiles,
the result is the same.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_gradnet.networks.blocks import ChannelAttention, global_average

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

__all__ = ["attention_modules", "gathered_means", "sample_windows", "with_means"]

#: Planes up to this many pixels give their statistics as a whole.
WHOLE_PIXELS = 1 << 20
#: Side of a window and number of windows along each side of a larger plane.
WINDOW = 256
WINDOWS_A_SIDE = 2


def attention_modules(network: nn.Module) -> list[ChannelAttention]:
    """All channel attentions, in the order in which they run."""
    return [m for m in network.modules() if isinstance(m, ChannelAttention)]


def sample_windows(size: tuple[int, int], alignment: int) -> list[tuple[slice, slice]]:
    """Windows from which a plane's statistics are gathered.

    Returns
    -------
    list of (slice, slice)
        One window with everything for planes of up to 2**20 pixels; else 4 windows of
        256 pixels or less, in the centres of the plane's quarters.
    """
    if size[0] * size[1] <= WHOLE_PIXELS:
        return [(slice(0, size[0]), slice(0, size[1]))]
    sides = []
    for length in size:
        window = min(WINDOW, length)
        sides.append(
            [
                (start, start + window)
                for part in range(WINDOWS_A_SIDE)
                for centre in [length * (2 * part + 1) // (2 * WINDOWS_A_SIDE)]
                for start in [
                    min(max(0, centre - window // 2), length - window)
                    // alignment
                    * alignment
                ]
            ]
        )
    return [(slice(*row), slice(*column)) for row in sides[0] for column in sides[1]]


@contextmanager
def _pooling(
    modules: list[ChannelAttention], poolings: list[Callable[[Tensor], Tensor]]
) -> Iterator[None]:
    for module, pooling in zip(modules, poolings, strict=True):
        module.pooling = pooling
    try:
        yield
    finally:
        for module in modules:
            module.pooling = global_average


@contextmanager
def gathered_means(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the means that the attentions take; a batch counts as one image.

    Yields
    ------
    list of Tensor, shape (1, W, 1, 1)
        Filled by a forward pass, one entry an attention.
    """
    means: list[Tensor] = []

    def gather(features: Tensor) -> Tensor:
        mean = global_average(features).mean(0, keepdim=True)
        means.append(mean)
        return mean

    modules = attention_modules(network)
    with _pooling(modules, [gather] * len(modules)):
        yield means


@contextmanager
def with_means(network: nn.Module, means: list[Tensor]) -> Iterator[None]:
    """Use gathered means instead of those of the features at hand."""

    def fixed(mean: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda _: mean

    with _pooling(attention_modules(network), [fixed(m) for m in means]):
        yield


def stack_windows(plane: Tensor, windows: list[tuple[slice, slice]]) -> Tensor:
    """Cut windows of a plane (C, H, W) into a batch (N, C, h, w)."""
    return torch.stack([plane[:, rows, columns] for rows, columns in windows])

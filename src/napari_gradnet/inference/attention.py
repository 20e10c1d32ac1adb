"""Channel attention that does not depend on tiles.

Channel attention weighs the channels by their mean over the whole image; a tile has
other means, so tiles of a naively cut image differ from the whole and show seams. Here
the means are gathered once for a plane, from all of it or, when it is large, from
windows spread evenly over it, and then used in every tile. The windows follow from the
plane's size alone: whatever the tiles, the result is the same. Only where the memory
does not hold them they are made smaller.
"""

from __future__ import annotations

import itertools
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
    """All channel attentions of a network, always in the same order."""
    return [m for m in network.modules() if isinstance(m, ChannelAttention)]


def sample_windows(
    size: tuple[int, int],
    alignment: int,
    window: int | None = None,
    whole: int | None = None,
) -> list[tuple[slice, slice]]:
    """Windows from which a plane's statistics are gathered.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the plane, pixels.
    alignment : int
        Windows start at multiples of it.
    window : int, optional
        Largest side of a window, pixels. When not given, it is the whole plane up to
        `whole` pixels, else 256.
    whole : int, optional
        2**20 when not given, and never more.

    Returns
    -------
    list of (slice, slice)
        One window with the whole plane, or 4 in the centres of its quarters.
    """
    if window is None:
        if size[0] * size[1] <= min(whole or WHOLE_PIXELS, WHOLE_PIXELS):
            return [(slice(0, size[0]), slice(0, size[1]))]
        window = WINDOW
    rows, columns = (_spread(length, window, alignment) for length in size)
    return list(itertools.product(rows, columns))


def _spread(length: int, window: int, alignment: int) -> list[slice]:
    """Ranges around the centres of the equal parts of a side."""
    window = min(window, length)
    ranges = []
    for part in range(WINDOWS_A_SIDE):
        centre = length * (2 * part + 1) // (2 * WINDOWS_A_SIDE)
        start = min(max(0, centre - window // 2), length - window)
        start = start // alignment * alignment
        ranges.append(slice(start, start + window))
    return ranges


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
        Filled by a forward pass, one entry an attention, as `attention_modules` lists
        them; they may run in another order.
    """
    modules = attention_modules(network)
    means = [torch.empty(0)] * len(modules)

    def gather(place: int) -> Callable[[Tensor], Tensor]:
        def mean(features: Tensor) -> Tensor:
            means[place] = global_average(features).mean(0, keepdim=True)
            return means[place]

        return mean

    with _pooling(modules, [gather(place) for place in range(len(modules))]):
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

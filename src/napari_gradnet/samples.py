"""Planes that stand for a whole stack; no torch here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes

    #: Planes by channel.
    Samples = dict[int, list[NDArray[Any]]]

__all__ = ["sample_planes"]

#: Planes of a channel that are read to settle its scaling.
NUM_SAMPLE_PLANES = 16
#: Values that are looked at in a sample plane.
SAMPLE_VALUES = 1 << 20
#: Side in pixels of the blocks that stand for a larger plane.
BLOCK = 64


def sample_planes(read: Callable[[int], NDArray[Any]], axes: ImageAxes) -> Samples:
    """Read planes that stand for each channel, at most 16, or blocks of them.

    Where a stack is large, blocks of 64 x 64 pixels are taken from all over a plane and
    put together, so that percentiles stay cheap and few planes are in memory.
    Neighbours stay neighbours in a block: of every n-th pixel, noise that is correlated
    would look stronger than it is.

    Parameters
    ----------
    read : callable
        Plane number to plane, in ``YX(S)`` order.
    axes : ImageAxes
        Of the image.
    """
    numbers = axes.spread_planes(NUM_SAMPLE_PLANES)
    count = sum(len(planes) for planes in numbers.values())
    samples: Samples = {}
    for channel, planes in numbers.items():
        for number in planes:
            plane = read(number)
            budget = SAMPLE_VALUES * NUM_SAMPLE_PLANES
            step = math.ceil(math.sqrt(plane.size * count / budget))
            if step > 1:
                rows, columns = (_blocks(k, step) for k in plane.shape[:2])
                plane = plane[np.ix_(rows, columns)]
            samples.setdefault(channel, []).append(plane)
    return samples


def _blocks(length: int, step: int) -> NDArray[np.intp]:
    """One index in `step` along a side, in blocks evenly spread."""
    kept = math.ceil(length / step)
    count = math.ceil(kept / BLOCK)
    inner = np.linspace(0, length, count, endpoint=False).astype(int)
    side = math.ceil(kept / count)
    starts = inner + (length // count - side) // 2
    return (starts[:, np.newaxis] + np.arange(side)).ravel()

"""Planes that stand for a whole stack; no torch here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

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


def sample_planes(read: Callable[[int], NDArray[Any]], axes: ImageAxes) -> Samples:
    """Read planes that stand for each channel, at most 16, with their pixels thinned.

    Every n-th row and column is kept where a stack is large, so that percentiles stay
    cheap and few planes are in memory.

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
            kept = plane[::step, ::step].copy() if step > 1 else plane
            samples.setdefault(channel, []).append(kept)
    return samples

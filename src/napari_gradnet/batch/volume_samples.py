"""Parts of a volume that stand for all of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.samples import sample_planes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes

    ReadRegion = Callable[[tuple[slice, ...]], NDArray[Any]]

__all__ = [
    "RegionReader",
    "as_plane",
    "plane_region",
    "sample_noise",
    "sample_volume",
]

#: Planes up to this many values are sampled as a whole, as those of arrays are.
WHOLE_VALUES = 1 << 24
#: Larger ones by this many windows along each side, of this many pixels.
WINDOWS_A_SIDE = 3
WINDOW = 512
#: Planes of a channel that are looked at.
NUM_PLANES = 16
#: Side of the part whose noise is reported, pixels.
NOISE_SIDE = 256


def plane_region(
    axes: ImageAxes, number: int, rows: slice, columns: slice
) -> tuple[slice, ...]:
    """Region of an image that holds a window of one plane."""
    places = iter(
        np.unravel_index(number, axes.stack_shape) if axes.stack_shape else ()
    )
    window = {"Y": rows, "X": columns, "S": slice(0, axes.length("S"))}
    region = []
    for letter in axes.axes:
        if letter in window:
            region.append(window[letter])
        else:
            place = int(next(places))
            region.append(slice(place, place + 1))
    return tuple(region)


def as_plane(axes: ImageAxes, block: NDArray[Any]) -> NDArray[Any]:
    """Take the plane out of a block that `plane_region` selected."""
    index = tuple(slice(None) if letter in "YXS" else 0 for letter in axes.axes)
    return axes.to_plane(block[index])


class RegionReader:
    """Reads regions of any image, from several threads.

    Parameters
    ----------
    source : ImageSource
        Read by regions where it can (`ZarrSource`), else plane by plane, one at a time.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._last: tuple[int, NDArray[Any]] | None = None

    def __call__(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read a region, first and last index along each axis."""
        direct = getattr(self._source, "read_region", None)
        if direct is not None:
            block: NDArray[Any] = direct(region)
            return block
        return self._from_planes(region)

    def _from_planes(self, region: tuple[slice, ...]) -> NDArray[Any]:
        axes = self._source.axes
        shape = tuple(part.stop - part.start for part in region)
        block = np.empty(shape, self._source.dtype)
        inner = type(axes)(axes.axes, shape)
        starts = [
            p.start for p, a in zip(region, axes.axes, strict=True) if a not in "YXS"
        ]
        window = {a: p for p, a in zip(region, axes.axes, strict=True)}
        cut = tuple(window[a] for a in axes.plane_axes)
        for index in inner.iter_planes():
            places = [k for k in index if not isinstance(k, slice)]
            at = [s + k for s, k in zip(starts, places, strict=True)]
            number = int(np.ravel_multi_index(at, axes.stack_shape)) if at else 0
            block[index] = inner.from_plane(self._plane(number)[cut])
        return block

    def _plane(self, number: int) -> NDArray[Any]:
        with self._lock:  # files have one position
            if self._last is None or self._last[0] != number:
                self._last = None
                self._last = number, self._source.read_plane(number)
            return self._last[1]


def sample_volume(
    source: Any, read: ReadRegion, *, thin: bool = True
) -> dict[int, list[NDArray[Any]]]:
    """Read what stands for each channel of a volume, the same in every run.

    Parameters
    ----------
    source : ImageSource
        The volume.
    read : callable
        Reads a region of it.
    thin : bool
        Whether samples may leave out pixels; not where an operation must run on them.

    Returns
    -------
    dict of int to list of ndarray
        For each channel, of at most 16 evenly spread planes, all (thinned as
        `samples` does) or, where planes are large, 9 windows of each.
    """
    axes: ImageAxes = source.axes
    if thin and np.prod(axes.plane_shape, dtype=object) <= WHOLE_VALUES:
        return sample_planes(source.read_plane, axes)
    rows, columns = (_spread(k) for k in axes.plane_shape[:2])
    samples: dict[int, list[NDArray[Any]]] = {}
    for channel, numbers in axes.spread_planes(NUM_PLANES).items():
        samples[channel] = [
            as_plane(axes, read(plane_region(axes, number, r, c)))
            for number in numbers
            for r in rows
            for c in columns
        ]
    return samples


def _spread(length: int) -> list[slice]:
    """Windows evenly spread along a side; one where it is short."""
    if length <= WINDOW * WINDOWS_A_SIDE:
        side = min(length, WINDOW * WINDOWS_A_SIDE)
        return [slice((length - side) // 2, (length - side) // 2 + side)]
    starts = np.linspace(0, length - WINDOW, WINDOWS_A_SIDE).round().astype(int)
    return [slice(int(k), int(k) + WINDOW) for k in starts]


def sample_noise(axes: ImageAxes, read: ReadRegion) -> float | None:
    """Noise of the middle of the middle plane, None where it cannot be told."""
    from napari_gradnet.noise.estimate import estimate_noise

    rows, columns = (_middle(k) for k in axes.plane_shape[:2])
    region = plane_region(axes, axes.num_planes // 2, rows, columns)
    plane = as_plane(axes, read(region))
    if plane.ndim == 3:
        plane = plane[..., :3]
    try:
        return estimate_noise(plane, channel_axis=-1 if plane.ndim == 3 else None).sigma
    except InputError:
        return None


def _middle(length: int) -> slice:
    start = max(0, (length - NOISE_SIDE) // 2)
    return slice(start, min(length, start + NOISE_SIDE))

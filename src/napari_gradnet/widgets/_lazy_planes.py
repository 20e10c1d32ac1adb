"""An array whose planes are computed when they are asked for. No Qt here.

napari slices layers in the GUI thread, where a network must not run. So napari's own
slicing gets nothing for planes that are not there yet. Whoever else asks the array gets
the right values, denoised there and then.
"""

from __future__ import annotations

import copy
import itertools
import sys
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from napari_gradnet.axes import ImageAxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gradnet.widgets._lazy import PlaneServer

    Position = tuple[int, ...]

__all__ = ["LazyPlanes"]

#: The module of napari that reads from an array what is shown.
_SLICING = "napari.layers._scalar_field._slice"
#: Share of the free memory that finished planes may fill.
_SHARE = 0.25


class LazyPlanes:
    """Array whose planes are computed when they are asked for; the last are kept.

    Parameters
    ----------
    lazy : dask.array.Array
        What computes them.
    axes : ImageAxes
        Of it.
    num_bytes : int, optional
        Of the planes that are kept; a quarter of the free memory when not given.
    """

    def __init__(
        self, lazy: Any, axes: ImageAxes, num_bytes: int | None = None
    ) -> None:
        self.shape: tuple[int, ...] = tuple(lazy.shape)
        self.dtype: np.dtype[Any] = np.dtype(lazy.dtype)
        self.ndim = len(self.shape)
        self.axes = axes
        self._lazy = lazy
        self._stack = [d for d, a in enumerate(axes.axes) if a not in "YXS"]
        self._planes: OrderedDict[Position, NDArray[Any]] = OrderedDict()
        if num_bytes is None:
            num_bytes = int(_SHARE * psutil.virtual_memory().available)
        plane = int(np.prod(axes.plane_shape)) * self.dtype.itemsize
        self._most = max(1, num_bytes // max(1, plane))
        self._lock = threading.Lock()
        self._computing = threading.Lock()
        self._first: dict[int, int] = {}
        #: What shows them lives as long as they do.
        self.server: PlaneServer | None = None

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    @property
    def chunks(self) -> tuple[int, ...]:
        """One plane: dask, which asks for this, would take many planes at a time."""
        return tuple(1 if d in self._stack else n for d, n in enumerate(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __deepcopy__(self, _: Any) -> LazyPlanes:
        """The same planes for another layer, as napari duplicates one."""
        twin = copy.copy(self)
        twin.server = None
        return twin

    def beyond(self, axis: int, start: int) -> LazyPlanes:
        """The same planes from a row or column on."""
        part = copy.deepcopy(self)
        shape = (*self.shape[:axis], self.shape[axis] - start, *self.shape[axis + 1 :])
        part.shape, part.axes = shape, ImageAxes(self.axes.axes, shape)
        part._first = {**self._first, axis: self._first.get(axis, 0) + start}
        return part

    def shares_planes(self, other: Any) -> bool:
        """Whether another array is a duplicate or a part of the same planes."""
        return isinstance(other, LazyPlanes) and other._planes is self._planes

    def is_ready(self, position: Position) -> bool:
        """Whether a plane is there already."""
        return position in self._planes

    def plane(self, position: Position) -> NDArray[Any]:
        """Whole plane at a position along the dimensions that are none of Y, X, S."""
        if (plane := self._finished(position)) is not None:
            return plane
        index: list[Any] = [slice(None)] * self.ndim
        for d, place in zip(self._stack, position, strict=True):
            index[d] = place
        with self._computing:  # several layers may want the same plane at once
            if (plane := self._finished(position)) is not None:
                return plane
            lazy = self._lazy[tuple(index)]
            plane = np.asarray(lazy.compute(scheduler="synchronous"))
            with self._lock:
                self._planes[position] = plane
                while len(self._planes) > self._most:
                    self._planes.popitem(last=False)
        return plane

    def _finished(self, position: Position) -> NDArray[Any] | None:
        with self._lock:
            if position in self._planes:
                self._planes.move_to_end(position)
            return self._planes.get(position)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        given = index if isinstance(index, tuple) else (index,)
        simple = all(isinstance(i, slice | int | np.integer) for i in given)
        if not simple or len(given) > self.ndim:
            return np.asarray(self)[index]  # lists, masks: rare, and whole
        full = [*given, *[slice(None)] * (self.ndim - len(given))]
        kept = [range(n)[i] for n, i in zip(self.shape, full, strict=True)]
        lengths = [len(k) if isinstance(k, range) else 1 for k in kept]
        out = np.empty(lengths, self.dtype)
        cut = tuple(
            slice(self._first.get(d, 0), None)
            for d in range(self.ndim)
            if d not in self._stack
        )
        inner = tuple(
            slice(i, i + 1 or None) if isinstance(k, int) else i
            for d, (i, k) in enumerate(zip(full, kept, strict=True))
            if d not in self._stack
        )
        places = [range(lengths[d]) for d in self._stack]
        shown = sys._getframe(1).f_globals.get("__name__") == _SLICING
        for place in itertools.product(*places):
            position, target = [], [slice(None)] * self.ndim
            for d, i in zip(self._stack, place, strict=True):
                chosen = kept[d]
                position.append(chosen if isinstance(chosen, int) else chosen[i])
                target[d] = slice(i, i + 1)
            if shown and not self.is_ready(tuple(position)):
                out[tuple(target)] = 0
                continue
            plane = self.plane(tuple(position))[cut][inner]
            out[tuple(target)] = plane.reshape(out[tuple(target)].shape)
        return out[tuple(0 if isinstance(k, int) else slice(None) for k in kept)]

    def __array__(
        self, dtype: Any = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        out = np.empty(self.shape, self.dtype)
        for index in self.axes.iter_planes():
            out[index] = self[index]
        return out if dtype is None else out.astype(dtype, copy=False)

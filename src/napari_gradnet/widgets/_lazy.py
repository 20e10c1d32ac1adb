"""A result that is denoised plane by plane, as planes are shown.

napari slices layers in the GUI thread, where a network must not run. So napari's own
slicing gets nothing for planes that are not there yet, and the layer is hidden until
they are: the noisy one below shows through. Whoever else asks the array gets the right
values, denoised there and then.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject

from napari_gradnet import __version__
from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Event, Progress
from napari_gradnet.widgets._job import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_gradnet.region import Region
    from napari_gradnet.widgets._options import DenoiseOptions

    Position = tuple[int, ...]

__all__ = ["LazyPlanes", "LazyRun", "PlaneServer"]

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
        #: What shows them lives as long as they do.
        self.server: PlaneServer | None = None

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def is_ready(self, position: Position) -> bool:
        """Whether a plane is there already."""
        return position in self._planes

    def plane(self, position: Position) -> NDArray[Any]:
        """Plane at a position along the dimensions that are none of Y, X and S."""
        with self._lock:
            if position in self._planes:
                self._planes.move_to_end(position)
                return self._planes[position]
        index: list[Any] = [slice(None)] * self.ndim
        for d, place in zip(self._stack, position, strict=True):
            index[d] = place
        plane = np.asarray(self._lazy[tuple(index)].compute(scheduler="synchronous"))
        with self._lock:
            self._planes[position] = plane
            while len(self._planes) > self._most:
                self._planes.popitem(last=False)
        return plane

    def __getitem__(self, index: Any) -> NDArray[Any]:
        given = index if isinstance(index, tuple) else (index,)
        simple = all(isinstance(i, slice | int | np.integer) for i in given)
        if not simple or len(given) > self.ndim:
            return np.asarray(self)[index]  # lists, masks: rare, and whole
        full = [*given, *[slice(None)] * (self.ndim - len(given))]
        kept = [range(n)[i] for n, i in zip(self.shape, full, strict=True)]
        lengths = [len(k) if isinstance(k, range) else 1 for k in kept]
        out = np.empty(lengths, self.dtype)
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
            plane = self.plane(tuple(position))[inner]
            out[tuple(target)] = plane.reshape(out[tuple(target)].shape)
        return out[tuple(0 if isinstance(k, int) else slice(None) for k in kept)]

    def __array__(
        self, dtype: Any = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        out = np.empty(self.shape, self.dtype)
        for index in self.axes.iter_planes():
            out[index] = self[index]
        return out if dtype is None else out.astype(dtype, copy=False)


class LazyRun:
    """Settles how a stack is denoised; its planes are, when they are shown.

    Parameters
    ----------
    image : array
        numpy, dask or zarr.
    options : DenoiseOptions
        With `axes`.
    """

    region: Region | None = None
    num_finished = 0

    def __init__(self, image: Any, options: DenoiseOptions) -> None:
        self.image = image
        self.options = options
        self.axes = ImageAxes(options.axes or "", tuple(image.shape))
        self.record: dict[str, Any] = {"operation": "denoise lazily"}
        self._planes: LazyPlanes | None = None

    @property
    def result(self) -> Any:
        """Array that computes what it is asked for."""
        if self._planes is None:
            msg = "nothing is settled yet: iterate over `events` first"
            raise GradNetError(msg)
        return self._planes

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        import dask.array

        from napari_gradnet import api
        from napari_gradnet.inference.models import choose_model

        began = time.perf_counter()
        yield Progress(0, 1)
        options = self.options
        if options.model == "auto":
            name, _ = choose_model(rgb=self.axes.is_rgb, dtype=self.image.dtype)
            options = dataclasses.replace(options, model=name)
        da: Any = dask.array  # partly annotated
        array = self.image
        if not isinstance(array, da.Array):
            array = da.from_array(array)
        one = {d: 1 for d, a in enumerate(self.axes.axes) if a not in "YXS"}
        lazy = api.denoise_lazy(array.rechunk(one), **options.changed())
        self._planes = LazyPlanes(lazy, self.axes)
        model = api.open_model(
            options.model,
            device=options.device,
            precision=options.precision,  # type: ignore[arg-type]
        )
        self.record |= {
            **model.record,
            "options": self.options.changed(),
            "version": __version__,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - began, 3),
        }


class PlaneServer(QObject):
    """Denoises what a lazy layer is to show, in a thread, and shows it then.

    Parameters
    ----------
    viewer : ViewerModel
        That shows it.
    layer : Image
        With `LazyPlanes` as its data; hidden at first. It is in the viewer.
    """

    def __init__(self, viewer: ViewerModel, layer: Image) -> None:
        super().__init__()
        self._viewer, self._layer = viewer, layer
        self._wanted = True
        self._moving = False
        self._told = False
        self.job = Job(self)
        self.job.ended.connect(self._on_ended)
        self._events = [
            getattr(viewer.dims.events, name)
            for name in ("current_step", "point", "order", "ndisplay")
        ]
        for event in self._events:
            event.connect(self._on_moved)
        layer.events.visible.connect(self._on_visible)
        viewer.layers.events.removed.connect(self._on_removed)
        layer.data.server = self
        self._on_moved()

    def _position(self) -> Position | None:
        """Of the plane on screen; None where more than one is."""
        layer, dims = self._layer, self._viewer.dims
        planes: LazyPlanes = layer.data
        offset = dims.ndim - layer.ndim
        displayed = {d - offset for d in dims.displayed}
        if {d for d, a in enumerate(planes.axes.axes) if a in "YX"} != displayed:
            return None
        point = layer.world_to_data(dims.point)
        return tuple(
            int(np.clip(np.rint(point[d]), 0, planes.shape[d] - 1))
            for d, a in enumerate(planes.axes.axes)
            if a not in "YXS"
        )

    def _on_moved(self, _: Any = None) -> None:
        position = self._position()
        ready = position is not None and self._layer.data.is_ready(position)
        self._show(self._wanted and ready)
        if position is None:
            if not self._told:
                show_info("a lazy layer is shown in 2D, rows and columns only")
            self._told = True
        elif not ready and self._wanted and not self.job.running:
            self.job.start(_compute(self._layer.data, position))

    def _show(self, visible: bool) -> None:
        self._moving = True
        try:
            self._layer.visible = visible
        finally:
            self._moving = False

    def _on_visible(self, _: Any = None) -> None:
        if self._moving:
            return
        # somebody pressed the eye
        self._wanted = bool(self._layer.visible)
        self._on_moved()

    def _on_ended(self, outcome: Outcome) -> None:
        if self._layer.data.server is not self:  # the layer was removed
            return
        if outcome.error is not None:
            self._wanted = False  # asking again would fail again
            show_error(f"{self._layer.name}: {outcome.error}")
        self._on_moved()

    def _on_removed(self, event: Any) -> None:
        if event.value is not self._layer:
            return
        self.job.cancel()
        for emitter in self._events:
            emitter.disconnect(self._on_moved)
        self._layer.events.visible.disconnect(self._on_visible)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._layer.data.server = None


def _compute(planes: LazyPlanes, position: Position) -> Generator[Event, None, None]:
    yield Progress(0, 1, "plane")
    planes.plane(position)

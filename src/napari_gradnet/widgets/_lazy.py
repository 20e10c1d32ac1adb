"""A result that is denoised plane by plane, as planes are shown.

A layer is hidden until the plane on the screen is there: the noisy one below shows
through.
"""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject

from napari_gradnet import __version__
from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Event, Progress
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._layers import unit_factors
from napari_gradnet.widgets._lazy_planes import LazyPlanes

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_gradnet.region import Region
    from napari_gradnet.widgets._options import DenoiseOptions

    Position = tuple[int, ...]

__all__ = ["LazyRun", "PlaneServer"]


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
        one = {d: 1 for d, a in enumerate(self.axes.axes) if a not in "YXS"}
        if isinstance(array, da.Array):
            array = array.rechunk(one)
        else:  # the chunks that dask would choose hold many planes
            chunks = tuple(one.get(d, -1) for d in range(array.ndim))
            array = da.from_array(array, chunks=chunks, name=False)
        lazy = api.denoise_lazy(array, **options.changed())
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
        #: Whether it is to be shown as soon as it can be.
        self.wanted = True
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
        viewer.layers.events.inserted.connect(self._on_inserted)
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
        factors = unit_factors(getattr(dims, "units", None), layer.units)
        point = layer.world_to_data(np.asarray(dims.point)[-layer.ndim :] * factors)
        return tuple(
            int(np.clip(np.rint(point[d]), 0, planes.shape[d] - 1))
            for d, a in enumerate(planes.axes.axes)
            if a not in "YXS"
        )

    def _on_moved(self, _: Any = None) -> None:
        position = self._position()
        ready = position is not None and self._layer.data.is_ready(position)
        self._show(self.wanted and ready)
        if position is None:
            if not self._told:
                show_info("a lazy layer is shown in 2D, rows and columns only")
            self._told = True
        elif not ready and self.wanted and not self.job.running:
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
        self.wanted = bool(self._layer.visible)
        self._on_moved()

    def _on_ended(self, outcome: Outcome) -> None:
        if self._layer.data.server is not self:  # the layer was removed
            return
        if outcome.error is not None:
            self.wanted = False  # asking again would fail again
            show_error(f"{self._layer.name}: {outcome.error}")
        self._on_moved()

    def _on_inserted(self, event: Any) -> None:
        """Show duplicates and parts of the planes too."""
        layer = event.value
        if self._layer.data.shares_planes(layer.data) and layer.data.server is None:
            PlaneServer(self._viewer, layer)

    def _on_removed(self, event: Any) -> None:
        if event.value is not self._layer:
            return
        self.job.cancel()
        for emitter in self._events:
            emitter.disconnect(self._on_moved)
        self._layer.events.visible.disconnect(self._on_visible)
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._layer.data.server = None


def _compute(planes: LazyPlanes, position: Position) -> Generator[Event, None, None]:
    yield Progress(0, 1, "plane")
    planes.plane(position)

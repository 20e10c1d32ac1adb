"""What the widgets' threads do. The first to run brings torch; the GUI thread does not.

No Qt here.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_gradnet import __version__
from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Event, Progress
from napari_gradnet.values import output_dtype, robust_range
from napari_gradnet.widgets._layers import inner, widen

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.widgets._layers import Region
    from napari_gradnet.widgets._options import DenoiseOptions

__all__ = [
    "DenoiseRun",
    "Inventory",
    "PlaneStore",
    "Run",
    "describe_model_file",
    "take_inventory",
]

#: Planes from which black and white of a whole stack are taken for a part of it.
_NUM_SAMPLES = 16


@dataclass(frozen=True)
class Inventory:
    """What there is to choose from.

    Parameters
    ----------
    models : dict of str to str
        A line from the card of each packaged model.
    devices : dict of str to str
        Names for people.
    """

    models: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)


def _card_line(header: Any) -> str:
    colours = "colour" if header.channels == 3 else "grey"
    parts = [header.description, f"For {colours} images.", header.noise]
    return " ".join(f"{p.rstrip('.')}." for p in parts if p)


def take_inventory() -> Generator[Event, None, Inventory]:
    """Look for models and devices."""
    from napari_gradnet import api
    from napari_gradnet.inference.device import describe_device, resolve_device

    yield Progress(0, 1)
    models = {info.name: _card_line(info.header) for info in api.list_models()}
    names = api.list_devices()
    devices = {name: describe_device(resolve_device(name)) for name in names}
    return Inventory(models, devices)


def describe_model_file(path: str | Path) -> Generator[Event, None, str]:
    """Check a model file and return a line from its card."""
    from napari_gradnet import api

    yield Progress(0, 1)
    return _card_line(api.open_model(path, device="cpu").header)


class PlaneStore(np.ndarray[Any, Any]):
    """Array that counts the planes written to it."""

    finished: int = 0

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self.finished += 1


class Run(Protocol):
    """What a widget hands to a thread and takes a layer from."""

    axes: ImageAxes
    region: Region | None
    record: dict[str, Any]

    @property
    def num_finished(self) -> int:
        """Planes that are finished."""

    @property
    def result(self) -> NDArray[Any]:
        """The result; planes that are not finished are zero."""

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""


class DenoiseRun:
    """Denoises an array, or a part of it.

    Parameters
    ----------
    image : array
        numpy, dask or zarr.
    options : DenoiseOptions
        With `axes`.
    region : tuple of slice, optional
        The part. It is denoised with a margin as wide as the network sees, and with
        black and white of the whole image.
    """

    def __init__(
        self, image: Any, options: DenoiseOptions, region: Region | None = None
    ) -> None:
        self.image = image
        self.options = options
        self.axes = ImageAxes(options.axes or "", tuple(image.shape))
        self.region = region
        self.read: Region | None = None
        self.record: dict[str, Any] = {"operation": "denoise"}
        self._store: PlaneStore | None = None

    @property
    def num_finished(self) -> int:
        """Planes that are finished."""
        return 0 if self._store is None else self._store.finished

    @property
    def result(self) -> NDArray[Any]:
        """The result; planes that are not finished are zero."""
        if self._store is None:
            msg = "nothing was denoised yet: iterate over `events` first"
            raise GradNetError(msg)
        whole = self._store.view(np.ndarray)
        if self.region is None or self.read is None:
            return whole
        return whole[inner(self.region, self.read)]

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        from napari_gradnet import api
        from napari_gradnet.inference.models import choose_model

        began = time.perf_counter()
        options = self.options
        name = options.model
        if name == "auto":
            name = choose_model(rgb=self.axes.is_rgb)
        precision: Any = options.precision
        model = api.open_model(name, device=options.device, precision=precision)
        image = self.image
        if self.region is not None:
            pipeline = model.pipeline
            self.read = widen(
                self.region, self.axes, pipeline.receptive_radius, pipeline.alignment
            )
            options = dataclasses.replace(options, value_range=self._whole_range())
            self.options = options
            image = image[self.read]
        dtype = output_dtype(options.dtype, image.dtype)
        self._store = np.zeros(image.shape, dtype).view(PlaneStore)
        keywords = options.changed()
        for key in ("model", "device", "precision"):
            keywords.pop(key, None)
        yield from api.iter_denoise(image, model, out=self._store, **keywords)
        self.record |= {
            **model.record,
            "options": self.options.changed(),
            "version": __version__,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - began, 3),
        }

    def _whole_range(self) -> tuple[float, float] | None:
        """Black and white of all planes of the channel that is denoised."""
        if self.image.dtype == np.uint8 or self.region is None:
            return None
        at = self.axes.axes.find("C")
        channel = self.region[at] if at >= 0 else None
        if channel is not None and channel.stop - channel.start > 1:
            return None  # each has its own
        indices = [
            index
            for index in self.axes.iter_planes()
            if channel is None or index[at] == channel.start
        ]
        count = min(len(indices), _NUM_SAMPLES)
        chosen = np.linspace(0, len(indices) - 1, count).round().astype(int)
        step = max(1, max(self.axes.plane_shape[:2]) // 1024)
        samples = []
        for i in chosen:
            plane = self.axes.to_plane(np.asarray(self.image[indices[i]]))
            kept = plane[..., :3] if self.axes.is_rgb else plane  # alpha is no light
            samples.append(kept[::step, ::step])
        return robust_range(samples)

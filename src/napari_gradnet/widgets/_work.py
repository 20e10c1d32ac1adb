"""What the widgets' threads do. The first to run brings torch; the GUI thread does not.

No Qt here.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_gradnet import __version__
from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Event, Progress
from napari_gradnet.values import output_dtype
from napari_gradnet.widgets._preferences import models_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.bundle import ModelHeader
    from napari_gradnet.region import Region
    from napari_gradnet.widgets._options import DenoiseOptions

__all__ = [
    "DenoiseRun",
    "Inventory",
    "PlaneStore",
    "Run",
    "describe_model_file",
    "take_inventory",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inventory:
    """What there is to choose from.

    Parameters
    ----------
    models : dict of str to str
        A line from the card of each packaged model.
    devices : dict of str to str
        Names for people.
    files : dict of str to str
        A line from the card of each model in the user's folder, by its path.
    unguided : frozenset of str
        Names and paths of the models that have no use for a guide.
    """

    models: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    unguided: frozenset[str] = frozenset()


def _card_line(header: Any) -> str:
    """A sentence or two; the noise of a header may be a whole configuration."""
    colours = "colour" if header.channels == 3 else "grey"
    parts = [header.description or f"For {colours} images"]
    if not header.description and not header.noise.startswith("{"):
        parts.append(header.noise)
    return " ".join(f"{p.rstrip('.')}." for p in parts if p)


def take_inventory(folder: Path | None = None) -> Generator[Event, None, Inventory]:
    """Look for models and devices.

    Parameters
    ----------
    folder : Path, optional
        Of the user's models; that of the preferences when not given.
    """
    # preferences are read here, in the GUI thread, and not where the generator runs
    return _take_inventory(models_folder() if folder is None else folder)


def _take_inventory(folder: Path) -> Generator[Event, None, Inventory]:
    from napari_gradnet import api
    from napari_gradnet.inference.device import describe_device, resolve_device

    yield Progress(0, 1)
    packaged = {info.name: info.header for info in api.list_models()}
    own = _read_headers(folder)
    names = api.list_devices()
    devices = {name: describe_device(resolve_device(name)) for name in names}
    _warm_up()
    return Inventory(
        {name: _card_line(header) for name, header in packaged.items()},
        devices,
        {path: _card_line(header) for path, header in own.items()},
        frozenset(k for k, h in {**packaged, **own}.items() if h.guide is None),
    )


@functools.cache
def _warm_up() -> None:
    """Run a network once in a process: the first preview waits for no more imports.

    What they leave is looked through for garbage now, and not in the middle of work:
    that would stop the viewer for a tenth of a second.
    """
    from napari_gradnet import api

    with contextlib.suppress(GradNetError):  # no model is packaged
        api.denoise(np.zeros((32, 32), np.uint8), device="cpu", axes="YX")
    gc.collect()


def _read_headers(folder: Path) -> dict[str, ModelHeader]:
    """Header of each model of a folder; files that are no models are passed over."""
    from napari_gradnet.bundle import read_header

    headers = {}
    for path in sorted(folder.glob("*.safetensors")):
        if path.name.startswith("."):  # being written
            continue
        try:
            headers[str(path)] = read_header(path)
        except GradNetError as error:
            logger.warning("not listed: %s", error)
    return headers


def describe_model_file(path: str | Path) -> Generator[Event, None, Inventory]:
    """Check a model file; the inventory holds it alone."""
    from napari_gradnet import api

    yield Progress(0, 1)
    header = api.open_model(path, device="cpu").header
    unguided = frozenset([str(path)] if header.guide is None else [])
    return Inventory(files={str(path): _card_line(header)}, unguided=unguided)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


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
        The part. It is denoised as in the whole image.
    guide : array, shape of `image`, optional
        Replaces the model's own guide.
    """

    def __init__(
        self,
        image: Any,
        options: DenoiseOptions,
        region: Region | None = None,
        guide: Any = None,
    ) -> None:
        self.image = image
        self.options = options
        self.axes = ImageAxes(options.axes or "", tuple(image.shape))
        self.region = region
        self.guide = guide
        self.record: dict[str, Any] = {"operation": "denoise"}
        if region is not None:
            self.record["region"] = [[s.start, s.stop] for s in region]
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
        return self._store.view(np.ndarray)

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        from napari_gradnet import api
        from napari_gradnet.inference.run import ModelChoice

        began = time.perf_counter()
        options = self.options
        precision: Any = options.precision
        choice = ModelChoice(options.model, options.device, precision)
        model, _ = choice.open(self.axes, self.image.dtype)
        shape = self.image.shape
        if self.region is not None:
            shape = tuple(s.stop - s.start for s in self.region)
        dtype = output_dtype(options.dtype, self.image.dtype)
        # also of a run that is cancelled, whose finished planes are kept
        self.record |= {
            **model.record,
            "options": options.changed(),
            "version": __version__,
            "time": _now(),
        }
        self._store = np.zeros(shape, dtype).view(PlaneStore)
        keywords = options.changed() | {"out": self._store}
        for key in ("model", "device", "precision"):
            keywords.pop(key, None)
        if self.guide is not None:
            keywords["guide"] = self.guide
        if self.region is None:
            yield from api.iter_denoise(self.image, model, **keywords)
        else:
            yield from api.iter_denoise_region(
                self.image, self.region, model, **keywords
            )
        self.record |= {
            "time": _now(),
            "seconds": round(time.perf_counter() - began, 3),
        }

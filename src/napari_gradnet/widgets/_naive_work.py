"""What the threads of the Naive denoise and Gradient widgets do. No Qt here."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gradnet import __version__
from napari_gradnet.axes import ImageAxes
from napari_gradnet.events import Event, Progress
from napari_gradnet.region import inner, widen
from napari_gradnet.values import check_dtype
from napari_gradnet.widgets._work import PlaneStore

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_gradnet.noise.estimate import NoiseEstimate
    from napari_gradnet.widgets._layers import Region

    Noise = tuple[NoiseEstimate, ...]

__all__ = ["GradientRun", "NaiveOptions", "NaiveRun", "PlaneRun", "iter_estimate"]

#: Values from which the noise of a channel is estimated, and its fewest and most
#: planes.
_NUM_VALUES = 1 << 23
_FEWEST_PLANES, _MOST_PLANES = 2, 32
#: Pixels around a part, so that its edges are not those of the image.
_MARGIN = 32
#: Values that settle how a gradient is displayed.
_MANY = 1 << 20


def iter_estimate(image: Any, axes: ImageAxes) -> Generator[Event, None, Noise]:
    """Estimate the noise of each channel from planes spread over the image."""
    from napari_gradnet import api

    at = axes.axes.find("C")
    size = max(1, math.prod(axes.plane_shape))
    most = min(max(_NUM_VALUES // size, _FEWEST_PLANES), _MOST_PLANES)
    estimates = []
    for channel in range(axes.length("C")):
        indices = [i for i in axes.iter_planes() if at < 0 or i[at] == channel]
        count = min(len(indices), most)
        chosen = np.linspace(0, len(indices) - 1, count).round().astype(int)
        planes = []
        for number in chosen:
            yield Progress(0, axes.num_planes, "plane")
            plane = axes.to_plane(np.asarray(image[indices[number]]))
            planes.append(plane[..., :3] if axes.is_rgb else plane)
        estimates.append(
            api.estimate_noise(
                np.stack(planes), channel_axis=-1 if axes.is_rgb else None
            )
        )
    return tuple(estimates)


@dataclass(frozen=True)
class NaiveOptions:
    """What the form says.

    Parameters
    ----------
    method : str
        One of `api.list_naive_methods`.
    sigma_factor : float
        Times the estimated noise.
    vst : bool or "auto"
        Stabilise the variance; ``auto`` where the noise clearly grows with the signal.
    """

    method: str = "bm3d"
    sigma_factor: float = 1.0
    vst: bool | Literal["auto"] = "auto"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class PlaneRun(ABC):
    """Work on planes one after the other, of an image or a part of it."""

    operation = ""

    def __init__(self, image: Any, axes: str, region: Region | None) -> None:
        self.image = image
        self.axes = ImageAxes(axes, tuple(image.shape))
        check_dtype(image.dtype)
        self.region = region
        self.record: dict[str, Any] = {"operation": self.operation}
        self._read = None if region is None else widen(region, self.axes, _MARGIN)
        self._store: PlaneStore | None = None

    @property
    def num_finished(self) -> int:
        """Planes that are finished."""
        return 0 if self._store is None else self._store.finished

    @property
    def result(self) -> NDArray[Any]:
        """The result; planes that are not finished are zero."""
        whole: NDArray[Any] = np.asarray(self._store)
        if self.region is None or self._read is None:
            return whole
        kept = inner(self.region, self._read)
        axes = self.axes.axes
        return whole[tuple(s for s, a in zip(kept, axes, strict=True) if self._has(a))]

    def _has(self, letter: str) -> bool:
        """Whether the result has this dimension of the image."""
        return letter in self.axes.axes

    def _out_axes(self, axes: ImageAxes) -> ImageAxes:
        """Axes of the result for those of an image."""
        kept = [
            (a, n) for a, n in zip(axes.axes, axes.shape, strict=True) if self._has(a)
        ]
        return ImageAxes("".join(a for a, _ in kept), tuple(n for _, n in kept))

    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self.image.dtype)

    def _prepare(self) -> Generator[Event, None, dict[str, Any]]:
        """Settle what holds for all planes; returns what to record of it."""
        yield Progress(0, 1, "plane")
        return {}

    @abstractmethod
    def _plane(self, plane: NDArray[Any], channel: int) -> NDArray[Any]:
        """Work on a plane in ``YX(S)`` order."""

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        began = time.perf_counter()
        self.record |= yield from self._prepare()
        # also of a run that is cancelled, whose finished planes are kept
        self.record |= {
            "axes": self.axes.axes,
            "version": __version__,
            "time": _now(),
        }
        image, part = self.image, self.axes
        if self._read is not None:
            image = image[self._read]
            part = ImageAxes(self.axes.axes, tuple(image.shape))
        out = self._out_axes(part)
        self._store = np.zeros(out.shape, self._dtype()).view(PlaneStore)
        at = part.axes.find("C")
        first = self._read[at].start if self._read is not None and at >= 0 else 0
        places = zip(part.iter_planes(), out.iter_planes(), strict=True)
        for done, (index, target) in enumerate(places):
            yield Progress(done, part.num_planes, "plane")
            number = index[at] if at >= 0 else 0
            channel = first + (number if isinstance(number, int) else 0)
            plane = part.to_plane(np.asarray(image[index]))
            self._store[target] = out.from_plane(self._plane(plane, channel))
        yield Progress(part.num_planes, part.num_planes, "plane")
        self.record |= {
            "time": _now(),
            "seconds": round(time.perf_counter() - began, 3),
        }


class NaiveRun(PlaneRun):
    """Denoises with a classical method; the noise is that of the whole stack.

    Parameters
    ----------
    image : array
        numpy, dask or zarr.
    axes : str
        One letter a dimension.
    options : NaiveOptions
        What the form says.
    noise : tuple of NoiseEstimate, optional
        One a channel; estimated if missing.
    region : tuple of slice, optional
        The part of the image that is wanted.
    """

    operation = "naive denoise"

    def __init__(
        self,
        image: Any,
        axes: str,
        options: NaiveOptions,
        noise: Noise | None = None,
        region: Region | None = None,
    ) -> None:
        super().__init__(image, axes, region)
        self.options = options
        self.noise = noise

    def _prepare(self) -> Generator[Event, None, dict[str, Any]]:
        if self.noise is None:
            self.noise = yield from iter_estimate(self.image, self.axes)
        return {
            "method": self.options.method,
            "sigma": [n.sigma for n in self.noise],
            "sigma_factor": self.options.sigma_factor,
            "variance_stabilised": [self._stabilised(n) for n in self.noise],
        }

    def _stabilised(self, noise: NoiseEstimate) -> bool:
        from napari_gradnet.noise.stabilize import needs_stabilization

        if self.options.vst == "auto":
            return bool(needs_stabilization(noise))
        return self.options.vst

    def _plane(self, plane: NDArray[Any], channel: int) -> NDArray[Any]:
        from napari_gradnet import api
        from napari_gradnet.noise.stabilize import Stabilizer

        noise = (self.noise or ())[channel]
        keywords: dict[str, Any] = {"sigma": noise.channel_sigmas, "vst": False}
        if self._stabilised(noise):
            keywords = {"vst": Stabilizer.from_estimate(noise)}
        return api.naive_denoise(
            plane,
            self.options.method,
            axes=self.axes.plane_axes,
            sigma_factor=self.options.sigma_factor,
            **keywords,
        )


class GradientRun(PlaneRun):
    """Sobel gradient of every plane; of colours that of their mean.

    Parameters
    ----------
    image : array
        numpy, dask or zarr.
    axes : str
        One letter a dimension.
    kind : {"magnitude", "horizontal", "vertical", "orientation"}
        See `api.gradient`.
    region : tuple of slice, optional
        The part of the image that is wanted.
    """

    operation = "gradient"

    def __init__(
        self, image: Any, axes: str, kind: Any, region: Region | None = None
    ) -> None:
        super().__init__(image, axes, region)
        self.kind = kind
        #: What few pixels exceed: white of a display.
        self.steepest = 1.0

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        try:
            yield from super().events()
        finally:
            if self.num_finished:
                self._measure()

    def _measure(self) -> None:
        values = self.result.ravel()
        values = np.abs(values[:: max(1, values.size // _MANY)])
        values = values[np.isfinite(values)]
        if "seconds" not in self.record:  # cancelled: planes that are missing are zero
            values = values[values > 0]
        if values.size:
            self.steepest = float(np.percentile(values, 99.5)) or 1.0

    def _has(self, letter: str) -> bool:
        return letter != "S" and super()._has(letter)

    def _dtype(self) -> np.dtype[Any]:
        return np.result_type(self.image.dtype, np.float32)

    def _prepare(self) -> Generator[Event, None, dict[str, Any]]:
        yield Progress(0, 1, "plane")
        return {"kind": self.kind}

    def _plane(self, plane: NDArray[Any], channel: int) -> NDArray[Any]:
        from napari_gradnet import api

        if self.axes.is_rgb:
            plane = plane[..., :3].mean(-1, dtype=self._dtype())
        return api.gradient(plane, self.kind, axes="YX")

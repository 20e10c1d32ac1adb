"""A trained network as an operation of a batch: one copy of it for every thread."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections import OrderedDict
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.batch.operation import Operation, PlaneWork
from napari_gradnet.bundle import find_model, list_packaged
from napari_gradnet.errors import DeviceError, ModelError
from napari_gradnet.events import drain
from napari_gradnet.inference.device import resolve_device
from napari_gradnet.inference.run import ModelChoice
from napari_gradnet.inference.scaling import Scaling
from napari_gradnet.inference.stack import StackDenoiser
from napari_gradnet.inference.statistics import iter_statistics
from napari_gradnet.noise.stabilize import Stabilizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes
    from napari_gradnet.batch.operation import ReadWindow, Samples
    from napari_gradnet.inference.models import Model
    from napari_gradnet.inference.options import StackOptions
    from napari_gradnet.inference.precision import Precision
    from napari_gradnet.inference.statistics import PlaneStatistics

__all__ = ["NetworkOperation"]

#: Models of which a thread keeps its own copy.
_KEPT_COPIES = 4


class _ThreadStore(threading.local):
    """What each thread has for itself."""

    def __init__(self) -> None:
        self.copies: OrderedDict[tuple[str, ...], Model] = OrderedDict()
        self.streams: dict[str, Any] = {}


_own = _ThreadStore()


def _own_copy(model: Model) -> Model:
    """Copy a model for the calling thread: with one model they would wait in turn."""
    copies = _own.copies
    key = (model.sha256, str(model.device), str(model.dtype))
    if key not in copies:
        pipeline = copy.deepcopy(model.pipeline)
        copies[key] = dataclasses.replace(
            model, pipeline=pipeline, lock=threading.Lock()
        )
        while len(copies) > _KEPT_COPIES:
            copies.popitem(last=False)
    copies.move_to_end(key)
    return copies[key]


def _own_stream(model: Model) -> AbstractContextManager[Any]:
    """Enter the thread's stream of a GPU, so that copies and work of two overlap."""
    if model.device.type != "cuda":
        return nullcontext()
    import torch

    name = str(model.device)
    if name not in _own.streams:
        _own.streams[name] = torch.cuda.Stream(model.device)
    return torch.cuda.stream(_own.streams[name])


class NetworkOperation(Operation):
    """Denoise with a trained network; see `api.denoise`.

    Parameters
    ----------
    model : str or Path
        ``auto``, a packaged model's name or a file.
    device, precision : str
        See `api.denoise`. The device is that of the process that does the work.
    options : StackOptions
    leads : bool
        Whether this process only leads others, to which the operation is pickled: it
        needs no such device.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        options: StackOptions,
        leads: bool = False,
    ) -> None:
        self.model = model
        self.device = device
        self.precision: Precision = precision
        self.options = options
        self.leads = leads

    def __getstate__(self) -> dict[str, Any]:
        # a file's name may be relative to this process's folder
        is_name = self.model == "auto" or self.model in list_packaged()
        model = self.model if is_name else find_model(self.model).absolute()
        return {**self.__dict__, "leads": False, "model": model}

    def _choice(self) -> ModelChoice:
        """The model here: of a leader without the workers' device on the CPU."""
        try:
            resolve_device(self.device)
        except DeviceError:
            if not self.leads:
                raise
            # what every device can do: nobody knows here what the workers' gains from
            known: Precision = "float32" if self.precision == "auto" else self.precision
            return ModelChoice(self.model, "cpu", known)
        return ModelChoice(self.model, self.device, self.precision)

    def _open(
        self,
        axes: ImageAxes,
        dtype: np.dtype[Any],
        settled: Precision | None = None,
    ) -> Model:
        choice = self._choice()
        model, _ = choice.open(axes, dtype)
        if settled is not None and settled != model.record["precision"]:
            # settled on another machine, which gains from another arithmetic
            model, _ = dataclasses.replace(choice, precision=settled).open(axes, dtype)
        return model

    def describe(self, axes: ImageAxes, dtype: np.dtype[Any]) -> dict[str, Any]:
        """All that results depend on, as JSON.

        Not the device: a batch may go on on another one, with the precision that was
        settled.
        """
        model = self._open(axes, dtype)
        options = dataclasses.asdict(self.options)
        del options["tile"]  # results do not depend on it
        if self.options.ensemble is None:
            options["ensemble"] = model.header.ensemble
        if self.options.value_range is not None:
            options["value_range"] = list(self.options.value_range)
        return {
            "model": model.header.name,
            "model_sha256": model.sha256,
            "precision": self.precision,
            **options,
        }

    def settle(
        self, axes: ImageAxes, dtype: np.dtype[Any], samples: Samples
    ) -> dict[str, Any]:
        """Settle precision, tiles and the scaling of each channel."""
        model = self._open(axes, dtype)
        stack = StackDenoiser(model, axes, dtype, samples, self.options)
        rows, columns = axes.plane_shape[:2]
        return {
            "model": model.header.name,
            "model_sha256": model.sha256,
            "precision": model.record["precision"],
            # from the free memory it could differ between two runs
            "tile": self.options.tile or stack.planes.steady_tile((rows, columns)),
            "channels": {
                str(channel): _scaling_json(scaling)
                for channel, scaling in stack.scalings.items()
            },
        }

    def bind(
        self, axes: ImageAxes, dtype: np.dtype[Any], state: Mapping[str, Any]
    ) -> PlaneWork:
        """Make what runs from what `settle` gave.

        Raises
        ------
        ModelError
            The model is another one than was settled on.
        """
        model = self._open(axes, dtype, state["precision"])
        if model.sha256 != state["model_sha256"]:
            msg = (
                f"model {model.path} is not the one that the work began with "
                f"(SHA-256 {model.sha256[:12]} now, {state['model_sha256'][:12]} "
                "then): put it back or begin anew"
            )
            raise ModelError(msg)
        options = dataclasses.replace(self.options, tile=state["tile"])
        stack = StackDenoiser(model, axes, dtype, {}, options)
        stack.scalings = {
            int(channel): Scaling(
                known["low"],
                known["high"],
                Stabilizer(*known["vst"]) if known["vst"] else None,
            )
            for channel, known in state["channels"].items()
        }
        is_here = self._choice().device == self.device
        return _NetworkWork(stack, None if is_here else self.device)


def _scaling_json(scaling: Scaling) -> dict[str, Any]:
    vst = scaling.stabilizer
    return {
        "low": scaling.low,
        "high": scaling.high,
        "vst": None if vst is None else [vst.gain, vst.offset, vst.read_noise],
    }


class _NetworkWork(PlaneWork):
    def __init__(self, stack: StackDenoiser, elsewhere: str | None) -> None:
        self._stack = stack
        self._elsewhere = elsewhere  # the device that does the work, not this one's
        self.dtype = stack.dtype
        planes = stack.planes
        self.alignment = planes.alignment
        # BM3D looks at the whole plane
        by_plane = stack.guide_kind == "bm3d"
        self.halo = None if by_plane else planes.halo
        self._sizes: list[int] = []
        if planes.has_attention and not by_plane:
            self._sizes = self._measure_statistics()
            self.statistics_size = len(stack.passes) * planes.views * sum(self._sizes)

    @property
    def record(self) -> dict[str, Any]:
        record = {"operation": "denoise", **self._stack.record}
        return record | ({"device": self._elsewhere} if self._elsewhere else {})

    def _own_stack(self) -> StackDenoiser:
        """The stack with this thread's copy of the network."""
        return self._stack.with_model(_own_copy(self._stack.model))

    def _measure_statistics(self) -> list[int]:
        """Number of means that each attention takes."""
        side = self.alignment * -(-32 // self.alignment)
        blank = np.zeros((1, self._stack.model.header.channels, side, side), np.float32)
        helper = blank if self._stack.model.pipeline.needs_guide else None
        views = drain(self._stack.planes.iter_statistics(blank, helper))
        return [mean.numel() for mean in views[0]]

    def statistics_windows(self) -> list[tuple[slice, slice]]:
        if not self.statistics_size:
            return []
        rows, columns = self._stack.axes.plane_shape[:2]
        return self._stack.planes.statistics_windows((rows, columns))

    def statistics(self, read: ReadWindow, number: int) -> NDArray[np.float32]:
        if not self.statistics_size:
            return np.empty(0, np.float32)
        stack = self._own_stack()
        windows = [(read(window), None) for window in self.statistics_windows()]
        with _own_stream(stack.model):
            passes = drain(iter_statistics(stack, windows, number=number))
            return np.concatenate(
                [
                    mean.float().cpu().numpy().ravel()
                    for views in passes
                    for means in views
                    for mean in means
                ]
            )

    def apply(
        self,
        plane: NDArray[Any],
        number: int,
        statistics: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        stack = self._own_stack()
        with _own_stream(stack.model):
            shared = None
            if statistics is not None and self.statistics_size:
                shared = self._unpacked(statistics)
            return drain(stack.iter_plane(plane, number=number, statistics=shared))

    def _unpacked(self, statistics: NDArray[np.float32]) -> PlaneStatistics:
        """What `statistics` was made from."""
        import torch

        device = self._stack.model.device
        cuts = np.cumsum(self._sizes)[:-1]
        return [
            [
                [
                    torch.from_numpy(mean.copy())[None, :, None, None].to(device)
                    for mean in np.split(view, cuts)
                ]
                for view in np.split(vector, self._stack.planes.views)
            ]
            for vector in np.split(statistics, len(self._stack.passes))
        ]

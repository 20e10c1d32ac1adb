"""Measure models: speed and memory on this machine, accuracy on a folder of images."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_gradnet.errors import GradNetError
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.device import describe_device
from napari_gradnet.inference.memory import PeakMemory
from napari_gradnet.inference.models import Model, list_models, open_model
from napari_gradnet.inference.plane import PlaneDenoiser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.inference.precision import Precision

__all__ = ["SpeedRow", "iter_speed", "macs_per_pixel"]

#: Size on which multiply-accumulates are counted, pixels.
_COUNT_SIZE = 64


@dataclass(frozen=True)
class SpeedRow:
    """Speed of one model.

    Parameters
    ----------
    model : str
    device, precision : str
    parameters : int
    macs_per_pixel : float
        Multiply-accumulates of the whole pipeline for one pixel, guide included, and
        all views where the model is an ensemble.
    megapixels_per_second : float
        Of `denoise` on the square image.
    bare_megapixels_per_second : float
        Of the network's forward passes alone over the same pixels.
    ratio : float
        `denoise` over bare.
    peak_megabytes : float
        Largest memory beyond what was used before, by `denoise`.
    """

    model: str
    device: str
    precision: str
    parameters: int
    macs_per_pixel: float
    megapixels_per_second: float
    bare_megapixels_per_second: float
    ratio: float
    peak_megabytes: float


def macs_per_pixel(model: Model) -> float:
    """Count multiply-accumulates of a forward pass for one pixel."""
    channels = model.header.channels
    image = torch.zeros(1, channels, _COUNT_SIZE, _COUNT_SIZE, device=model.device)
    guide = image if model.pipeline.needs_guide else None
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        model.pipeline(image, guide)
    flops: int = counter.get_total_flops()
    return model.header.num_views() * flops / 2 / _COUNT_SIZE**2


def count_weights(model: Model) -> int:
    """Count the trained values that run, BatchNorm folded."""
    return sum(p.numel() for p in model.pipeline.parameters())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _bare_pass(model: Model, image: NDArray[np.float32]) -> Callable[[], object]:
    """The network's forward passes over an image, with nothing around them."""
    planes = PlaneDenoiser(model)
    tensor = torch.from_numpy(image)[None]
    helper = tensor if model.pipeline.needs_guide else None
    return lambda: [
        planes.run_network(tensor, helper) for _ in range(model.header.num_views())
    ]


def iter_speed(
    models: Sequence[str] = (),
    *,
    size: int = 2048,
    device: str = "auto",
    precision: Precision = "auto",
    repeats: int = 3,
) -> Iterator[SpeedRow]:
    """Measure models one after the other, each in a process of its own.

    A process that another model ran in has memory left for the next one, which would
    seem up to twice as fast and of no size. The processes import the program that
    asks: in a script, ask below ``if __name__ == "__main__":``.

    Parameters
    ----------
    models : sequence of str
        Names or files; all packaged ones when empty.
    size : int
        Side of the square image, pixels.
    device, precision : str
        See `denoise`.
    repeats : int
        Passes of each kind, in turn; the median counts.

    Yields
    ------
    SpeedRow

    Raises
    ------
    GradNetError
        A process was killed, or could not begin.
    """
    context = multiprocessing.get_context("spawn")
    for name in models or [m.name for m in list_models()]:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            future = pool.submit(_speed, name, device, precision, size, repeats)
            try:
                row = future.result()
            except BrokenProcessPool as error:
                msg = (
                    f"the process that measures {name} broke off: take a smaller size "
                    "where memory is short; in a script, ask below "
                    'if __name__ == "__main__":'
                )
                raise GradNetError(msg) from error
        yield row


def _speed(
    name: str, device: str, precision: Precision, size: int, repeats: int
) -> SpeedRow:
    model = open_model(name, device=device, precision=precision)
    channels = model.header.channels
    rng = np.random.default_rng(0)
    image = rng.random((channels, size, size), dtype=np.float32)
    array = image.transpose(1, 2, 0) if channels == 3 else image[0]
    axes = "YXS" if channels == 3 else "YX"

    def whole() -> object:
        return denoise(
            array, model, axes=axes, vst=False, dtype="float32", value_range=(0, 1)
        )

    bare = _bare_pass(model, image)
    on_gpu = model.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(model.device)
    with PeakMemory() as memory:
        whole()
    peak = memory.growth
    if on_gpu:
        peak = torch.cuda.max_memory_allocated(model.device) / 1e6
    bare()
    # in turn, so that a drift of the machine's speed meets both
    pairs = [(_seconds(whole), _seconds(bare)) for _ in range(repeats)]
    ours, alone = (float(np.median(column)) for column in zip(*pairs, strict=True))
    megapixels = size * size / 1e6
    return SpeedRow(
        model.header.name,
        describe_device(model.device),
        str(model.dtype).removeprefix("torch."),
        count_weights(model),
        macs_per_pixel(model),
        megapixels / ours,
        megapixels / alone,
        alone / ours,
        peak,
    )

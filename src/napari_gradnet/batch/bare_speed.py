"""The network alone: what the device can do, to compare with."""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_gradnet.inference.models import Model

__all__ = ["BareRate", "measure_bare"]

#: That are measured for each way.
SECONDS = 5.0


@dataclass(frozen=True)
class BareRate:
    """Forward passes without anything else.

    Parameters
    ----------
    megapixels : float
    seconds : float
    """

    megapixels: float
    seconds: float

    @property
    def megapixels_per_second(self) -> float:
        """The rate."""
        return self.megapixels / self.seconds


def measure_bare(model: Model, size: int, ways: Iterable[tuple[int, int]]) -> BareRate:
    """Measure the network's forward passes alone, as fast as they go.

    Parameters
    ----------
    model : Model
        Open on its device.
    size : int
        Side of the planes, pixels.
    ways : iterable of (int, int)
        Copies of the network that run at once, and threads of each; of several ways
        the fastest counts. A GPU runs one copy.

    Returns
    -------
    BareRate
    """
    import torch

    threads = torch.get_num_threads()
    chosen = dict.fromkeys(ways if model.device.type == "cpu" else [(1, threads)])
    try:
        rates = [_measure(model, size, *way) for way in chosen]
    finally:
        torch.set_num_threads(threads)
    return max(rates, key=lambda rate: rate.megapixels_per_second)


def _measure(model: Model, size: int, copies: int, threads: int) -> BareRate:
    import torch

    tensor = torch.rand(1, model.header.channels, size, size, device=model.device)
    tensor = tensor.contiguous(memory_format=torch.channels_last)
    helper = tensor if model.pipeline.needs_guide else None
    done: list[int] = []
    end = [0.0]
    ready = threading.Barrier(copies)

    def work() -> None:
        torch.set_num_threads(threads)
        pipeline = copy.deepcopy(model.pipeline)
        with (
            torch.inference_mode(),
            torch.autocast(
                model.device.type, model.dtype, enabled=model.dtype != torch.float32
            ),
        ):
            pipeline(tensor, helper)
            ready.wait()
            end[0] = end[0] or time.perf_counter() + SECONDS
            while time.perf_counter() < end[0] or not done:
                pipeline(tensor, helper).float().cpu()
                done.append(1)

    pool = [threading.Thread(target=work) for _ in range(copies)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    # from the barrier on: loading and the first pass are left out
    seconds = time.perf_counter() - (end[0] - SECONDS)
    passes = len(done) / model.header.num_views()
    return BareRate(passes * size * size / 1e6, seconds)

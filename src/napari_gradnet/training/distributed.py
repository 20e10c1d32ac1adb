"""Several processes that train one network together (``torchrun``)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_gradnet.errors import ConfigError
from napari_gradnet.inference.device import resolve_device

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["World"]


class World:
    """The process among those that torchrun started; alone without it.

    Parameters
    ----------
    device : str
        ``auto`` or ``cuda`` give every process of a machine a GPU of its own.

    Attributes
    ----------
    rank, size : int
        Number of this process and how many there are.
    device : torch.device
    """

    def __init__(self, device: str = "auto") -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        if self.size > 1 and device in ("auto", "cuda") and torch.cuda.is_available():
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        self.device = resolve_device(device)
        if self.size > 1:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
            if not distributed.is_initialized():
                backend = "nccl" if self.device.type == "cuda" else "gloo"
                distributed.init_process_group(backend)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Average gradients over the processes.

        On GPUs BatchNorm sees the whole batch; on CPUs each process its own part.
        """
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices)

    def share(self, batch: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Take the own part of a batch, cut into equal parts.

        Raises
        ------
        ConfigError
            The batch cannot be divided.
        """
        if len(batch) % (self.size * parts):
            msg = (
                f"a batch of {len(batch)} cannot be shared by {self.size} processes "
                f"in {parts} parts each: use a multiple of {self.size * parts}"
            )
            raise ConfigError(msg)
        here = batch.chunk(self.size)[self.rank]
        return here.chunk(parts)

    def no_sync(self, module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Keep gradients to this process until the last part of a batch."""
        if last or not isinstance(module, DistributedDataParallel):
            return contextlib.nullcontext()
        context: AbstractContextManager[Any] = module.no_sync()
        return context

    def mean(self, value: Tensor) -> float:
        """Mean of a number over the processes."""
        if self.size > 1:
            value = value.detach().clone()
            distributed.all_reduce(value)
            value /= self.size
        return float(value)

    def agree(self, value: float) -> float:
        """The main process's number, for decisions that all must take alike."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        if self.device.type == "cuda":
            shared = shared.to(self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    def close(self) -> None:
        """Leave the group of processes."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

"""A device that is out of memory, told in a sentence."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_gradnet.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REMEDY", "is_out_of_memory", "out_of_memory_told"]

REMEDY = "close other programs or use device='cpu'"

#: How CUDA, MPS and the CPU's allocators (Linux, Windows) say it.
_WORDS = (
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "can't allocate memory",
    "not enough memory",
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that a device's memory does not suffice."""
    # this name of it also has PyTorch 2.4
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _WORDS)


@contextmanager
def out_of_memory_told(
    device: torch.device, what: str, remedy: str = REMEDY
) -> Iterator[None]:
    """Say what to do where work does not fit the memory of a device.

    Parameters
    ----------
    device : torch.device
        That does the work.
    what : str
        The work.
    remedy : str
        What makes it smaller.

    Raises
    ------
    DeviceError
        The device is out of memory; all other errors are passed on.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        msg = f"{device} is out of memory for {what}: {remedy}"
        raise DeviceError(msg) from error

"""Resumable training state, written to a temporary name and renamed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from napari_gradnet.errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; an older one stays whole until the new one is on disk.

    Raises
    ------
    OSError
        It names the file, such as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    memory = io.BytesIO()
    torch.save(state, memory)  # to a full disk it would raise errors without a reason
    try:
        with temporary.open("wb") as stream:
            stream.write(memory.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are unpickled.

    Raises
    ------
    TrainingError
        The file is missing or damaged.
    """
    try:
        state: dict[str, Any] = torch.load(  # noqa: TID251 - the one place for it
            path, map_location="cpu", weights_only=True
        )
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        msg = f"cannot resume from {path} ({error}): give another folder"
        raise TrainingError(msg) from error
    return state

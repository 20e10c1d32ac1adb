"""Resumable training state, written to a temporary name and renamed."""

from __future__ import annotations

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
    """Write a checkpoint; an older one stays whole until the new one is on disk."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
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
        msg = f"cannot resume from {path} ({error}): start without resuming"
        raise TrainingError(msg) from error
    return state

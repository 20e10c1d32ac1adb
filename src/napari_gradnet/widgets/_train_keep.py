"""Where trainings lie, and where their models go."""

from __future__ import annotations

import itertools
import os
import shutil
from typing import TYPE_CHECKING

from napari_gradnet.widgets import _models
from napari_gradnet.widgets._preferences import models_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["keep_model", "new_run_folder", "runs_folder"]


def runs_folder() -> Path:
    """Folder of the run folders, among the user's models."""
    return models_folder() / "runs"


def new_run_folder(name: str) -> Path:
    """Make a run folder that no other training has."""
    for number in itertools.count(1):
        folder = runs_folder() / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError  # pragma: no cover - there is always another number


def keep_model(model: Path) -> Path:
    """Copy a model among the user's own; one that is there is not replaced.

    Parameters
    ----------
    model : Path
        The model file of a run folder.

    Returns
    -------
    Path
        The copy. The Denoise widget lists it at once.
    """
    folder = models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{model.name}.part-{os.getpid()}"
    try:
        shutil.copyfile(model, temporary)
        target = _free_name(folder, model)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _models.models_changed()
    return target


def _free_name(folder: Path, model: Path) -> Path:
    """Name that no other model has; the same content needs no second one."""
    for number in itertools.count(1):
        stem = model.stem if number == 1 else f"{model.stem}-{number}"
        target = folder / f"{stem}{model.suffix}"
        if not target.exists() or target.read_bytes() == model.read_bytes():
            return target
    raise AssertionError  # pragma: no cover - there is always another number

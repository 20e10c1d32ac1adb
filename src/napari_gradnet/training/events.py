"""What a training tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gradnet.events import Event

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CheckpointSaved", "Started", "StepDone", "Validated"]


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The data are read and the first step is about to run.

    Parameters
    ----------
    message : str
        A sentence about images, parameters and device.
    skipped : tuple of str
        Files that could not be read, with the reason.
    """

    message: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    """One optimiser step.

    Parameters
    ----------
    step, epoch : int
        Counted from 1.
    progress : float
        Fraction of the training that is done, 0..1.
    loss, learning_rate : float
    patches_per_second : float
        Of this step, data included.
    wait_fraction : float
        Part of this step's time spent on data.
    """

    step: int
    epoch: int
    progress: float
    loss: float
    learning_rate: float
    patches_per_second: float
    wait_fraction: float


@dataclass(frozen=True, slots=True)
class Validated(Event):
    """A validation.

    Parameters
    ----------
    step, epoch : int
    psnr : float
        dB, mean over images and noises.
    psnrs : tuple of float
        One a noise.
    noisy_psnr : float
        The same of the noisy images.
    guide_psnr : float or None
        The same of the guide network's images.
    is_best : bool
    """

    step: int
    epoch: int
    psnr: float
    psnrs: tuple[float, ...]
    noisy_psnr: float
    guide_psnr: float | None
    is_best: bool


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    """A checkpoint or a model is on disk."""

    path: Path

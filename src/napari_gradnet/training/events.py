"""What a training tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gradnet.events import Event

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CheckpointSaved",
    "EpochDone",
    "Restarted",
    "StageStarted",
    "Started",
    "StepDone",
    "Validated",
    "ValidationImage",
]


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The data are read and the first step is about to run.

    Parameters
    ----------
    message : str
        A sentence about images, parameters and device.
    skipped : tuple of str
        Files that could not be used, with the reason.
    warnings : tuple of str
        What looks wrong in the data.
    """

    message: str
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageStarted(Event):
    """A stage of the training begins, with a network of its own.

    Parameters
    ----------
    number, total : int
        Counted from 1.
    name : str
        Such as ``guide`` or ``depth-5``.
    message : str
        A sentence about the network.
    """

    number: int
    total: int
    name: str
    message: str


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
class EpochDone(Event):
    """An epoch is over.

    Parameters
    ----------
    step, epoch : int
        Of the whole training, counted from 1.
    loss : float
        Mean over the epoch's steps.
    """

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True, slots=True)
class Restarted(Event):
    """A loss was not finite; the training went back to the last checkpoint.

    Parameters
    ----------
    step : int
        Where it goes on.
    message : str
        What happened, with the images of the batch.
    """

    step: int
    message: str


@dataclass(frozen=True, slots=True)
class ValidationImage(Event):
    """A validation image: the same crop after each validation.

    Parameters
    ----------
    epoch, number : int
    noisy, denoised, clean : ndarray of float32, shape (Y, X) or (Y, X, 3)
        Intensities in [0, 1], not clipped.
    path : Path
        The three side by side, as a PNG file; the next validation replaces it.
    """

    epoch: int
    number: int
    noisy: NDArray[np.float32]
    denoised: NDArray[np.float32]
    clean: NDArray[np.float32]
    path: Path


@dataclass(frozen=True, slots=True)
class Validated(Event):
    """A validation.

    Parameters
    ----------
    step, epoch : int
    psnr : float
        dB, mean of `psnrs`.
    psnrs : tuple of float
        One a noise, then one of the images with noise of their own, if there are any.
    source_psnrs : dict of str to float
        One a source of images: some are easier than others, and a gain on drawn images
        is none on photos.
    noisy_psnr : float
        The same of the noisy images.
    guide_psnr : float or None
        The same of the guide network's images.
    is_kept : bool
        Whether these weights are to be the model, so far.
    """

    step: int
    epoch: int
    psnr: float
    psnrs: tuple[float, ...]
    source_psnrs: dict[str, float]
    noisy_psnr: float
    guide_psnr: float | None
    is_kept: bool


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    """A checkpoint or a model is on disk."""

    path: Path

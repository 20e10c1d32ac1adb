"""What a batch tells while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_gradnet.events import Event

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BatchReport", "FileEvent", "FileReport", "FileState"]

FileState = Literal["queued", "started", "progress", "done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class FileEvent(Event):
    """Something happened to one file (or volume) of a batch.

    Each file is ``queued`` once; then it is ``skipped`` (the journal has it already),
    or ``started``, perhaps several times in ``progress``, and at last ``done`` or
    ``failed``. Files overlap, so events of several files come mixed.

    Parameters
    ----------
    path, output : Path
        Input and output.
    state : {"queued", "started", "progress", "done", "skipped", "failed"}
    number, count : int
        Place of the file in the batch, from 1, and files known so far.
    done, total : int
        Finished and all units (planes, blocks) of the file; 0 of 0 while not known.
    seconds : float
        Since the file was started; 0 before.
    message : str
        The error of a failed file; else a sentence for the user, or empty.
    time_left : float or None
        Seconds until the whole batch is done, None while that cannot be told.
    finished : int
        Files of the batch that are done, skipped or failed.
    """

    path: Path
    output: Path
    state: FileState
    number: int
    count: int
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    message: str = ""
    time_left: float | None = None
    finished: int = 0


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file.

    Parameters
    ----------
    path, output : Path
    state : {"done", "skipped", "failed"}
    seconds : float
        From its start to its end; other files were worked on meanwhile.
    megapixels : float
        Values that were denoised in this run, in millions.
    sigma_before, sigma_after : float or None
        Noise standard deviation of a sample, in the units of the input.
    message : str
        The error, or what could not be kept; mostly empty.
    """

    path: Path
    output: Path
    state: FileState
    seconds: float = 0.0
    megapixels: float = 0.0
    sigma_before: float | None = None
    sigma_after: float | None = None
    message: str = ""


@dataclass(frozen=True)
class BatchReport:
    """What became of a batch.

    Parameters
    ----------
    files : tuple of FileReport
        In the order in which they ended.
    seconds : float
        Of the whole run.
    megapixels : float
        Values that were denoised in this run, in millions.
    workers : int
        That computed at once.
    utilisation : float
        Share of the time, 0..1, that they computed, from the first unit to the last.
    message : str
        Why no report could be written into the output folder; mostly empty.
    """

    files: tuple[FileReport, ...]
    seconds: float
    megapixels: float
    workers: int
    utilisation: float
    message: str = ""

    def count(self, state: FileState) -> int:
        """Files that ended in a state."""
        return sum(report.state == state for report in self.files)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """Files that failed."""
        return tuple(r for r in self.files if r.state == "failed")

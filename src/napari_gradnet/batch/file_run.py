"""One file on its way through an engine, and what is left of a batch."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from napari_gradnet.batch.failures import is_final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.batch.entries import Entry
    from napari_gradnet.batch.inputs import Task
    from napari_gradnet.batch.job import Job

__all__ = ["FileRun", "Remaining"]


class FileRun:
    """One file on its way through an engine.

    Attributes
    ----------
    task : Task
    job : Job
    number : int
        Place in the batch, from 1.
    finished : dict of str to str
        Units that an earlier run has done, and their checksums.
    stages : sequence of sequence of str
        The job's, without the finished units being left out.
    error : BaseException or None
        Why the file fails; no further units are worked on from then on.
    pending : int
        Units on their way.
    fed : bool
        Whether all units of the stage are on their way or done.
    """

    def __init__(self, task: Task, job: Job, number: int, entry: Entry | None) -> None:
        self.task = task
        self.job = job
        self.number = number
        # a copy: the journal adds those of this run
        self.finished = dict(entry.units) if entry else {}
        self.stages: Sequence[Sequence[str]] = ()
        self.error: BaseException | None = None
        self.pending = 0
        self.fed = False
        self.done = 0
        self.total = 0
        self.values = 0
        self.began = time.monotonic()
        self.told = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the file was started."""
        return time.monotonic() - self.began

    @property
    def takes_results(self) -> bool:
        """Whether computed units are still written.

        After a failure that passes (a full disk) they serve the next run.
        """
        return self.error is None or not is_final(self.error)

    def holds(self, unit: str) -> bool:
        """Whether an earlier run has done a unit, and its data are still there."""
        checksum = self.finished.get(unit)
        return checksum is not None and self.job.holds(unit, checksum)

    @property
    def values_left(self) -> float:
        """Values of the units that are not done."""
        return self.values * (1 - self.done / max(self.total, 1))


class Remaining:
    """How much of a batch is left, in values and in time. Safe in several threads.

    Files that were not opened yet count by their bytes, at as many values a byte as
    those that were.

    Attributes
    ----------
    values_done : float
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._began = time.monotonic()
        self._bytes_waiting = 0
        self._known_bytes = self._known_values = 0
        self._values_left = 0.0
        self.values_done = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the batch was begun."""
        return time.monotonic() - self._began

    @property
    def seconds(self) -> float | None:
        """Seconds that the batch will still take; None as long as nobody knows."""
        with self._guard:
            elapsed = self.elapsed
            if not self.values_done or elapsed < 0.5:
                return None
            left = max(self._values_left, 0.0)
            if self._known_bytes:
                left += self._bytes_waiting * self._known_values / self._known_bytes
            return left * elapsed / self.values_done

    def wait(self, size: int) -> None:
        """Take note of a file of so many bytes that waits."""
        with self._guard:
            self._bytes_waiting += size

    def begin(self, size: int) -> None:
        """Take note of a file that waits no more."""
        with self._guard:
            self._bytes_waiting -= size

    def open(self, run: FileRun, size: int) -> None:
        """Take note of what a file of so many bytes holds."""
        with self._guard:
            self._known_bytes += size
            self._known_values += run.values if size else 0
            self._values_left += run.values_left

    def count(self, values: float) -> None:
        """Take note of values that are done."""
        with self._guard:
            self.values_done += values
            self._values_left -= values

    def drop(self, run: FileRun) -> None:
        """Take note of a file that has failed."""
        with self._guard:
            self._values_left -= run.values_left

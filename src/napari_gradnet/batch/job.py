"""What the batch engine runs: jobs made of units.

The engine knows nothing of file formats or networks. It takes jobs (a file, a volume),
calls their units in any order, on any thread or machine, keeps a journal of the
finished ones, and tells a job to finish or to discard its output. A job knows nothing
of journals, workers or progress.

The life of a job, in the process that leads::

    job.prepare()  # once; after a crash again, with the same result
    for stage in job.stages:  # a stage starts when the one before it is done
        for unit in stage:  # any order, any thread, any machine, also twice
            job.run(unit)  # or read / compute / write, overlapped
    job.noise()  # for the report
    job.finish()  # the output appears under its name
    job.close()

and in every other process that helps: unpickle it, ``open()``, run units, ``close()``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Job", "UnitResult", "Written"]


@dataclass(frozen=True)
class Written:
    """What `Job.write` stored.

    Parameters
    ----------
    num_bytes : int
        Pixels written, decoded, in bytes.
    checksum : str
        Of these pixels (hexadecimal): a unit that is run again gives the same.
    """

    num_bytes: int
    checksum: str


@dataclass(frozen=True)
class UnitResult:
    """A finished unit; JSON-able fields only, for the journal.

    Parameters
    ----------
    unit : str
    seconds : float
        All of it; ``read + compute + write`` where it was not overlapped.
    read_seconds, compute_seconds, write_seconds : float
        Its parts.
    num_bytes : int
        See `Written`.
    checksum : str
        See `Written`.
    """

    unit: str
    seconds: float
    read_seconds: float
    compute_seconds: float
    write_seconds: float
    num_bytes: int
    checksum: str


class Job(ABC):
    """One output: what is read, done and written, cut into units.

    Constructing a job is cheap: options are checked, nothing is opened. A job can be
    pickled at any time after `prepare`; what was opened stays behind, so that the copy
    needs `open` again.

    Attributes
    ----------
    name : str
        The input as the user named it: for messages, reports and the journal.
    output : Path
        The final name of the output. Nothing stands under it before `finish`.
    """

    name: str
    output: Path

    @property
    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """All that the output's bytes depend on, as JSON; known after `prepare`.

        The input's identity (size, time of change, hash of its metadata), the
        operation's `Operation.describe` and the layout of the output. Two runs may
        share units only when their fingerprints are equal.
        """

    @property
    @abstractmethod
    def stages(self) -> Sequence[Sequence[str]]:
        """Names of the units, known after `prepare`, the same in every run.

        Units of one stage do not depend on each other; those of the next stage read
        what they wrote. A file has one stage; a volume has one for its pixels and one
        for each further level of its pyramid. The sequences may be computed on the fly
        (there may be a million units): do not turn them into lists without need.
        """

    @property
    @abstractmethod
    def num_values(self) -> int:
        """Pixel values that are denoised (samples of a pixel count), for estimates."""

    @property
    def keeps_units(self) -> bool:
        """Whether the unfinished output still holds what earlier runs have written.

        Asked before `prepare`. Where it was removed, the units that the journal has as
        finished are done again.
        """
        return True

    @abstractmethod
    def prepare(self) -> None:
        """Check input and output, settle what all units share, start the output.

        Called once, by the process that leads, before anything else; it leaves the job
        open. What was settled (scaling, chunks) is stored beside the unfinished
        output, so that a second `prepare`, after a crash, finds it and goes on with
        exactly that.

        Raises
        ------
        GradNetError
            Input, operation or output cannot be used, or an unfinished output is there
            whose fingerprint is another one.
        """

    @abstractmethod
    def open(self) -> None:
        """Open input, unfinished output and model in this process; again is harmless.

        For processes other than the one that called `prepare`.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of what `open` opened; again is harmless."""

    @abstractmethod
    def read(self, unit: str) -> Any:
        """Read what a unit needs. Called from several threads at once."""

    @abstractmethod
    def compute(self, unit: str, data: Any) -> Any:
        """Do the work on what `read` gave. Called from several threads at once."""

    @abstractmethod
    def write(self, unit: str, result: Any) -> Written:
        """Store what `compute` gave.

        Writing a unit again gives the same bytes. Called from several threads at once.
        It returns when the data have been handed to the file system.
        """

    def sync(self) -> None:  # noqa: B027 - mostly nothing to do
        """Let other machines see what `write` stored; after the units of a task."""

    def holds(self, unit: str, checksum: str) -> bool:
        """Whether the unfinished output still has what an earlier run wrote.

        A power cut may take blocks that the journal calls finished; they are done
        again. Called after `open`, from several threads at once. True where `finish`
        looks itself.

        Parameters
        ----------
        unit : str
            Its name.
        checksum : str
            See `Written`.
        """
        return True

    def run(self, unit: str) -> UnitResult:
        """Read, compute and write one unit."""
        began = time.perf_counter()
        data = self.read(unit)
        was_read = time.perf_counter()
        result = self.compute(unit, data)
        computed = time.perf_counter()
        written = self.write(unit, result)
        ended = time.perf_counter()
        return UnitResult(
            unit,
            ended - began,
            was_read - began,
            computed - was_read,
            ended - computed,
            written.num_bytes,
            written.checksum,
        )

    def noise(self) -> tuple[float, float] | None:
        """Noise before and after, in the input's units, after the last unit.

        A sample of the input and the same one of the unfinished output; None where
        that cannot be told.
        """
        return None

    @abstractmethod
    def finish(self) -> str:
        """Complete the output and give it its name, after the last unit.

        Returns
        -------
        str
            What could not be kept, or empty.
        """

    @abstractmethod
    def discard(self) -> None:
        """Close, and remove the unfinished output (never a finished one)."""

"""Jobs in memory, to watch what an engine does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.inputs import Task
from napari_gradnet.batch.job import Job, Written
from napari_gradnet.batch.options import BatchOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What all jobs did, in order: (job, what, unit).
Log = list[tuple[str, str, str]]
OPTIONS = BatchOptions(naive="median")


class FakeJob(Job):
    """Writes its units into a file when it is finished.

    Parameters
    ----------
    task : Task
    stages : lists of units
    log : list
    hook : callable
        Called with job, what and unit before all that a unit goes through.
    """

    def __init__(
        self,
        task: Task,
        stages: list[list[str]],
        log: Log,
        hook: Callable[[FakeJob, str, str], None] = lambda *_: None,
    ) -> None:
        self.name = task.source.name
        self.output = task.target
        self._stages = stages
        self._log = log
        self._hook = hook
        self._guard = threading.Lock()
        self.written: dict[str, Any] = {}

    def _note(self, what: str, unit: str = "") -> None:
        self._hook(self, what, unit)
        with self._guard:
            self._log.append((self.name, what, unit))

    @property
    def fingerprint(self) -> dict[str, Any]:
        return {"input": {"name": self.name}, "operation": {"fake": True}}

    @property
    def stages(self) -> list[list[str]]:
        return self._stages

    @property
    def num_values(self) -> int:
        return 1_000_000

    def prepare(self) -> None:
        self._note("prepare")

    def open(self) -> None:
        self._note("open")

    def close(self) -> None:
        self._note("close")

    def read(self, unit: str) -> str:
        self._note("read", unit)
        return unit

    def compute(self, unit: str, data: str) -> str:
        assert data == unit
        self._note("compute", unit)
        return data.upper()

    def write(self, unit: str, result: str) -> Written:
        assert result == unit.upper()
        self._note("write", unit)
        with self._guard:
            self.written[unit] = result
        return Written(1, result)

    def finish(self) -> str:
        self._note("finish")
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.output.write_text(" ".join(sorted(self.written)))
        return ""

    def discard(self) -> None:
        self._note("discard")


def make_tasks(folder: Path, *names: str) -> list[Task]:
    """Tasks of empty files."""
    for name in names:
        (folder / name).touch()
    return [Task(folder / n, folder / "out" / n, n, OPTIONS) for n in names]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is true; it should be soon."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)

"""The book-keeping of a run: which files are where, told as events and in the journal.

Engines decide who works when; what it means that a file is begun, finished or has
failed stands here, once for all engines. Safe in several threads.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING

from napari_gradnet.batch.events import BatchReport, FileEvent, FileReport
from napari_gradnet.batch.failures import explain_failure, is_final
from napari_gradnet.batch.file_run import FileRun, Remaining
from napari_gradnet.batch.opening import ChangedOptionsError, Opener

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gradnet.batch.events import FileState
    from napari_gradnet.batch.inputs import Task
    from napari_gradnet.batch.job import Job, UnitResult
    from napari_gradnet.batch.journal import Journal

__all__ = ["Book"]

#: Seconds between two ``progress`` events of one file.
_PROGRESS_SECONDS = 0.1


class Book:
    """What is known of a running batch.

    Parameters
    ----------
    journal : Journal
        Of the output folder.
    opener : Opener
        Of the same journal.

    Attributes
    ----------
    events : queue.SimpleQueue
        Events for whoever watches.
    """

    def __init__(self, journal: Journal, opener: Opener) -> None:
        self.journal = journal
        self.events: queue.SimpleQueue[FileEvent | BaseException] = queue.SimpleQueue()
        self.reports: list[FileReport] = []
        self._opener = opener
        self._guard = threading.Lock()
        self._telling = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._remaining = Remaining()

    # -------------------------------------------------------------------- events
    def _tell(
        self,
        task: Task,
        state: FileState,
        run: FileRun | None = None,
        message: str = "",
    ) -> None:
        with self._telling:  # what is told later knows more
            event = FileEvent(
                task.source,
                task.target,
                state,
                self._numbers[task.name],
                len(self._numbers),
                run.done if run else 0,
                run.total if run else 0,
                run.seconds if run else 0.0,
                message,
                self._remaining.seconds,
                len(self.reports),
            )
            self.events.put(event)

    def queue(self, task: Task) -> None:
        """Take a task into the batch."""
        size = task.num_bytes
        with self._guard:
            # a watched file that has changed comes again
            self._numbers.setdefault(task.name, len(self._numbers) + 1)
            self._sizes[task.name] = size
        self._opener.expect(task)
        self._remaining.wait(size)
        self._tell(task, "queued")

    # --------------------------------------------------------------------- files
    def begin(
        self, task: Task, *, prepare: Callable[[Job], bool] = lambda _: True
    ) -> FileRun | None:
        """Start a file, or say why not.

        Parameters
        ----------
        task : Task
            It was queued.
        prepare : callable
            Whether a job is to be prepared here; another process does it otherwise.

        Returns
        -------
        FileRun or None
            None where nothing is to be done: the file is skipped or has failed.

        Raises
        ------
        ChangedOptionsError
            The output was begun with other options: the whole run should stop.
        """
        self._remaining.begin(self._sizes[task.name])
        run: FileRun | None = None
        try:
            opened = self._opener.open(task)
            if opened is None:
                self._report(self._earlier(task))
                self._tell(task, "skipped", message="done by an earlier run")
                return None
            run = FileRun(task, opened.job, self._numbers[task.name], opened.entry)
            if prepare(run.job):
                run.job.prepare()
            self._count(run)
        except ChangedOptionsError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the rest
            if run is not None:  # what an earlier run has finished stays
                with contextlib.suppress(Exception):
                    run.job.close()
            self._failed(task, run, error)
            return None
        self._tell(task, "started", run)
        return run

    def _earlier(self, task: Task) -> FileReport:
        """What an earlier run reported of an output that is done."""
        entry = self.journal.entry(task.name)
        figures = entry.figures if entry else {}
        before, after = figures.get("sigma") or (None, None)
        return FileReport(
            task.source,
            task.target,
            "skipped",
            figures.get("seconds", 0.0),
            0.0,
            before,
            after,
            figures.get("message", ""),
        )

    def _count(self, run: FileRun) -> None:
        run.stages = run.job.stages
        run.total = sum(len(stage) for stage in run.stages)
        run.values = run.job.num_values
        run.done = len(run.finished)
        self._remaining.open(run, self._sizes[run.task.name])

    def unit_done(self, run: FileRun, result: UnitResult) -> None:
        """Take note of a finished unit.

        Raises
        ------
        OSError
            The output folder has vanished: the rest of the file would be in vain.
        """
        before = run.finished.get(result.unit)
        if run.total > 1 and before != result.checksum:
            self.journal.check_place()
            self.journal.unit(run.task.name, result)
        if before is not None:  # counted when the file was opened
            return
        with self._guard:
            run.done += 1
            now = time.monotonic()
            quiet = now - run.told < _PROGRESS_SECONDS and run.done < run.total
            if not quiet:
                run.told = now
        self._remaining.count(run.values / max(run.total, 1))
        if not quiet:
            self._tell(run.task, "progress", run)

    def finish(self, run: FileRun) -> None:
        """Complete the output of a run without an error."""
        noise = run.job.noise()
        self.journal.finishing(run.task.name)
        message = run.job.finish()
        self.finished(run, noise, message)

    def finished(
        self, run: FileRun, noise: tuple[float, float] | None, message: str
    ) -> None:
        """Take note of an output that stands under its name.

        Raises
        ------
        OSError
            The output folder has vanished meanwhile, and the output with it or not.
        """
        self.journal.check_place()
        figures = {
            "seconds": round(run.seconds, 3),
            "sigma": noise and [float(sigma) for sigma in noise],
            "message": message,
        }
        self.journal.done(run.task.name, figures)
        share = 1 - len(run.finished) / max(run.total, 1)
        before, after = noise or (None, None)
        report = FileReport(
            run.task.source,
            run.task.target,
            "done",
            run.seconds,
            run.values * share / 1e6,
            before,
            after,
            message,
        )
        self._report(report)
        self._tell(run.task, "done", run, message)

    def is_done(self, task: Task) -> bool:
        """Whether the journal has the output of a task as done."""
        entry = self.journal.entry(task.name)
        return entry is not None and entry.state == "done"

    def close(self, run: FileRun) -> None:
        """End a run: complete it, or tell why it failed."""
        final = self._is_final(run)
        if run.error is None:
            try:
                self.finish(run)
            except Exception as error:  # noqa: BLE001 - as in `begin`
                run.error = error  # all units are done: they stay for the next run
        try:
            if final:
                run.job.discard()
            else:
                run.job.close()
        except Exception as error:  # noqa: BLE001 - as in `begin`
            run.error = run.error or error
        if run.error is not None:
            self._failed(run.task, run, run.error)

    def _is_final(self, run: FileRun) -> bool:
        """Whether what is unfinished of a run is of no more use."""
        failed = run.error is not None
        return failed and is_final(run.error) and not self._gone(run.task)

    def _gone(self, task: Task) -> str:
        """Say what has vanished under a task, whatever error that led to."""
        if not self.journal.is_in_place():
            return f"the output folder {self.journal.path.parent}"
        try:
            task.source.lstat()
        except PermissionError:
            return ""
        except OSError:
            return str(task.source)
        return ""

    def _failed(self, task: Task, run: FileRun | None, error: BaseException) -> None:
        message = explain_failure(error, task.target)
        gone = "" if task.fault else self._gone(task)
        if gone:
            message = (
                f"{gone} has vanished (moved away, or its disk unmounted): put it back "
                f"and run the same command again ({message})"
            )
        if run is not None:
            if not gone:  # else its output may stand where it went to
                self.journal.failed(task.name, message)
            self._remaining.drop(run)
        seconds = run.seconds if run else 0.0
        self._report(
            FileReport(task.source, task.target, "failed", seconds, message=message)
        )
        self._tell(task, "failed", run, message)

    def _report(self, report: FileReport) -> None:
        with self._guard:
            self.reports.append(report)

    def summary(self, workers: int, utilisation: float) -> BatchReport:
        """What became of the batch."""
        return BatchReport(
            tuple(self.reports),
            self._remaining.elapsed,
            self._remaining.values_done / 1e6,
            workers,
            utilisation,
        )

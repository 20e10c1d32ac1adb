"""Several machines: dask.distributed runs the units, this process keeps the journal.

A file of one plane is one task; planes of a stack and blocks of a volume are a task
each. Few tasks are with the scheduler at a time, so that a million units cost it
nothing in memory. A task that is lost with its worker runs again elsewhere and writes
the same bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import pickle
import queue
import time
import uuid
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.cluster_worker import run_units, run_whole
from napari_gradnet.io import temporary_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from napari_gradnet.batch.book import Book
    from napari_gradnet.batch.events import FileEvent
    from napari_gradnet.batch.file_run import FileRun
    from napari_gradnet.batch.inputs import Task
    from napari_gradnet.batch.job import Job

__all__ = ["ClusterEngine"]

logger = logging.getLogger(__name__)

#: Tasks with the scheduler, for each thread of a worker: one runs, the others wait.
_AHEAD = 4
#: Short units share a task, so that it lasts about so long: a task costs the scheduler
#: a millisecond, and a loaded machine much more.
_TASK_SECONDS = 0.5
_MOST_UNITS = 64
#: Files whose units are with the scheduler at a time, beside those of one plane.
_OPEN_FILES = 8
_TICK = 0.2
#: Failures in a row to fetch results after which the run is given up.
_MOST_MISSES = 50
#: States of a dask future that tell of no failure.
_AGAIN = ("pending", "lost", "finished")


@dataclass
class _Open:
    """A job whose units are given out one by one."""

    run: FileRun
    pickled: bytes
    units: Iterator[str]
    stage: int = 0
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    peeked: list[str] = field(default_factory=list)

    def take(self, count: int) -> list[str]:
        """Take the next units of the stage."""
        rest = itertools.islice(self.units, count - len(self.peeked))
        taken = [*self.peeked, *rest]
        self.peeked = []
        return taken

    def peek(self) -> bool:
        """Whether the stage has more units to give out."""
        self.peeked = self.take(1)
        return bool(self.peeked)


class ClusterEngine:
    """Runs tasks on the workers of a dask cluster.

    Parameters
    ----------
    client : distributed.Client
    ahead : int
        Tasks with the scheduler for each thread of a worker.

    Attributes
    ----------
    utilisation : float
        Share of the time, 0..1, in which the workers' threads read, computed or wrote.
    """

    def __init__(self, client: Any, *, ahead: int = _AHEAD) -> None:
        self._client = client
        self._ahead = ahead
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._in_flight: dict[Any, tuple[FileRun, _Open | None]] = {}
        #: What tells a small file's task, if it runs again, that it wrote the output.
        self._receipts: dict[Any, Path] = {}
        self._opened: deque[_Open] = deque()
        self._exhausted = False
        self._ask_again = 0.0
        self._closing: list[Future[None]] = []
        self._busy = 0.0
        self._count = 0
        self._began = time.monotonic()
        self._ended = self._began
        self._threads = 1
        self._misses = 0
        self._looked = 0.0
        #: Seconds of all threads until the last look.
        self._capacity = 0.0

    @property
    def workers(self) -> int:
        """Threads of all workers."""
        now = time.monotonic()
        if now - self._looked > 1:  # workers come and go
            self._capacity += self._threads * (now - (self._looked or now))
            self._looked = now
            with contextlib.suppress(Exception):  # the client may be closed by now
                counts = self._client.nthreads().values()
                self._threads = max(sum(counts), 1)
        return self._threads

    @property
    def utilisation(self) -> float:
        """Share of the time in which the workers' threads were at work."""
        since = self._looked or self._began
        capacity = self._capacity + self._threads * (self._ended - since)
        return min(1.0, self._busy / capacity) if capacity > 0 else 0.0

    def iter_run(
        self, tasks: Iterator[Task | None], book: Book
    ) -> Generator[FileEvent, None, None]:
        """Work on tasks; closing the generator cancels those that wait.

        Parameters
        ----------
        tasks : iterator of Task or None
            None: there is nothing now, ask again later.
        book : Book
            Of this run.

        Yields
        ------
        FileEvent
        """
        self._began = time.monotonic()
        pool = ThreadPoolExecutor(2, thread_name_prefix="gradnet-finish")
        try:
            while True:
                self._submit(tasks, book, pool)
                yield from _waiting_events(book)
                idle = not (self._in_flight or self._opened or self._num_closing())
                if idle and self._exhausted:
                    break
                self._collect(book, pool)
            yield from _waiting_events(book)
        finally:
            with contextlib.suppress(Exception):  # the connection may be lost
                self._client.cancel(list(self._in_flight))
            pool.shutdown()
            for opened in self._opened:
                with contextlib.suppress(Exception):
                    opened.run.job.close()

    # ---------------------------------------------------------------- giving out
    def _submit(
        self, tasks: Iterator[Task | None], book: Book, pool: ThreadPoolExecutor
    ) -> None:
        limit = self._ahead * self.workers
        while len(self._in_flight) < limit:
            if not (self._submit_unit() or self._begin(tasks, book, pool)):
                return

    def _units_a_task(self) -> int:
        if not self._count:
            return 1
        fitting = _TASK_SECONDS * self._count / max(self._busy, 1e-9)
        return int(min(max(fitting, 1), _MOST_UNITS))

    def _submit_unit(self) -> bool:
        """Give out the next units of an opened file, if there are any."""
        for opened in self._opened:
            run = opened.run
            if run.error is not None:
                continue
            units = opened.take(self._units_a_task())
            if not units:
                continue
            known = run.finished
            finished = {unit: known[unit] for unit in units if unit in known}
            future = self._client.submit(
                run_units, opened.key, opened.pickled, units, finished, pure=False
            )
            run.pending += 1
            self._follow(future, run, opened)
            return True
        return False

    def _begin(
        self, tasks: Iterator[Task | None], book: Book, pool: ThreadPoolExecutor
    ) -> bool:
        """Start the next file; whether there was one."""
        now = time.monotonic()
        if self._exhausted or self._is_full() or now < self._ask_again:
            return False
        task = next(tasks, self)
        if task is self:
            self._exhausted = True
            return False
        if task is None:
            self._ask_again = now + _TICK
            return False
        run = book.begin(task, prepare=_is_large)  # type: ignore[arg-type]
        if run is None:
            return True
        if _is_large(run.job):
            stages = run.stages or [()]
            opened = _Open(run, pickle.dumps(run.job), iter(stages[0]))
            self._opened.append(opened)
            self._advance(opened, book, pool)
        else:
            run.job.close()
            target = run.task.target.absolute()
            receipt = temporary_path(target)
            try:
                book.journal.finishing(run.task.name, receipt=receipt.name)
            except OSError as error:
                run.error = error
                book.close(run)
                return True
            future = self._client.submit(
                run_whole, pickle.dumps(run.job), str(receipt), pure=False
            )
            self._receipts[future] = receipt
            self._follow(future, run, None)
        return True

    def _is_full(self) -> bool:
        """Whether as many files are open as may be: each keeps its spool to its end."""
        return len(self._opened) + self._num_closing() >= _OPEN_FILES

    def _num_closing(self) -> int:
        """Number of files that are being completed."""
        self._closing = [end for end in self._closing if not end.done()]
        return len(self._closing)

    def _follow(self, future: Any, run: FileRun, opened: _Open | None) -> None:
        self._in_flight[future] = (run, opened)
        future.add_done_callback(self._finished.put)

    # ---------------------------------------------------------------- collecting
    def _collect(self, book: Book, pool: ThreadPoolExecutor) -> None:
        """Wait a moment for finished tasks and take what there is."""
        futures = []
        with contextlib.suppress(queue.Empty):
            futures.append(self._finished.get(timeout=_TICK))
            while True:
                futures.append(self._finished.get_nowait())
        known = [f for f in dict.fromkeys(futures) if f in self._in_flight]
        results = self._fetch(known)
        for future in known:
            if future not in results and future.status in _AGAIN:
                # its result was lost with a worker before it came here
                future.add_done_callback(self._finished.put)
                continue
            run, opened = self._in_flight.pop(future)
            if future in results:
                self._take(book, run, opened, results[future])
            elif run.error is None:
                run.error = _failure(future)
            if opened is not None:
                run.pending -= 1
                self._advance(opened, book, pool)
            elif run.error is not None:
                book.close(run)
            receipt = self._receipts.pop(future, None)
            # the next run needs it, unless the journal has the output
            if receipt is not None and book.is_done(run.task):
                with contextlib.suppress(OSError):
                    receipt.unlink(missing_ok=True)

    def _fetch(self, futures: list[Any]) -> dict[Any, Any]:
        """Results of tasks; none where a worker has just died with some of them."""
        good = [f for f in futures if f.status == "finished"]
        try:
            # one message for many small results
            results = dict(zip(good, self._client.gather(good), strict=True))
        except Exception:  # any of dask's
            self._misses += 1
            if self._misses > _MOST_MISSES:
                raise
            logger.warning("results were lost on their way: asking again")
            time.sleep(_TICK)
            return {}
        self._misses = 0
        return results

    def _take(self, book: Book, run: FileRun, opened: _Open | None, value: Any) -> None:
        self._ended = time.monotonic()
        if opened is not None:
            results, error = value
            run.error = run.error or error
        else:
            results = value.results
        try:
            for result in results:
                self._busy += result.seconds
                self._count += 1
                book.unit_done(run, result)
            if opened is None:
                book.finished(run, value.noise, value.message)
        except OSError as vanished:
            run.error = run.error or vanished

    def _advance(self, opened: _Open, book: Book, pool: ThreadPoolExecutor) -> None:
        """Go to the next stage, or end the file, when nothing is on its way."""
        run = opened.run
        while run.pending == 0:
            if run.error is None and opened.peek():
                return
            opened.stage += 1
            if run.error is not None or opened.stage >= len(run.stages):
                self._opened.remove(opened)
                # completed beside the giving out of the others' units
                self._closing.append(pool.submit(book.close, run))
                return
            opened.units = iter(run.stages[opened.stage])


def _is_large(job: Job) -> bool:
    """Whether units are given out one by one."""
    return not getattr(job, "is_small", False)


def _waiting_events(book: Book) -> Iterator[FileEvent]:
    with contextlib.suppress(queue.Empty):
        while True:
            event = book.events.get_nowait()
            if isinstance(event, BaseException):
                raise event
            yield event


def _failure(future: Any) -> BaseException:
    """Say why a task failed, in words where dask has only names."""
    try:
        error = future.exception()
    except Exception as lost:  # noqa: BLE001 - cancelled or lost: any of dask's errors
        return lost
    if type(error).__name__ == "KilledWorker":
        return MemoryError(
            "the workers that tried this were killed, perhaps for want of memory"
        )
    # dask cancels all tasks when it loses the scheduler
    return error or ConnectionError(
        "the connection to the scheduler was lost: run the same command again"
    )

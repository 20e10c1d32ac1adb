"""One machine: reading, computing and writing overlap, in threads with bounded queues.

Two threads read (and open what is read next), several compute, two write; the queues
between them hold a few planes each, so memory does not grow with the batch. Threads
rather than processes: the network's convolutions, codecs and most NumPy work let go of
the interpreter, and a model is shared by copying its weights only.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.job import UnitResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_gradnet.batch.book import Book
    from napari_gradnet.batch.events import FileEvent
    from napari_gradnet.batch.file_run import FileRun
    from napari_gradnet.batch.inputs import Task

__all__ = ["LocalEngine"]

NUM_READERS = 2
NUM_WRITERS = 2
#: Seconds after which a waiting thread looks whether it is to stop.
_TICK = 0.2
#: What the iterator of tasks gives at its end.
_END: Any = object()


@dataclass
class _Packet:
    """A unit on its way."""

    run: FileRun
    unit: str
    data: Any
    read_seconds: float = 0.0
    compute_seconds: float = 0.0
    computed: bool = False


class _StopError(Exception):
    """The run is cancelled."""


class LocalEngine:
    """Runs tasks on this machine.

    Parameters
    ----------
    workers : int
        Threads that compute.
    threads : int
        Threads of torch for each of them, on the CPU.

    Attributes
    ----------
    utilisation : float
        Share of the time, 0..1, in which the workers computed, from the first unit to
        the last.
    """

    def __init__(self, workers: int, *, threads: int = 1) -> None:
        self.workers = workers
        self._threads = threads
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._to_compute: queue.Queue[_Packet] = queue.Queue(workers + 1)
        self._to_write: queue.Queue[_Packet] = queue.Queue(workers + NUM_WRITERS)
        # opened files are bounded, too
        self._slots = threading.Semaphore(workers + NUM_READERS + NUM_WRITERS)
        self._runs: set[FileRun] = set()
        self._reading = NUM_READERS
        self._stage_over: dict[FileRun, threading.Event] = {}
        self._busy = 0.0
        self._first = self._last = 0.0

    @property
    def utilisation(self) -> float:
        """Share of the time in which the workers computed."""
        span = self._last - self._first
        return min(1.0, self._busy / (span * self.workers)) if span > 0 else 0.0

    def iter_run(
        self, tasks: Iterator[Task | None], book: Book
    ) -> Generator[FileEvent, None, None]:
        """Work on tasks; closing the generator cancels within one unit.

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
        source = threading.Lock()
        loops = [
            *[lambda: self._read_all(tasks, source, book)] * NUM_READERS,
            *[self._compute_all] * self.workers,
            *[lambda: self._write_all(book)] * NUM_WRITERS,
        ]
        threads = [
            threading.Thread(
                target=self._guarded, args=(loop, book), name="gradnet", daemon=True
            )
            for loop in loops
        ]
        torch_threads = _torch_threads()
        for thread in threads:
            thread.start()
        try:
            yield from self._events(book)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            for run in list(self._runs):  # cancelled: kept for the next run
                with contextlib.suppress(Exception):
                    run.job.close()
            _set_torch_threads(torch_threads)

    def _events(self, book: Book) -> Generator[FileEvent, None, None]:
        while True:
            try:
                event = book.events.get(timeout=_TICK / 4)
            except queue.Empty:
                with self._guard:
                    over = not self._reading and not self._runs
                if over and book.events.empty():
                    return
                continue
            if isinstance(event, BaseException):
                raise event
            yield event

    def _guarded(self, loop: Callable[[], None], book: Book) -> None:
        """Run a thread's loop; what it did not foresee ends the whole run."""
        try:
            loop()
        except _StopError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by `_events`
            book.events.put(error)

    # ------------------------------------------------------------------- reading
    def _read_all(
        self, tasks: Iterator[Task | None], source: threading.Lock, book: Book
    ) -> None:
        try:
            while not self._stop.is_set():
                if not self._slots.acquire(timeout=_TICK):
                    continue
                with source:
                    task = next(tasks, _END)
                if task is _END:
                    self._slots.release()
                    return
                run = book.begin(task) if task else None
                if run is None:
                    self._slots.release()
                    if task is None:
                        self._stop.wait(_TICK)
                    continue
                with self._guard:
                    self._runs.add(run)
                self._feed(run, book)
        finally:
            with self._guard:
                self._reading -= 1

    def _feed(self, run: FileRun, book: Book) -> None:
        """Read the units of a file, stage after stage."""
        stages = run.stages or [()]  # what a crash left whole needs its end only
        last = len(stages) - 1
        for number, stage in enumerate(stages):
            over = threading.Event()
            with self._guard:
                # the reader itself counts for one, until all is on its way
                run.pending += 1
                self._stage_over[run] = over
            for unit in stage:
                if run.error is not None:
                    break
                self._check()  # to look at what is finished may take a while
                if not run.holds(unit):
                    self._read_one(run, unit)
            run.fed = number == last or run.error is not None
            self._leave(run, book)
            if run.fed:
                return
            while not over.wait(_TICK):
                self._check()

    def _read_one(self, run: FileRun, unit: str) -> None:
        began = time.perf_counter()
        try:
            data = run.job.read(unit)
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the rest
            run.error = error
            return
        with self._guard:
            run.pending += 1
        seconds = time.perf_counter() - began
        self._put(self._to_compute, _Packet(run, unit, data, seconds))

    def _check(self) -> None:
        if self._stop.is_set():
            raise _StopError

    def _put(self, target: queue.Queue[_Packet], packet: _Packet) -> None:
        while True:
            self._check()
            with contextlib.suppress(queue.Full):
                target.put(packet, timeout=_TICK)
                return

    def _get(self, source: queue.Queue[_Packet]) -> _Packet:
        while True:
            self._check()
            with contextlib.suppress(queue.Empty):
                return source.get(timeout=_TICK)

    def _leave(self, run: FileRun, book: Book) -> None:
        """One unit less on its way; the last one ends the stage or the file."""
        with self._guard:
            run.pending -= 1
            if run.pending:
                return
            fed = run.fed
            self._stage_over[run].set()
        if not fed:
            return
        book.close(run)
        with self._guard:
            self._runs.discard(run)
            self._stage_over.pop(run, None)
        self._slots.release()

    # ----------------------------------------------------------------- computing
    def _compute_all(self) -> None:
        limited = False
        while True:
            packet = self._get(self._to_compute)
            if not limited:
                limited = _set_torch_threads(self._threads)
            run = packet.run
            began = time.perf_counter()
            if run.error is None:
                try:
                    packet.data = run.job.compute(packet.unit, packet.data)
                    packet.computed = True
                except Exception as error:  # noqa: BLE001 - as in `_read_one`
                    run.error = error
            ended = time.perf_counter()
            packet.compute_seconds = ended - began
            with self._guard:
                self._busy += ended - began
                self._first = self._first or began
                self._last = max(self._last, ended)
            self._put(self._to_write, packet)

    # ------------------------------------------------------------------- writing
    def _write_all(self, book: Book) -> None:
        while True:
            self._write_one(self._get(self._to_write), book)

    def _write_one(self, packet: _Packet, book: Book) -> None:
        run = packet.run
        began = time.perf_counter()
        if packet.computed and run.takes_results:
            try:
                written = run.job.write(packet.unit, packet.data)
                seconds = (
                    packet.read_seconds,
                    packet.compute_seconds,
                    time.perf_counter() - began,
                )
                result = UnitResult(
                    packet.unit,
                    sum(seconds),
                    *seconds,
                    written.num_bytes,
                    written.checksum,
                )
                book.unit_done(run, result)
            except Exception as error:  # noqa: BLE001 - as in `_read_one`
                run.error = run.error or error
        self._leave(run, book)


def _torch_threads() -> int | None:
    """Threads of torch's operations, where torch is loaded."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _set_torch_threads(count: int | None) -> bool:
    """Set that number for the calling thread; whether torch is loaded."""
    torch = sys.modules.get("torch")
    if torch is None or count is None:
        return False
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
    return True

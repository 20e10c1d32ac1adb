"""Work in a thread, with signals in the GUI thread."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QObject, QThreadPool, Signal  # type: ignore[attr-defined]

from napari_gradnet.events import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_gradnet.events import Event

__all__ = ["Job", "Outcome"]

logger = logging.getLogger(__name__)

#: Seconds between two events of progress: more often nobody can read.
PACE = 0.1
#: How far the work stands behind the viewer for the processor; Linux counts in 1 to 20.
STEP_BACK = 5


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a value, an error, or neither when it was cancelled."""

    value: Any = None
    error: Exception | None = None
    cancelled: bool = False


class Job(QObject):
    """Runs a generator of events in a thread; cancels between two of them.

    Parameters
    ----------
    parent : QObject
        The job is cancelled when it is destroyed.

    Notes
    -----
    `ended` is emitted exactly once for each start, whatever happens: napari's own
    workers say nothing at all when the work raises a RuntimeError.
    """

    progressed = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._switch = _Switch()
        self._worker: Any = None
        # no method of this object: it is gone by then
        self.destroyed.connect(self._switch.turn_off)

    @property
    def running(self) -> bool:
        """Whether there is work under way."""
        return self._worker is not None

    def start(self, work: Generator[Event, None, Any]) -> None:
        """Begin; the job must not be running."""
        self._switch.on = True
        self._worker = create_worker(
            _guarded, work, self._switch, _start_thread=False, _worker_class=_Worker
        )
        # by napari, when a window is closed, perhaps another one than the form's
        self._worker.aborted.connect(self._on_aborted)
        self._worker.yielded.connect(self._on_event)
        self._worker.returned.connect(self._on_end)
        # its thread only waits for another one: it takes none from other work, and
        # waits for none, as it could not even be cancelled then
        _add_threads(1)
        self._worker.finished.connect(functools.partial(_add_threads, -1))
        self._worker.start()

    def cancel(self) -> None:
        """Ask the work to end at its next event."""
        self._switch.turn_off()

    def _on_event(self, event: Event) -> None:
        self.progressed.emit(event)

    def _on_aborted(self) -> None:
        self._on_end(Outcome(cancelled=True))

    def _on_end(self, outcome: Outcome) -> None:
        self._worker = None
        self.ended.emit(outcome)


def _add_threads(number: int) -> None:
    """Change how many threads napari's workers have."""
    pool = QThreadPool.globalInstance()
    if pool is not None:
        pool.setMaxThreadCount(pool.maxThreadCount() + number)


class _Worker(GeneratorWorker[Any, Any, Any]):
    """Closes its generator in its thread, however it ends."""

    def work(self) -> Any:
        try:
            return super().work()
        finally:
            self._gen.close()


class _Switch:
    """Keeps work going; the thread holds it too, so that it outlives the job."""

    on = True

    def turn_off(self, _: Any = None) -> None:
        # only sets: after a garbage collection nothing can be read here any more
        self.on = False


def _guarded(
    work: Generator[Event, None, Any], switch: _Switch
) -> Generator[Event, None, Outcome]:
    """Run `work` to an outcome, in a thread that steps back; no exception gets out."""
    last = -PACE
    # a thread of its own: the pool's threads go back to other plugins
    with ThreadPoolExecutor(1, "napari-gradnet", _step_back) as thread:
        try:
            while switch.on:
                event = thread.submit(next, work).result()
                if _is_worth_telling(event, last):
                    last = time.monotonic()
                    yield event
        except StopIteration as stop:
            return Outcome(value=stop.value)
        except Exception as error:
            logger.debug("work failed", exc_info=error)
            return Outcome(error=error)
        finally:
            thread.submit(work.close).result()
    return Outcome(cancelled=True)


def _is_worth_telling(event: Event, last: float) -> bool:
    """Whether an event is shown; of those that only count on, few are."""
    if not isinstance(event, Progress) or event.message:
        return True
    return event.done in (0, event.total) or time.monotonic() - last >= PACE


def _step_back() -> None:
    """Let the viewer and the screen go first where all processors are busy.

    Threads that torch starts from this one inherit it. Other systems favour the
    program in front by themselves.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(now + STEP_BACK, 19))

"""Work in a thread: how often it tells, how it ends."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QObject, QThreadPool
from tests.gui.conftest import TIMEOUT

from napari_gradnet.events import Event, Progress
from napari_gradnet.widgets._job import STEP_BACK, Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytestqt.qtbot import QtBot

NUM_EVENTS = 2000


class Other(Event):
    """No progress."""


def run(qtbot: QtBot, work: Generator[Event, None, Any]) -> tuple[list[Event], Outcome]:
    """Run to the end; what was told, and the outcome."""
    owner = QObject()
    job = Job(owner)
    told: list[Event] = []
    job.progressed.connect(told.append)
    with qtbot.waitSignal(job.ended, timeout=TIMEOUT) as ended:
        job.start(work)
    assert not job.running
    return told, ended.args[0]


def test_of_many_steps_few_are_told_the_last_among_them(qtbot: QtBot) -> None:
    def work() -> Generator[Event, None, str]:
        for done in range(NUM_EVENTS + 1):
            yield Progress(done, NUM_EVENTS)
            if done == 7:
                yield Progress(done, NUM_EVENTS, "tile", "a sentence")
                yield Other()
        return "value"

    told, outcome = run(qtbot, work())
    assert outcome == Outcome(value="value")
    assert told[0] == Progress(0, NUM_EVENTS)
    assert told[-1] == Progress(NUM_EVENTS, NUM_EVENTS)
    assert Other() in told
    assert Progress(7, NUM_EVENTS, "tile", "a sentence") in told
    assert len(told) < NUM_EVENTS / 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts like this")
def test_work_steps_back_and_the_threads_of_others_do_not(qtbot: QtBot) -> None:
    seen: list[tuple[int, int]] = []

    def work() -> Generator[Event, None, None]:
        for _ in range(2):
            thread = threading.get_native_id()
            seen.append((thread, os.getpriority(os.PRIO_PROCESS, thread)))
            yield Other()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    run(qtbot, work())
    assert seen[0] == seen[1]
    assert seen[0][0] != threading.get_native_id()
    assert seen[0][1] == min(before + STEP_BACK, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


@pytest.mark.parametrize("error", [RuntimeError("no"), ValueError("no"), MemoryError()])
def test_errors_are_an_outcome(qtbot: QtBot, error: Exception) -> None:
    def work() -> Generator[Event, None, None]:
        yield Other()
        raise error

    told, outcome = run(qtbot, work())
    assert told == [Other()]
    assert outcome.error is error


def test_a_job_waits_for_no_other_one(qtbot: QtBot) -> None:
    gate = threading.Event()

    def work(*, wait: bool) -> Generator[Event, None, None]:
        yield Other()
        if wait:
            gate.wait(2 * TIMEOUT / 1000)

    pool = QThreadPool.globalInstance()
    before = pool.maxThreadCount()
    owner = QObject()
    others = [Job(owner) for _ in range(before)]
    for other in others:
        other.start(work(wait=True))
    try:
        assert run(qtbot, work(wait=False))[1] == Outcome()
        assert all(other.running for other in others)
    finally:
        gate.set()
    qtbot.waitUntil(lambda: not any(j.running for j in others), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: pool.maxThreadCount() <= before, timeout=TIMEOUT)


def test_cancelled_work_is_closed_in_its_own_thread(qtbot: QtBot) -> None:
    threads: list[int] = []

    def work() -> Generator[Event, None, None]:
        try:
            while True:
                threads.append(threading.get_native_id())
                yield Other()
        finally:
            threads.append(threading.get_native_id())

    owner = QObject()
    job = Job(owner)
    job.progressed.connect(lambda _: job.cancel())
    with qtbot.waitSignal(job.ended, timeout=TIMEOUT) as ended:
        job.start(work())
    assert ended.args[0] == Outcome(cancelled=True)
    assert len(set(threads)) == 1


def test_a_worker_that_napari_quits_is_closed_and_over(qtbot: QtBot) -> None:
    """As when a window is closed, perhaps another one than the form's."""
    closed = threading.Event()

    def work() -> Generator[Event, None, str]:
        try:
            while True:
                yield Other()
        finally:
            closed.set()

    owner = QObject()
    job = Job(owner)
    with qtbot.waitSignal(job.progressed, timeout=TIMEOUT):
        job.start(work())
    with qtbot.waitSignal(job.ended, timeout=TIMEOUT) as ended:
        job._worker.quit()
    assert ended.args[0].cancelled
    assert not job.running
    assert closed.wait(TIMEOUT / 1000)

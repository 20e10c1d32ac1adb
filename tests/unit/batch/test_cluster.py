"""The engine of a cluster: results that are lost between two machines."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gradnet.batch import cluster, connect
from napari_gradnet.batch.cluster import ClusterEngine, _failure
from napari_gradnet.batch.failures import is_final
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.run import iter_batch
from napari_gradnet.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_gradnet.batch.image import ImageJob


class Future:
    """A dask future that tells when it is done."""

    def __init__(self, status: str = "finished") -> None:
        self.status = status
        self.callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, function: Callable[[Any], None]) -> None:
        self.callbacks.append(function)
        if self.status in ("finished", "error"):
            function(self)


class Client:
    """A client whose messages get lost."""

    def __init__(self, losses: int) -> None:
        self.losses = losses

    def gather(self, futures: list[Future]) -> list[str]:
        if self.losses and futures:
            self.losses -= 1
            message = "the worker is gone"
            raise OSError(message)
        return ["result"] * len(futures)


def make_engine(
    monkeypatch: pytest.MonkeyPatch, future: Future, losses: int = 0
) -> tuple[ClusterEngine, list[Any], Any]:
    monkeypatch.setattr(cluster, "_TICK", 0.001)
    engine = ClusterEngine(Client(losses))
    taken: list[Any] = []
    monkeypatch.setattr(engine, "_take", lambda *values: taken.append(values[-1]))
    run: Any = SimpleNamespace(error=None)
    engine._follow(future, run, None)
    return engine, taken, run


def test_what_cannot_be_fetched_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, taken, run = make_engine(monkeypatch, Future(), losses=2)
    book: Any = None
    for expected in ([], [], ["result"]):
        engine._collect(book, book)
        assert taken == expected
    assert run.error is None
    assert not engine._in_flight


def test_what_never_comes_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, taken, _ = make_engine(monkeypatch, Future(), losses=10**6)
    book: Any = None
    for _ in range(cluster._MOST_MISSES):
        engine._collect(book, book)
    with pytest.raises(OSError, match="the worker is gone"):
        engine._collect(book, book)
    assert not taken


@pytest.mark.parametrize("status", ["lost", "pending"])
def test_a_result_that_died_with_its_worker_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    future = Future()
    engine, taken, run = make_engine(monkeypatch, future)
    book: Any = None
    future.status = status  # after it was told to be done
    engine._collect(book, book)
    assert run.error is None
    assert future in engine._in_flight
    future.status = "finished"
    future.callbacks[-1](future)
    engine._collect(book, book)
    assert taken == ["result"]


def test_a_lost_scheduler_is_no_fault_of_a_file() -> None:
    cancelled = SimpleNamespace(exception=lambda: None)
    error = _failure(cancelled)
    assert "run the same command again" in str(error)
    assert not is_final(error)


def test_files_that_wait_for_completion_count_as_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_OPEN_FILES", 2)
    engine = ClusterEngine(Client(0))
    slow = threading.Event()
    book: Any = SimpleNamespace(close=lambda _: slow.wait(60))
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            run: Any = SimpleNamespace(pending=0, error=None, stages=[()])
            opened = cluster._Open(run, b"", iter(()))
            engine._opened.append(opened)
            engine._advance(opened, book, pool)
        assert not engine._begin(iter(()), book, pool)
        assert not engine._exhausted  # no further file was asked for
        slow.set()
    assert not engine._begin(iter(()), book, pool)
    assert engine._exhausted


class Here:
    """A client that works in this process; before a task, something happens."""

    def __init__(self, before: Callable[[ImageJob], None], times: int) -> None:
        self.before = before
        self.times = times

    def nthreads(self) -> dict[str, int]:
        return {"worker": 1}

    def submit(self, function: Any, job: bytes, receipt: str, **_: Any) -> Any:
        self.before(pickle.loads(job))
        future: Any = Future()
        future.result, future.error = None, None
        try:
            for _ in range(self.times):  # the result of all but the last is lost
                future.result = function(job, receipt)
        except FileFormatError as error:
            future.status, future.error = "error", error
        future.exception = lambda: future.error
        return future

    def gather(self, futures: list[Any]) -> list[Any]:
        return [future.result for future in futures]

    def cancel(self, _: list[Any]) -> None:
        pass


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("foreign", [False, True])
def test_only_what_a_task_wrote_itself_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, foreign: bool
) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", np.zeros((20, 24), np.uint16))
    out = tmp_path / "out"

    def before(job: ImageJob) -> None:
        if foreign:
            job.output.write_bytes(b"somebody's")

    client = Here(before, times)
    monkeypatch.setattr(connect, "connect", lambda *_: nullcontext(client))
    options = BatchOptions(gradient="magnitude")
    events = list(iter_batch([tmp_path / "in"], out, options, scheduler="x"))
    states = {event.state for event in events if event.path.name == "a.tif"}
    if foreign:
        assert "failed" in states
        assert (out / "a.tif").read_bytes() == b"somebody's"
    else:
        assert "done" in states
        assert tifffile.imread(out / "a.tif").shape == (20, 24)
    assert not [path for path in out.iterdir() if path.suffix == ".part"]


@pytest.mark.parametrize("written", [False, True])
def test_what_a_stopped_run_had_with_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """Its output is replaced if the task wrote it, and left if somebody else did."""
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", np.zeros((20, 24), np.uint16))
    out = tmp_path / "out"

    class Stopped(Exception):  # noqa: N818 - no error
        """The leader is no more."""

    class Last(Here):
        def submit(self, function: Any, job: bytes, receipt: str, **_: Any) -> Any:
            if written:
                function(job, receipt)
            raise Stopped

    monkeypatch.setattr(connect, "connect", lambda *_: nullcontext(Last(print, 1)))
    options = BatchOptions(gradient="magnitude")
    with pytest.raises(Stopped):
        list(iter_batch([tmp_path / "in"], out, options, scheduler="x"))
    if not written:
        (out / "a.tif").write_bytes(b"somebody's")
    states = {event.state for event in iter_batch([tmp_path / "in"], out, options)}
    if written:
        assert "done" in states
        assert tifffile.imread(out / "a.tif").shape == (20, 24)
    else:
        assert "failed" in states
        assert (out / "a.tif").read_bytes() == b"somebody's"
    assert not [path for path in out.iterdir() if path.suffix == ".part"]

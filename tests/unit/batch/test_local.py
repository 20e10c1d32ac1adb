"""The engine of one machine: overlap, order, failures, cancellation."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.batch.fake_jobs import FakeJob, Log, make_tasks, wait_for

from napari_gradnet.batch.book import Book
from napari_gradnet.batch.journal import Journal
from napari_gradnet.batch.local import LocalEngine
from napari_gradnet.batch.opening import ChangedOptionsError, Opener
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_gradnet.batch.events import FileEvent
    from napari_gradnet.batch.inputs import Task


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "out") as opened:
        yield opened


class Runs:
    """Runs fake jobs and keeps what happened."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal = journal
        self.folder = folder
        self.log: Log = []
        self.jobs: dict[str, FakeJob] = {}
        self.engine = LocalEngine(2)
        self.book: Book | None = None

    def start(
        self,
        stages: dict[str, list[list[str]]],
        hook: Callable[..., None] = lambda *_: None,
        *,
        workers: int = 2,
        **keywords: Any,
    ) -> Iterator[FileEvent]:
        def make(task: Task, _: bool) -> FakeJob:
            job = FakeJob(task, stages[task.name], self.log, hook)
            self.jobs[task.name] = job
            return job

        self.book = Book(self.journal, Opener(self.journal, make, **keywords))
        tasks = make_tasks(self.folder, *stages)
        for task in tasks:
            self.book.queue(task)
        self.engine = LocalEngine(workers)
        return self.engine.iter_run(iter(tasks), self.book)

    def run(self, *args: Any, **keywords: Any) -> dict[str, list[str]]:
        """States of each file."""
        states: dict[str, list[str]] = {}
        for event in self.start(*args, **keywords):
            states.setdefault(event.path.name, []).append(event.state)
        return states

    def places(self, name: str, what: str) -> list[int]:
        return [i for i, x in enumerate(self.log) if x[:2] == (name, what)]


@pytest.fixture
def runs(journal: Journal, tmp_path: Path) -> Runs:
    return Runs(journal, tmp_path)


def units(count: int, letter: str = "u") -> list[str]:
    return [f"{letter}{k:03d}" for k in range(count)]


def test_every_unit_is_done_once(runs: Runs) -> None:
    stages = {f"f{k}": [units(k)] for k in range(12)}
    states = runs.run(stages)
    for name, (expected,) in stages.items():
        assert (runs.folder / "out" / name).read_text() == " ".join(expected)
        for what in ("read", "compute", "write"):
            done = [u for n, w, u in runs.log if (n, w) == (name, what)]
            assert sorted(done) == expected
        assert states[name][:2] == ["queued", "started"]
        assert states[name][-1] == "done"
        assert len(runs.places(name, "close")) == 1
        assert runs.journal.entry(name).state == "done"


def test_a_stage_waits_for_the_one_before(runs: Runs) -> None:
    def hook(job: FakeJob, what: str, unit: str) -> None:
        if what == "compute":
            time.sleep(0.002 if unit.startswith("a") else 0)
        if what == "read" and not unit.startswith("a"):
            before = "a" if unit.startswith("b") else "b"
            count = sum(u.startswith(before) for u in job.written)
            assert count == 9

    stages = [units(9, "a"), units(9, "b"), units(2, "c")]
    states = runs.run({"one": stages, "two": stages, "no stage": []}, hook)
    assert {s[-1] for s in states.values()} == {"done"}
    assert len((runs.folder / "out" / "one").read_text().split()) == 20


def test_reading_and_writing_go_on_beside_the_work(runs: Runs) -> None:
    computing = threading.Event()
    beside: set[str] = set()
    release = threading.Event()

    def hook(_job: FakeJob, what: str, unit: str) -> None:
        if what == "compute" and unit == "u002":
            computing.set()
            assert release.wait(10)
        elif computing.is_set() and not release.is_set():
            beside.add(what)
            if {"read", "write"} <= beside:
                release.set()

    states = runs.run({"f": [units(12)]}, hook, workers=2)
    assert states["f"][-1] == "done"
    assert {"read", "write"} <= beside


def test_memory_is_bounded(runs: Runs) -> None:
    release = threading.Event()

    def hook(_job: FakeJob, what: str, _unit: str) -> None:
        if what == "compute":
            assert release.wait(10)

    events = runs.start({f"f{k}": [units(50)] for k in range(30)}, hook)
    for event in events:
        if event.state == "started":
            break
    wait_for(lambda: runs.engine._to_compute.full())
    time.sleep(0.1)
    read = sum(what == "read" for _, what, _ in runs.log)
    prepared = sum(what == "prepare" for _, what, _ in runs.log)
    release.set()
    events.close()
    assert read <= 2 + 3 + 2  # workers, queue, and one in the hand of each reader
    assert prepared <= 6


@pytest.mark.parametrize("where", ["prepare", "read", "compute", "write", "finish"])
def test_a_bad_file_does_not_stop_the_rest(runs: Runs, where: str) -> None:
    def hook(job: FakeJob, what: str, unit: str) -> None:
        if job.name == "bad" and what == where and unit in ("", "u002"):
            message = "this file is rotten"
            raise InputError(message)

    stages = {"a": [units(5)], "bad": [units(5)], "c": [units(5)]}
    states = runs.run(stages, hook)
    assert [states[n][-1] for n in stages] == ["done", "failed", "done"]
    (report,) = (r for r in runs.book.reports if r.state == "failed")
    assert report.message == "this file is rotten"
    assert not (runs.folder / "out" / "bad").exists()
    assert runs.journal.entry("bad").state == "failed"
    # the fault lies in the file: what is unfinished goes, unless it is of earlier runs
    # or all is done and only the end has failed
    gone = runs.places("bad", "discard")
    assert len(gone) == (0 if where in ("prepare", "finish") else 1)


def test_what_is_finished_is_kept_when_the_disk_is_full(runs: Runs) -> None:
    full = True

    def hook(_job: FakeJob, what: str, unit: str) -> None:
        if full and what == "write" and unit == "u003":
            entry = runs.journal.entry("f")
            wait_for(lambda: all(u in entry.units for u in units(3)))
            raise OSError(28, "No space left on device", "out/f")

    states = runs.run({"f": [units(6)]}, hook, workers=1)
    assert states["f"][-1] == "failed"
    assert runs.book.reports[0].message == "out/f: No space left on device"
    assert runs.places("f", "discard") == []
    kept = set(runs.journal.entry("f").units)
    assert {"u000", "u001", "u002"} <= kept
    full = False
    runs.log.clear()
    assert runs.run({"f": [units(6)]}, hook)["f"][-1] == "done"
    computed = {u for _, what, u in runs.log if what == "compute"}
    assert computed == set(units(6)) - kept


def test_an_unforeseen_error_is_one_files_matter(
    runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(job: FakeJob, what: str, _unit: str) -> None:
        if job.name == "bad" and what == "compute":
            raise ZeroDivisionError

    states = runs.run({"bad": [units(3)], "good": [units(3)]}, hook)
    assert (states["bad"][-1], states["good"][-1]) == ("failed", "done")
    (report,) = (r for r in runs.book.reports if r.state == "failed")
    assert "ZeroDivisionError" in report.message
    assert "unexpected failure" in caplog.text


def test_closing_cancels_and_the_next_run_goes_on(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_gradnet.batch.book._PROGRESS_SECONDS", 0)

    def hook(_job: FakeJob, what: str, unit: str) -> None:
        if what == "compute" and unit >= "u100":
            assert runs.engine._stop.wait(60)

    events = runs.start({"f": [units(200)]}, hook)
    for event in events:
        if event.done >= 20:
            break
    threads = threading.active_count()
    events.close()
    assert threading.active_count() < threads
    done = set(runs.journal.entry("f").units)
    assert 20 <= len(done) < 200
    assert runs.places("f", "close")
    assert not (runs.folder / "out" / "f").exists()
    runs.log.clear()
    assert runs.run({"f": [units(200)]})["f"][-1] == "done"
    again = {u for _, what, u in runs.log if what == "compute"}
    assert again == set(units(200)) - done


def test_finished_files_are_skipped(runs: Runs) -> None:
    runs.run({"a": [units(2)], "b": [units(2)]})
    (runs.folder / "out" / "b").unlink()
    runs.log.clear()
    states = runs.run({"a": [units(2)], "b": [units(2)]})
    assert states["a"] == ["queued", "skipped"]
    assert states["b"][-1] == "done"
    assert runs.places("a", "compute") == []
    assert len(runs.places("b", "compute")) == 2


def test_foreign_outputs_are_left_alone(runs: Runs) -> None:
    path = runs.folder / "out" / "f"
    path.write_text("precious")
    assert runs.run({"f": [units(2)]})["f"][-1] == "failed"
    assert "already exists" in runs.book.reports[0].message
    assert path.read_text() == "precious"
    assert runs.run({"f": [units(2)]}, overwrite=True)["f"][-1] == "done"
    assert path.read_text() == "u000 u001"


def test_other_options_stop_the_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.run({"f": [units(2)]})
    monkeypatch.setattr(
        FakeJob,
        "fingerprint",
        property(lambda job: {"input": {"name": job.name}, "operation": {"fake": 0}}),
    )
    with pytest.raises(ChangedOptionsError, match=r"operation\.fake was True, is 0"):
        runs.run({"f": [units(2)], "g": [units(2)]})
    assert runs.run({"f": [units(2)]}, restart=True)["f"][-1] == "done"


def test_a_changed_input_is_one_files_matter(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.run({"f": [units(2)], "g": [units(2)]})
    monkeypatch.setattr(
        FakeJob,
        "fingerprint",
        property(
            lambda job: {
                "input": {"name": "new" if job.name == "f" else "g"},
                "operation": {"fake": True},
            }
        ),
    )
    states = runs.run({"f": [units(2)], "g": [units(2)]})
    assert (states["f"][-1], states["g"][-1]) == ("failed", "skipped")
    (report,) = (r for r in runs.book.reports if r.state == "failed")
    assert "has changed since" in report.message
    assert "--restart" in report.message


def test_time_left_and_utilisation(runs: Runs) -> None:
    def hook(_job: FakeJob, what: str, _unit: str) -> None:
        if what == "compute":
            time.sleep(0.02)

    events = list(runs.start({f"f{k}": [units(4)] for k in range(25)}, hook))
    told = [e.time_left for e in events if e.time_left is not None]
    assert told
    assert told[-1] == pytest.approx(0, abs=1e-6)
    assert all(e.count == 25 for e in events if e.state != "queued")
    assert [e.finished for e in events if e.state == "done"][-1] == 25
    assert 0 < runs.engine.utilisation <= 1
    report = runs.book.summary(2, runs.engine.utilisation)
    assert report.megapixels == pytest.approx(25)
    assert report.count("done") == 25

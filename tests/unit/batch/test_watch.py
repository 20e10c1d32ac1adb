"""What a watched folder hands out, and when."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from napari_gradnet.batch import watch
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.watch import iter_arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_gradnet.batch.inputs import Task


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.0)
    for name in ("one", "two", "out"):
        (tmp_path / name).mkdir()
    return tmp_path


def arrivals(
    folder: Path,
    *names: str,
    output: str = "out",
    naive: str = "median",
    **options: Any,
) -> tuple[Iterator[Task | None], list[Any]]:
    reports: list[Any] = []
    tasks = iter_arrivals(
        [folder / name for name in names],
        folder / output,
        BatchOptions(naive=naive, **options),
        0.0,
        SimpleNamespace(reports=reports),  # type: ignore[arg-type]
    )
    return tasks, reports


def take(tasks: Iterator[Task | None], looks: int = 6) -> list[Task]:
    """What comes within a few looks."""
    found = []
    while looks:
        task = next(tasks)
        if task is None:
            looks -= 1
            time.sleep(0.01)
        else:
            found.append(task)
    return found


def test_a_file_that_changes_comes_again_when_the_first_is_over(folder: Path) -> None:
    path = folder / "one" / "a.tif"
    path.write_bytes(b"x")
    tasks, reports = arrivals(folder, "one")
    assert [t.name for t in take(tasks)] == ["a.tif"]
    assert take(tasks) == []
    path.write_bytes(b"xy")
    assert take(tasks) == []
    reports.append(SimpleNamespace(path=path))
    assert [t.name for t in take(tasks)] == ["a.tif"]
    assert take(tasks) == []
    # changed and changed back meanwhile
    state = path.stat()
    path.write_bytes(b"x")
    take(tasks)
    path.write_bytes(b"xy")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    reports.append(SimpleNamespace(path=path))
    assert take(tasks) == []


def test_two_inputs_of_one_output(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name / "a.tif").write_bytes(b"x")
    first, second = take(arrivals(folder, "one", "two")[0])
    assert (first.name, first.fault) == ("a.tif", "")
    assert second.name != first.name
    assert "one/a.tif and " in second.fault.replace(os.sep, "/")
    assert "would both be written to" in second.fault


def test_a_colon_does_not_end_the_watch(folder: Path) -> None:
    if os.name == "nt":
        pytest.skip("no such names there")
    (folder / "one" / "12:30.tif").write_bytes(b"x")
    (task,) = take(arrivals(folder, "one")[0])
    assert (task.name, task.fault) == ("12:30.tif", "")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_inputs_are_never_outputs(folder: Path) -> None:
    (folder / "one" / "a.tif").write_bytes(b"x")
    (folder / "one" / "b.png").write_bytes(b"x")
    (folder / "out" / "a.tif").symlink_to(folder / "one" / "b.png")
    first, second = take(arrivals(folder, "one")[0])
    assert "a.tif leads into the watched folder" in first.fault
    assert not second.fault
    # where the output would be an input of another name
    for task in take(arrivals(folder, "one", output="one", naive="median")[0]):
        assert "leads into the watched folder" in task.fault
    # the outputs may lie below the inputs
    found = take(arrivals(folder, "one", output="one/out")[0])
    assert [t.fault for t in found] == ["", ""]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_outputs_stay_in_their_folder(folder: Path) -> None:
    (folder / "one" / "deep").mkdir()
    (folder / "one" / "deep" / "a.tif").write_bytes(b"x")
    (folder / "out" / "deep").symlink_to(folder / "two")
    (task,) = take(arrivals(folder, "one")[0])
    assert "leads out of the output folder" in task.fault

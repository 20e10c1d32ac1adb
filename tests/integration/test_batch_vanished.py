"""Folders that vanish in the middle of a run: told, survived, gone on with later."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.unit.batch.fake_jobs import wait_for

from napari_gradnet import api
from napari_gradnet.batch import operations
from napari_gradnet.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOW = {"gradient": "magnitude", "workers": 1}
SOURCES = ("a stack.tif", "a stack.ome.zarr")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack, a volume and files in ``in``; what they give in ``whole``."""
    place = tmp_path_factory.mktemp("prepared")
    images = place / "in"
    images.mkdir()
    stack = np.random.default_rng(0).poisson(90, (9, 40, 41)).astype(np.uint16)
    tifffile.imwrite(images / "a stack.tif", stack, imagej=True)
    api.denoise_files(
        images / "a stack.tif",
        images,
        naive="gaussian",
        sigma=1e-3,
        format="ome-zarr",
        zarr={"chunks": {"Y": 32, "X": 32}, "num_levels": 2},
    )
    for path in images.glob("*gradnet*"):
        path.unlink()
    for number in range(20):
        tifffile.imwrite(images / f"{number}.tif", stack[number % 9] + number)
    api.denoise_files(images, place / "whole", **HOW)
    return place


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def at_unit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], Any]:
    """Do something while the n-th plane is worked on; a list of the planes' numbers."""
    whole = operations._GradientWork.apply
    seen: list[int] = []

    def arrange(count: int, act: Callable[[], Any]) -> list[int]:
        seen.clear()

        def apply(work: Any, plane: Any, number: int, statistics: Any = None) -> Any:
            seen.append(number)
            if len(seen) == count:
                act()
            return whole(work, plane, number, statistics)

        monkeypatch.setattr(operations._GradientWork, "apply", apply)
        return seen

    return arrange


def outputs(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "gradnet-" not in path.name
    }


def wanted(name: str, source: str) -> bool:
    return name.startswith(source) or name in {f"{k}.tif" for k in range(5)}


def take_away(folder: Path, *, leave_empty: bool) -> None:
    folder.rename(folder.with_name("gone"))
    if leave_empty:  # as the place of a disk that was unmounted
        folder.mkdir()


def put_back(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name("gone").rename(folder)


def finished_planes(journal: Path, source: str) -> int:
    lines = map(json.loads, journal.read_text().splitlines())
    units = [x["unit"] for x in lines if x.get("file") == source and "unit" in x]
    return sum(unit.startswith(("0/", "plane-")) for unit in units)


@pytest.mark.parametrize("leave_empty", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_the_output_folder_vanishes(
    folder: Path, at_unit: Callable[..., Any], source: str, leave_empty: bool
) -> None:
    out = folder / "out"
    inputs = [f"in/{source}", "in/[0-4].tif"]

    def vanish() -> None:
        journal = out / "gradnet-journal.jsonl"
        wait_for(lambda: finished_planes(journal, source) >= 2)
        take_away(out, leave_empty=leave_empty)

    at_unit(8, vanish)  # not all of these are the single files
    report = api.denoise_files(inputs, "out", **HOW)
    states = {f.path.name: f for f in report.files}
    assert len(states) == 6
    assert states[source].state == "failed"
    for file in report.failed:
        assert file.message.startswith("the output folder out has vanished (moved")
        assert "run the same command again" in file.message
    if source == "a stack.tif" and not leave_empty:
        assert not out.exists()  # it was not made again
        assert report.message.startswith("no report could be written: out")
    put_back(out)
    kept = finished_planes(out / "gradnet-journal.jsonl", source)
    planes = at_unit(0, lambda: None)
    again = api.denoise_files(inputs, "out", **HOW)
    assert not again.failed, again.failed
    # what was finished is not done again
    assert again.count("skipped") == report.count("done")
    assert len(planes) == 9 - kept + 5 - report.count("done")
    made, whole = outputs(out), outputs(folder / "whole")
    assert made == {name: whole[name] for name in whole if wanted(name, source)}


@pytest.mark.parametrize("leave_empty", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_the_input_folder_vanishes(
    folder: Path, at_unit: Callable[..., Any], source: str, leave_empty: bool
) -> None:
    at_unit(1, lambda: take_away(folder / "in", leave_empty=leave_empty))
    (folder / "other").mkdir()
    shutil.copy("in/0.tif", "other/last.tif")
    inputs = [f"in/{source}", "in/[0-9]*.tif", "other/last.tif"]
    report = api.denoise_files(inputs, "out", **HOW)
    states = {f.path.name: f for f in report.files}
    assert len(states) == 22
    assert states["last.tif"].state == "done"
    assert len(report.failed) >= 10  # the others had been read
    for file in report.failed:
        assert file.message.startswith(f"{file.path} has vanished (moved away")
    if source.endswith(".zarr"):
        # a chunk that is not there counts as blank; not when nothing is there
        assert states[source].state == "failed"
    put_back(folder / "in")
    at_unit(0, lambda: None)
    assert not api.denoise_files(inputs, "out", **HOW).failed
    made, whole = outputs(folder / "out"), outputs(folder / "whole")
    assert made.pop("last.tif") == whole["0.tif"]
    other = next(name for name in SOURCES if name != source)
    assert made == {n: whole[n] for n in whole if not n.startswith(other)}


def test_the_command_ends_with_1(
    folder: Path, at_unit: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    at_unit(1, lambda: take_away(folder / "out", leave_empty=False))
    arguments = ["batch", "in", "-o", "out", "--gradient", "magnitude"]
    arguments += ["--workers", "1"]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "22 failed" in printed.out
    assert "gradnet-report.csv" not in printed.out  # there is none
    assert printed.err.count("has vanished") == 22
    assert "Traceback" not in printed.err

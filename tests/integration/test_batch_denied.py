"""What may not be read or written is reported, and the rest is done."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_gradnet.batch.inputs import find_tasks
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.cli import main

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="permissions differ"
)

RUN = "import sys; from napari_gradnet.cli import main; sys.exit(main(sys.argv[1:]))"
OPTIONS = BatchOptions(gradient="magnitude")


def drop_rights() -> None:
    """Let go of root's right to read and write everything, before a program starts."""
    if os.geteuid() == 0:
        import ctypes

        drop_from_bounding_set, override, search = 24, 1, 2
        for right in (override, search):
            ctypes.CDLL(None, use_errno=True).prctl(drop_from_bounding_set, right)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``gradnet batch`` as a user to whom permissions matter."""
    return subprocess.run(
        [sys.executable, "-c", RUN, "batch", *arguments, "--gradient", "magnitude"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=drop_rights,
    )


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of which some may not be read, in ``in``."""
    monkeypatch.chdir(tmp_path)
    ramp = np.arange(30 * 31, dtype=np.uint16).reshape(30, 31)
    names = ("a.tif", "closed.tif", "locked/b.tif", "listed/c.tif", "sub/d.tif")
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, ramp)
    (tmp_path / "in/closed.tif").chmod(0)
    (tmp_path / "in/locked").chmod(0)
    (tmp_path / "in/listed").chmod(0o444)
    probe = subprocess.run(
        [sys.executable, "-c", "open('in/closed.tif')"],
        capture_output=True,
        check=False,
        preexec_fn=drop_rights,
    )
    if probe.returncode == 0:
        pytest.skip("this user's right to read everything cannot be dropped")
    return tmp_path


def read_report(folder: Path) -> dict[str, tuple[str, str]]:
    with (folder / "gradnet-report.csv").open(newline="") as file:
        return {r["file"]: (r["state"], r["message"]) for r in csv.DictReader(file)}


def test_what_may_not_be_read(inputs: Path) -> None:
    done = run("in", "-o", "out")
    assert done.returncode == 1
    assert "2 done, 0 skipped, 3 failed" in done.stdout
    report = read_report(inputs / "out")
    assert {name for name, (state, _) in report.items() if state == "done"} == {
        "in/a.tif",
        "in/sub/d.tif",
    }
    for name in ("in/closed.tif", "in/locked", "in/listed"):
        state, message = report[name]
        assert state == "failed"
        assert message.startswith(f"{name}: Permission denied")
        assert f"Error: {name}: " in done.stderr
    assert (inputs / "out/sub/d.tif").exists()
    assert not (inputs / "out/closed.tif").exists()
    # once the rights are given, the same command does the rest
    for name, mode in (("closed.tif", 0o644), ("locked", 0o755), ("listed", 0o755)):
        (inputs / "in" / name).chmod(mode)
    again = run("in", "-o", "out")
    assert again.returncode == 0, again.stderr
    assert "3 done, 2 skipped, 0 failed" in again.stdout


def test_patterns_do_not_pass_over_what_may_not_be_read(inputs: Path) -> None:
    done = run("in/**/*.tif", "-o", "out")
    assert done.returncode == 1
    report = read_report(inputs / "out")
    failed = {name for name, (state, _) in report.items() if state == "failed"}
    assert failed == {"in/closed.tif", "in/locked", "in/listed/c.tif"}
    assert len(report) == 5
    (inputs / "in" / "listed").chmod(0o755)
    done = run("in/l*/*.tif", "in/locked", "-o", "out2", "--dry-run")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("in/locked -> out2/locked  cannot be done  (in/locked: ")
    assert lines[1].startswith("in/listed/c.tif -> out2/listed/c.tif  YX 30x31")
    assert len(lines) == 3


def test_an_output_folder_that_may_not_be_written(inputs: Path) -> None:
    (inputs / "out" / "sub").mkdir(parents=True)
    (inputs / "out" / "sub").chmod(0o555)
    (inputs / "in" / "locked").chmod(0o755)
    done = run("in/a.tif", "in/**/[bd].tif", "-o", "out")
    assert done.returncode == 1
    report = read_report(inputs / "out")
    assert {name: state for name, (state, _) in report.items()} == {
        "in/a.tif": "done",
        "in/locked/b.tif": "done",
        "in/sub/d.tif": "failed",
    }
    assert "could not be written (Permission denied)" in report["in/sub/d.tif"][1]


@pytest.mark.parametrize("what", ["folder", "parent", "journal", "lock"])
def test_a_run_that_may_not_write_its_journal(inputs: Path, what: str) -> None:
    out = inputs / "there" / "out"
    assert main(["batch", "in/a.tif", "-o", str(out), "--gradient", "magnitude"]) == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    closed = {
        "folder": out,
        "parent": out.parent,
        "journal": out / "gradnet-journal.jsonl",
        "lock": out / ".gradnet-journal.lock",
    }[what]
    closed.chmod({"folder": 0o555, "parent": 0}.get(what, 0o444))
    place = inputs / "there" / "other" if what == "parent" else out
    if what == "folder":
        (out / ".gradnet-journal.lock").unlink()
    done = run("in/a.tif", "in/sub/d.tif", "-o", str(place))
    closed.chmod(0o755)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Permission denied" in line
    assert {p.name: p.read_bytes() for p in out.iterdir()}.items() <= before.items()


def test_the_folder_itself_and_lists(inputs: Path) -> None:
    (inputs / "in" / "list.csv").write_text("input\na.tif\nlisted/c.tif\n")
    done = run("in/locked", "in/list.csv", "-o", "out")
    assert done.returncode == 1
    report = read_report(inputs / "out")
    assert report["in/a.tif"][0] == "done"
    assert report["in/listed/c.tif"][1].startswith("in/listed/c.tif: Permission denied")
    assert report["in/locked"][1].startswith("in/locked: Permission denied")
    (inputs / "in" / "list.csv").chmod(0)
    done = run("in/list.csv", "-o", "out2")
    assert done.returncode == 1
    assert "Error: in/list.csv: Permission denied" in done.stderr


@pytest.mark.parametrize("place", ["iterdir", "stat"])
def test_errors_of_any_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    for name in ("deep/a.tif", "bad/b.tif"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    whole = getattr(Path, place)

    def refuse(path: Path, **keywords: object) -> object:
        if path.name == ("bad" if place == "iterdir" else "b.tif"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, **keywords)

    monkeypatch.setattr(Path, place, refuse)
    tasks = {t.name: t.fault for t in find_tasks(tmp_path, tmp_path / "out", OPTIONS)}
    bad = "bad" if place == "iterdir" else "bad/b.tif"
    assert tasks.keys() == {"deep/a.tif", bad}
    assert tasks["deep/a.tif"] == ""
    assert tasks[bad].startswith(f"{tmp_path / bad}: Permission denied")

"""``gradnet batch``: the same bytes as file by file, resumable, honest at its end."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.tiny_models import write_tiny_model

from napari_gradnet import api
from napari_gradnet.batch.image import ImageJob
from napari_gradnet.cli import main
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

RUN = "import sys; from napari_gradnet.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def folder(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Photos and stacks below ``in``; the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    grey = rng.poisson(120, (4, 33, 47)).astype(np.uint16)
    tifffile.imwrite("in/stack.tif", grey, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite("in/deep/one.tif", grey[0])
    tifffile.imwrite(
        "in/deep/x.ome.tif",
        grey[:2],
        metadata={"axes": "CYX"},
        photometric="minisblack",
    )
    Image.fromarray(rng.integers(0, 255, (21, 30, 4), np.uint8)).save("in/p.png")
    Image.fromarray(rng.integers(0, 255, (20, 31, 3), np.uint8)).save("in/q.jpg")
    return tmp_path


def outputs(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "gradnet-" not in path.name
    }


def read_report(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "gradnet-report.csv").open(newline="") as file:
        return {os.path.basename(r["file"]): r for r in csv.DictReader(file)}  # noqa: PTH119


def test_the_same_bytes_as_file_by_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(write_tiny_model(folder, "grey"))
    assert main(["batch", "in", "-o", "out", "--model", model]) == 0
    printed = capsys.readouterr().out
    assert "5 done, 0 skipped, 0 failed" in printed
    made = outputs(folder / "out")
    assert sorted(made) == [
        "deep/one.tif",
        "deep/x.ome.tif",
        "p.png",
        "q.jpg",
        "stack.tif",
    ]
    for name, data in made.items():
        single = folder / "single" / name
        single.parent.mkdir(parents=True, exist_ok=True)
        api.denoise_file(folder / "in" / name, single, model)
        assert data == single.read_bytes(), name


def test_again_does_nothing_and_workers_do_not_matter(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    what = ["batch", "in", "-o", "out", "--naive", "gaussian"]
    assert main([*what, "--workers", "3"]) == 0
    made = outputs(folder / "out")
    times = {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.tif")}
    capsys.readouterr()
    assert main([*what, "--workers", "1"]) == 0
    assert "0 done, 5 skipped" in capsys.readouterr().out
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())
    assert main([*what[:3], "alone", *what[4:], "--workers", "1"]) == 0
    assert outputs(folder / "alone") == made
    (folder / "out" / "p.png").unlink()
    assert main(what) == 0
    assert outputs(folder / "out") == made


def test_the_report_tells_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (folder / "in" / "stack.tif").read_bytes()
    (folder / "in" / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "in" / "text.tif").write_text("no image")
    nan = np.full((20, 20), np.nan, np.float32)
    tifffile.imwrite("in/nan.tif", nan)
    assert main(["batch", "in", "-o", "out", "--naive", "median"]) == 1
    printed = capsys.readouterr()
    assert "5 done, 0 skipped, 3 failed" in printed.out
    assert "Error: in/cut.tif: " in printed.err
    report = read_report(folder / "out")
    assert len(report) == 8
    assert "cut off" in report["cut.tif"]["message"]
    assert "a TIFF, PNG or JPEG" in report["text.tif"]["message"]
    assert "NaN" in report["nan.tif"]["message"]
    row = report["stack.tif"]
    assert row["state"] == "done"
    assert float(row["megapixels"]) == pytest.approx(4 * 33 * 47 / 1e6)
    assert 8 < float(row["sigma_before"]) < 14  # a root of 120
    assert float(row["sigma_after"]) < float(row["sigma_before"]) / 2
    values = json.loads((folder / "out" / "gradnet-report.json").read_text())
    assert (values["done"], values["failed"]) == (5, 3)
    assert {f["state"] for f in values["files"]} == {"done", "failed"}
    # an unfinished output leaves nothing but what a later run needs
    assert not [
        p for p in (folder / "out").rglob(".*") if "gradnet-journal" not in p.name
    ]
    # what was done is told again when it is skipped
    tifffile.imwrite("in/nan.tif", np.nan_to_num(nan))
    assert main(["batch", "in", "-o", "out", "--naive", "median"]) == 1
    again = read_report(folder / "out")
    assert again["stack.tif"]["state"] == "skipped"
    assert again["stack.tif"]["sigma_before"] == row["sigma_before"]
    assert again["cut.tif"]["state"] == "failed"


def test_changed_options_and_inputs_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "out", "--naive", "median"]) == 0
    made = outputs(folder / "out")
    assert main(["batch", "in", "-o", "out", "--naive", "gaussian"]) == 1
    error = capsys.readouterr().err
    assert "was made with other options" in error
    assert "operation.naive was 'median', is 'gaussian'" in error
    assert "--restart" in error
    tifffile.imwrite("in/deep/one.tif", np.zeros((33, 47), np.uint16))
    assert main(["batch", "in", "-o", "out", "--naive", "median"]) == 1
    printed = capsys.readouterr()
    assert "0 done, 4 skipped, 1 failed" in printed.out
    assert "in/deep/one.tif has changed since out/deep/one.tif was made" in printed.err
    assert outputs(folder / "out") == made
    assert main(["batch", "in", "-o", "out", "--naive", "gaussian", "--restart"]) == 0
    now = outputs(folder / "out")
    assert now.keys() == made.keys()
    assert all(now[name] != made[name] for name in made)


def test_a_list_with_options_for_each_file(folder: Path) -> None:
    (folder / "list.csv").write_text(
        "input,output,naive,gradient\n"
        "in/stack.tif,s/soft.tif,gaussian,\n"
        "in/p.png,,,vertical\n"
        "in/q.jpg,,,\n"
    )
    assert main(["batch", "list.csv", "-o", "out", "--naive", "median"]) == 0
    assert sorted(outputs(folder / "out")) == ["in/p.tif", "in/q.jpg", "s/soft.tif"]
    soft = tifffile.imread("out/s/soft.tif")
    source = tifffile.imread("in/stack.tif")
    want = api.naive_denoise(source, "gaussian", axes="ZYX")
    np.testing.assert_array_equal(soft, want)
    assert tifffile.imread("out/in/p.tif").dtype == np.float32


def test_a_gradient_of_what_is_denoised(folder: Path) -> None:
    arguments = ["batch", "in/stack.tif", "-o", "out", "--naive", "median"]
    assert main([*arguments, "--gradient", "magnitude"]) == 0
    source = tifffile.imread("in/stack.tif")
    naive = api.naive_denoise(source, "median", axes="ZYX", dtype="float32")
    want = api.gradient(naive, axes="ZYX")
    np.testing.assert_array_equal(tifffile.imread("out/stack.tif"), want)
    row = read_report(folder / "out")["stack.tif"]
    assert row["sigma_before"] == row["sigma_after"] == ""


def test_a_dry_run_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "bad.png").write_bytes(b"x")
    assert main(["batch", "in", "-o", "out", "--naive", "median", "--dry-run"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "in/stack.tif -> out/stack.tif  ZYX 4x33x47 uint16  0.0 MP  about" in (
        "\n".join(lines)
    )
    assert any("bad.png" in line and "cannot be done" in line for line in lines)
    assert lines[-1].startswith("6 files, 0.0 MP, about ")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out"], "give either PATTERN"),
        (["in", "--watch", "in", "-o", "out"], "give either PATTERN"),
        (["--watch", "in", "-o", "out", "--dry-run"], "have not arrived"),
        (["in", "-o", "out", "--workers", "0"], "neither a number"),
        (["in", "-o", "out", "--chunks", "12"], "write it as"),
    ],
)
def test_wrong_use(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert main(["batch", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_outputs_that_are_there_are_kept(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "p.png").write_bytes(b"precious")
    assert main(["batch", "in", "-o", "out", "--naive", "median"]) == 1
    assert (folder / "out" / "p.png").read_bytes() == b"precious"
    assert read_report(folder / "out")["p.png"]["state"] == "failed"
    assert main(["batch", "in", "-o", "out", "--naive", "median", "--overwrite"]) == 0
    assert (folder / "out" / "p.png").read_bytes() != b"precious"


def test_leftovers_of_a_killed_run_are_removed(folder: Path) -> None:
    def explode(_: object) -> str:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageJob, "finish", explode)
        with pytest.raises(KeyboardInterrupt):
            api.denoise_files("in/p.png", "out", naive="median")
    left = folder / "out" / ".p.png.0123456789ab.part"
    left.write_bytes(b"half")
    mine = folder / "out" / ".p.png.notes.part"
    mine.write_bytes(b"not ours")
    api.denoise_files("in/p.png", "out", naive="median")
    assert not left.exists()
    assert mine.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="other signals")
def test_an_interrupt_ends_with_130_and_can_be_resumed(folder: Path) -> None:
    image = np.random.default_rng(1).poisson(80, (60, 200, 200)).astype(np.uint16)
    tifffile.imwrite("in/long.tif", image)
    arguments = ["batch", "in/long.tif", "-o", "out", "--naive", "nlm"]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments, "--sigma", "9"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = folder / "out" / "gradnet-journal.jsonl"
    try:
        for _ in range(1200):
            if journal.exists() and '"unit"' in journal.read_text():
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "0 of 1 files are finished; the same command goes on" in error
    assert error.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in error
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        ".gradnet-journal.lock",
        ".long.tif.gradnet-spool",
        "gradnet-journal.jsonl",
        "gradnet-report.csv",
        "gradnet-report.json",
    ]


def test_events_can_be_watched_and_cancelled(folder: Path) -> None:
    events = api.iter_denoise_files("in", "out", naive="median", workers=1)
    seen = []
    for event in events:
        seen.append(event)
        if event.state == "done":
            break
    events.close()
    assert [e.state for e in seen[:5]] == ["queued"] * 5
    assert {e.count for e in seen[5:]} == {5}
    done = seen[-1]
    assert done.output.exists()
    assert done.seconds > 0
    assert done.done == done.total
    report = api.denoise_files("in", "out", naive="median")
    assert report.count("skipped") >= 1
    assert report.count("skipped") + report.count("done") == 5


def test_an_exception_of_the_watcher_cancels(folder: Path) -> None:
    def watch(event: api.Event) -> None:
        if event.state == "done":
            message = "enough"
            raise RuntimeError(message)

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="enough"):
        api.denoise_files("in", "out", naive="median", workers=1, on_event=watch)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_two_runs_do_not_share_a_folder(folder: Path) -> None:
    events = api.iter_denoise_files("in", "out", naive="median")
    next(events)
    with pytest.raises(InputError, match="another batch is writing to out"):
        api.denoise_files("in", "out", naive="median")
    events.close()


def test_other_threads_keep_their_share_of_torch(folder: Path) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        model = write_tiny_model(folder, "grey")
        api.denoise_files("in/q.jpg", "out", model=model, workers=2)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

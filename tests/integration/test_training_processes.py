"""Training as a user starts it: the command line, signals, several processes."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import torch
import yaml

from napari_gradnet import api
from napari_gradnet.bundle import load_model, read_header
from napari_gradnet.cli import main
from napari_gradnet.training.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

GRADNET = "import sys; from napari_gradnet.cli import main; sys.exit(main())"


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    """A small training on eight grey photos in a folder."""
    from PIL import Image
    from skimage import data

    photos = tmp_path / "photos"
    photos.mkdir()
    camera = data.camera()
    for number in range(8):
        corner = 48 * number
        part = camera[corner : corner + 48, corner : corner + 48]
        Image.fromarray(part).save(photos / f"{number}.png")
    return {
        "name": "tiny",
        "network": {
            "name": "dncnn",
            "in_channels": 1,
            "num_features": 6,
            "depth": 4,
            "batch_norm": False,
        },
        "data": {
            "train": [
                {
                    "clean": str(photos),
                    "noise": {"kind": "gaussian", "sigma": 40},
                    "crops_per_image": 4,
                }
            ],
            "validation": {"num_held_out": 2, "crop": 32, "num_pictures": 0},
        },
        "training": {
            "num_epochs": 4,
            "batch_size": 8,
            "patch_size": 16,
            "device": "cpu",
            "ema": 0.9,
            "clip_gradient": 1.0,
            "schedule": "plateau",
            "first_drop_epoch": 2,
        },
    }


def write(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def gradnet(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", GRADNET, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_train_from_the_command_line(values: dict[str, Any], tmp_path: Path) -> None:
    config = write(tmp_path / "config.yaml", values)
    run = tmp_path / "run"
    options = ("--set", "training.num_epochs=2", "--log-every", 2)
    done = gradnet("train", config, "-o", run, *options)
    assert done.returncode == 0, done.stderr
    assert "step 2  epoch 1  33.3%  loss" in done.stdout
    assert done.stdout.splitlines()[-1] == f"model: {run / 'tiny.safetensors'}"
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["ema"] == 0.9
    # the model is ready for use
    image = tmp_path / "photos/0.png"
    ready = gradnet(
        "denoise", image, "--model", run / "tiny.safetensors", "-o", tmp_path
    )
    assert ready.returncode == 0, ready.stderr
    again = gradnet("train", config, "-o", run)
    assert again.returncode == 1
    assert "already holds a run: resume it" in again.stderr


def test_the_log_tells_each_source_of_held_out_images(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = {"kind": "gaussian", "sigma": 25}
    values["data"]["train"].append({"clean": "drawn:8", "noise": noise})
    values["training"]["num_epochs"] = 1
    config = write(tmp_path / "config.yaml", values)
    run = tmp_path / "run"
    assert main(["train", str(config), "-o", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("epoch 1  PSNR"))
    told = {
        name: float(figure)
        for figure, name in (
            line.strip().split(" dB of ") for line in lines[at + 1 :][:2]
        )
    }
    with (run / "metrics.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert json.loads(row["source_psnrs"]) == told
    assert list(told) == [str(tmp_path / "photos"), "drawn:8"]
    assert sum(told.values()) / 2 == pytest.approx(float(row["psnr"]), abs=1e-3)


def test_programs_read_events_and_stop_by_closing_the_input(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values["training"]["num_epochs"] = 100_000
    values["data"]["validation"]["num_pictures"] = 1
    config = write(tmp_path / "config.yaml", values)
    run = tmp_path / "run"
    command = [sys.executable, "-c", GRADNET, "train", str(config), "-o", str(run)]
    seen: list[dict[str, Any]] = []
    with subprocess.Popen(
        [*command, "--events"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background has SIGINT ignored, and children inherit that
        preexec_fn=None
        if sys.platform == "win32"
        else lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        for line in process.stdout or ():
            seen.append(json.loads(line))
            if seen[-1]["event"] == "ValidationImage" and process.stdin:
                process.stdin.close()
        assert process.wait() == 130, process.stderr and process.stderr.read()
    kinds = [event["event"] for event in seen]
    epoch = ["StepDone"] * 3 + ["EpochDone", "Validated", "ValidationImage"]
    assert kinds[:8] == ["Started", "StageStarted", *epoch]
    picture = seen[7]
    assert picture["path"] == str(run / "pictures" / "latest-0.png")
    assert set(picture) == {"event", "epoch", "number", "path"}
    step = load_checkpoint(run / "last.pt")["step"]
    assert step == max(event["step"] for event in seen if "step" in event)
    # what is there already becomes a model, and the run can go on afterwards
    model = run / "tiny.safetensors"
    assert main(["train", str(config), "-o", str(run), "--finish"]) == 0
    assert capsys.readouterr().out == f"model: {model}\n"
    assert read_header(model).training["steps"] == step
    weights, _ = load_model(model)
    best = load_checkpoint(run / "best.pt")["average"]
    for name, value in weights.state_dict().items():
        torch.testing.assert_close(value, best[name].half().float(), rtol=0, atol=0)
    values["training"]["num_epochs"] = step // 3 + 1
    api.train(values, run, resume=True)
    assert read_header(model).training["steps"] == 3 * (step // 3 + 1)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
def test_death_of_the_program_that_started_it_writes_a_checkpoint(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["training"]["num_epochs"] = 100_000
    values["training"]["checkpoint_minutes"] = 1000
    config = write(tmp_path / "config.yaml", values)
    run = tmp_path / "run"
    words = ["-c", GRADNET, "train", str(config), "-o", str(run), "--events"]
    pipes = "stdin=PIPE, stdout=PIPE, stderr=PIPE"
    code = (
        "import sys, time; from subprocess import PIPE, Popen\n"
        f"child = Popen([sys.executable, *{words!r}], {pipes})\n"
        "print(child.pid, flush=True)\n"
        "for line in child.stdout: print(line, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(next(parent.stdout or iter(())))
        for line in parent.stdout or ():
            if "Validated" in line:
                parent.kill()
                break
    for _ in range(600):
        if not _is_alive(child):
            break
        time.sleep(0.1)
    assert not _is_alive(child)
    assert load_checkpoint(run / "last.pt")["step"] >= 3


def _is_alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_check_as_an_event(values: dict[str, Any], tmp_path: Path) -> None:
    config = write(tmp_path / "config.yaml", values)
    command = [sys.executable, "-c", GRADNET, "train", str(config), "--check"]
    with subprocess.Popen(
        [*command, "--events"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        report = json.loads((process.stdout or io.BytesIO()).read())
    assert report["event"] == "CheckReport"
    assert (report["images"], report["held_out"]) == (6, 2)
    assert report["steps_per_epoch"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_write_a_checkpoint(
    values: dict[str, Any], tmp_path: Path, number: signal.Signals
) -> None:
    values["training"]["num_epochs"] = 100_000
    config = write(tmp_path / "config.yaml", values)
    run = tmp_path / "run"
    command = [sys.executable, "-c", GRADNET, "train", str(config), "-o", str(run)]
    with subprocess.Popen(
        [*command, "--log-every", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background has SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step 5 "):
                process.send_signal(number)
                break
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == 130, complaints
    assert "stopping after this step" in complaints
    assert "Traceback" not in complaints
    state = load_checkpoint(run / "last.pt")
    assert state["step"] >= 5
    assert not list(run.glob("*.tmp*"))
    resumed = gradnet(
        *("train", config, "-o", run, "--resume"),
        *("--set", f"training.num_epochs={state['epoch'] + 1}"),
    )
    assert resumed.returncode == 0, resumed.stderr


def test_two_processes_equal_one(values: dict[str, Any], tmp_path: Path) -> None:
    """Torchrun with gloo: the same global batch, so the same weights."""
    values["training"]["accumulate"] = 2
    config = write(tmp_path / "config.yaml", values)
    assert gradnet("train", config, "-o", tmp_path / "one").returncode == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    script = tmp_path / "gradnet.py"
    script.write_text(GRADNET)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", str(script)),
            *("train", str(config), "-o", str(tmp_path / "two")),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("model: ") == 1
    one, two = (load_checkpoint(tmp_path / n / "last.pt") for n in ("one", "two"))
    assert one["step"] == two["step"] == 12
    for kind in ("network", "average"):
        for key, value in one[kind].items():
            torch.testing.assert_close(two[kind][key], value, rtol=1e-4, atol=1e-5)
    assert two["best_psnr"] == pytest.approx(one["best_psnr"], abs=1e-3)


def test_batch_that_processes_cannot_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_gradnet.errors import ConfigError
    from napari_gradnet.training.distributed import World

    world = World("cpu")
    world.size, world.rank = 3, 1
    parts = world.share(torch.arange(12), 2)
    assert [p.tolist() for p in parts] == [[4, 5], [6, 7]]
    with pytest.raises(ConfigError, match="use a multiple of 6"):
        world.share(torch.arange(8), 2)


def test_init_prints_a_configuration(tmp_path: Path) -> None:
    listed = gradnet("train", "--init", "list")
    assert listed.returncode == 0
    assert "gradnet-paper" in listed.stdout
    printed = gradnet("train", "--init", "gradnet-color")
    assert printed.returncode == 0
    assert yaml.safe_load(printed.stdout)["name"] == "gradnet-color"
    wrong = gradnet("train", "--init", "gradnet-colour")
    assert wrong.returncode == 2
    assert "is no recipe: use list, or one of" in wrong.stderr


def test_check_estimates_without_training(
    values: dict[str, Any], tmp_path: Path
) -> None:
    config = write(tmp_path / "config.yaml", values)
    (tmp_path / "photos/bad.png").write_bytes(b"none")
    done = gradnet("train", config, "--check", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "images: 6 for training, 2 held out" in done.stdout
    assert "steps: at most 12 (3 an epoch)" in done.stdout
    assert "bad.png" in done.stdout
    assert "MB for a step" in done.stdout
    assert not (tmp_path / "run").exists()
    values["network"]["depht"] = 3
    wrong = gradnet("train", write(config, values), "--check")
    assert wrong.returncode == 1
    assert "network.dncnn.depht is not an option here" in wrong.stderr

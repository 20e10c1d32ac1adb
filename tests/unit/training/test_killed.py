"""A process that is killed leaves a checkpoint that is older than the rest."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest

from napari_gradnet.bundle import load_model, read_header
from napari_gradnet.events import drain
from napari_gradnet.training.checkpoint import load_checkpoint, save_checkpoint
from napari_gradnet.training.events import Validated
from napari_gradnet.training.run import finish_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]


def kill_behind_a_validation(trainer: Any) -> Validated:
    """Let it write no other checkpoint than it has already."""
    work = trainer.run()
    for event in work:
        if isinstance(event, Validated):
            trainer._save = list
            work.close()
            return event
    pytest.fail("nothing was validated")


def test_the_model_of_weights_that_are_younger_than_the_checkpoint(
    config: Config, start: Start, tmp_path: Path
) -> None:
    killed = start(config())
    found = kill_behind_a_validation(killed)
    run = tmp_path / "run"
    assert load_checkpoint(run / "last.pt")["step"] == 0
    path = finish_training(run)
    record = read_header(path).training
    assert record["steps"] == found.step == 3
    assert record["patches"] == 24
    assert record["seconds"] <= killed.progress.spent()
    assert record["validation_psnr"] == pytest.approx(found.psnr, abs=1e-4)
    head = killed.learner.average.state["network.head.weight"]
    written = load_model(path)[0].state_dict()["network.head.weight"]
    assert (written - head).abs().max() < 1e-3


def test_a_validation_that_is_repeated_is_told_once(
    config: Config, start: Start, tmp_path: Path
) -> None:
    values = config(training={"checkpoint_minutes": 1e-9, "num_epochs": 2})
    found = kill_behind_a_validation(start(values))
    checkpoint = load_checkpoint(tmp_path / "run/last.pt")
    assert (checkpoint["step"], checkpoint["epoch"]) == (found.step, 0)
    drain(start(values, resume=True).run())
    with (tmp_path / "run/metrics.csv").open(newline="") as stream:
        steps = [row["step"] for row in csv.DictReader(stream)]
    assert steps == ["3", "6"]


def test_kept_weights_of_another_stage_are_left_alone(
    config: Config, start: Start, tmp_path: Path
) -> None:
    values = config(
        network={"name": "dn-resnet", "in_channels": 1, "depth": 5},
        stages={"kind": "cascade", "criterion": "epochs", "max_epochs": 1},
        training={"num_epochs": 2, "batch_size": 24, "patch_size": 8},
    )
    trainer = start(values)
    kill_behind_a_validation(trainer)
    best = tmp_path / "run/best.pt"
    assert not best.exists()  # the stage is over
    # killed between the checkpoint of the new stage and its removal
    save_checkpoint(best, {"average": {}, "stage": 0, "step": 9, "psnr": 99.0})
    record = read_header(finish_training(tmp_path / "run")).training
    assert record["steps"] == trainer.progress.step == 1
    assert record["validation_psnr"] is None

"""Losses that are not finite: what a restart keeps, and what it takes back."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.unit.training.running import run

from napari_gradnet.bundle import read_header
from napari_gradnet.errors import TrainingError
from napari_gradnet.training.checkpoint import load_checkpoint
from napari_gradnet.training.events import Restarted, StepDone, Validated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]


def poison(trainer: Any, calls: set[int]) -> None:
    """Make the loss NaN at the given calls, counted from 1."""
    count = 0

    def hook(_module: Any, _inputs: Any, loss: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        return loss * float("nan") if count in calls else loss

    trainer.learner.guided.register_forward_hook(hook)


def test_restarts_from_the_last_good_state(config: Config, start: Start) -> None:
    trainer = start(config(training={"num_epochs": 2}))
    poison(trainer, {5})
    events = run(trainer)
    (restart,) = (e for e in events if isinstance(e, Restarted))
    assert restart.step == 0
    assert "the loss is nan at step 5 (epoch 2, batch 2, cut from " in restart.message
    assert "array:photos[" in restart.message
    steps = [e for e in events if isinstance(e, StepDone)]
    # five batches of six: the bad one is left out; half the rate since the restart
    assert [e.step for e in steps] == [1, 2, 3, 4, 1, 2, 3, 4, 5]
    assert steps[0].learning_rate == 2 * steps[-1].learning_rate
    assert steps[0].loss == steps[4].loss


def test_stops_where_restarts_are_used_up(
    config: Config, start: Start, tmp_path: Path
) -> None:
    trainer = start(config(training={"nan_restarts": 1}))
    poison(trainer, {2, 4})
    with pytest.raises(
        TrainingError, match=r"the loss is nan at step 2 .*cut from array:photos"
    ):
        run(trainer)
    state = load_checkpoint(tmp_path / "run/last.pt")
    assert all(bool(torch.isfinite(t).all()) for t in state["network"].values())


def test_weights_that_are_no_numbers_are_not_saved(
    config: Config, start: Start, tmp_path: Path
) -> None:
    trainer = start(config())
    work = trainer.run()
    while not isinstance(next(work), StepDone):
        pass
    with torch.no_grad():
        next(trainer.pipeline.parameters())[0] = float("inf")
    work.close()
    assert load_checkpoint(tmp_path / "run/last.pt")["step"] == 0


@pytest.mark.parametrize("clip", [None, 1.0])
def test_gradients_that_are_no_numbers(
    config: Config, start: Start, clip: float | None
) -> None:
    """The batch that they come from is told and left out, not the next one."""
    trainer = start(config(training={"num_epochs": 2, "clip_gradient": clip}))
    calls = 0

    def hook(_module: Any, _inputs: Any, loss: torch.Tensor) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            loss.register_hook(lambda gradient: gradient * float("nan"))

    trainer.learner.guided.register_forward_hook(hook)
    (restart,) = (e for e in run(trainer) if isinstance(e, Restarted))
    assert "the gradient is nan at step 5 (epoch 2, batch 2, " in restart.message
    assert trainer._skipped == {(1, 1)}


def test_two_restarts_halve_the_rate_twice(config: Config, start: Start) -> None:
    trainer = start(config(training={"num_epochs": 2}))
    poison(trainer, {5, 8})
    events = run(trainer)
    assert [type(e) for e in events].count(Restarted) == 2
    rates = [e.learning_rate for e in events if isinstance(e, StepDone)]
    assert sorted({rates[0] / rate for rate in rates}) == [1, 2, 4]
    assert rates[-1] == rates[0] / 4


def test_a_killed_run_goes_on_from_its_restart(config: Config, start: Start) -> None:
    values = config(training={"num_epochs": 2})
    trainer = start(values)
    poison(trainer, {5})
    work = trainer.run()
    while not isinstance(next(work), Restarted):
        pass
    trainer._save = list  # killed
    work.close()
    again = start(values, resume=True)
    assert again.learner.schedule.factor == 0.5
    assert again._skipped == {(1, 1)}


def test_a_better_model_of_before_a_restart_is_kept(
    config: Config, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start(config(training={"num_epochs": 3}))
    found = iter([10.0, 30.0, 20.0, 15.0, 5.0])
    scores = trainer.recorder._scores

    def told(*inputs: Any) -> Any:
        return replace(scores(*inputs), denoised=(next(found),))

    monkeypatch.setattr(trainer.recorder, "_scores", told)
    poison(trainer, {8})
    weights = None
    for event in trainer.run():
        if isinstance(event, Validated) and event.psnr == 30:
            weights = (tmp_path / "run/best.pt").read_bytes()
    assert (tmp_path / "run/best.pt").read_bytes() == weights
    record = read_header(tmp_path / "run/tiny.safetensors").training
    assert record["validation_psnr"] == 30
    with (tmp_path / "run/metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    # what is repeated is told once, and the PSNR of the kept weights still
    told_of = [(row["step"], row["psnr"], row["kept"]) for row in rows]
    assert told_of == [
        ("6", "30.0", "1"),
        ("3", "20.0", "0"),
        ("6", "15.0", "0"),
        ("8", "5.0", "0"),
    ]


def test_a_restart_does_not_turn_the_clock_back(config: Config, start: Start) -> None:
    trainer = start(config(training={"num_epochs": 1}))
    poison(trainer, {2})
    for event in trainer.run():
        if isinstance(event, StepDone) and not trainer._restarts:
            trainer.progress.elapsed += 1000
        if isinstance(event, Restarted):
            assert trainer.progress.spent() > 1000

"""What a run does besides resuming."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.unit.training.running import run

from napari_gradnet.bundle import load_model, read_header
from napari_gradnet.errors import ConfigError
from napari_gradnet.training.checkpoint import load_checkpoint
from napari_gradnet.training.events import (
    CheckpointSaved,
    EpochDone,
    Started,
    StepDone,
    Validated,
    ValidationImage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]


def losses(events: list[Any]) -> list[float]:
    return [e.loss for e in events if isinstance(e, StepDone)]


def test_overfits_one_batch(config: Config, start: Start) -> None:
    trainer = start(config(training={"learning_rate": 0.01}))
    from napari_gradnet.data.sources import load_data

    values = trainer.experiment
    data = load_data(values.data, 1, 16, trainer.arrays)
    batch = next(data.iter_epoch(seed=0, epoch=0, batch_size=8, patch_size=16))
    noise = float((batch.noisy - batch.clean).abs().mean())
    trainer.learner.guided.loss.config = trainer.experiment.loss.model_copy(
        update={"gradient_weight": 0.0}
    )
    for step in range(400):
        loss = trainer.learner.optimize(batch, 0.01, step + 1)
    assert loss < 0.4 * noise


def test_events_come_in_order(config: Config, start: Start) -> None:
    values = config(training={"num_epochs": 2})
    values["data"]["validation"]["num_pictures"] = 1
    trainer = start(values)
    events = run(trainer)
    names = [type(e).__name__ for e in events]
    epoch = ["StepDone"] * 3 + ["EpochDone", "Validated"]
    assert names[:8] == ["Started", "StageStarted", *epoch, "ValidationImage"]
    assert names[-2:] == ["CheckpointSaved", "CheckpointSaved"]
    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2, 3, 4, 5, 6]
    (first, *_) = (e for e in events if isinstance(e, EpochDone))
    assert first.loss == pytest.approx(sum(losses(events)[:3]) / 3, rel=1e-12)
    means = [e.loss for e in events if isinstance(e, EpochDone)]
    assert trainer.progress.losses == means
    # one after each validation, the best or not
    assert names.count("ValidationImage") == names.count("Validated") == 2
    image = next(e for e in events if isinstance(e, ValidationImage))
    assert image.noisy.shape == image.clean.shape == (32, 32)
    assert image.path.exists()
    assert isinstance(events[0], Started)
    assert "6 images, 2 held out" in events[0].message
    assert isinstance(events[-1], CheckpointSaved)
    record = read_header(events[-1].path).training
    assert record["steps"] == 6
    assert abs(record["rounding_loss_db"]) < 0.01


def test_validation_is_of_the_average_and_leaves_the_weights(
    config: Config, start: Start
) -> None:
    trainer = start(config(training={"ema": 0.99}))
    for event in trainer.run():
        if isinstance(event, StepDone) and event.step == 3:
            before = {k: v.clone() for k, v in trainer.pipeline.state_dict().items()}
        if isinstance(event, Validated):
            break
    for key, value in trainer.pipeline.state_dict().items():
        assert torch.equal(value, before[key])
        if "weight" in key:
            assert not torch.equal(value, trainer.learner.average.state[key])


@pytest.mark.parametrize("keep", ["best", "last"])
def test_which_weights_become_the_model(
    config: Config, start: Start, keep: str
) -> None:
    # steps so long that validation falls after the first
    rough = {"num_epochs": 3, "learning_rate": 0.3, "optimizer": "adam", "keep": keep}
    trainer = start(config(training=rough))
    events = run(trainer)
    found = [e for e in events if isinstance(e, Validated)]
    best = max(found, key=lambda e: e.psnr)
    assert best is not found[-1], [e.psnr for e in found]
    wanted = best if keep == "best" else found[-1]
    assert [e for e in found if e.is_kept][-1] is wanted
    path = events[-1].path
    psnr = read_header(path).training["validation_psnr"]
    assert psnr == pytest.approx(wanted.psnr, abs=1e-4)
    head = "network.head.weight"
    written = load_model(path)[0].state_dict()[head]
    last = trainer.learner.average.state[head]
    assert torch.allclose(written, last, rtol=2e-3, atol=1e-3) == (keep == "last")


def test_last_weights_of_a_run_that_stops_between_validations(
    config: Config, start: Start
) -> None:
    low = {"learning_rate": 1e-3, "min_learning_rate": 9e-4, "first_drop_epoch": 1}
    training = {"num_epochs": 9, "schedule": "plateau", "keep": "last", **low}
    trainer = start(config(training={**training, "validate_every": 5}))
    events = run(trainer)
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1]
    assert [e.epoch for e in events if isinstance(e, Validated)] == [1]
    written = load_checkpoint(trainer.folder.best)["average"]
    for key, value in trainer.learner.average.state.items():
        assert torch.equal(written[key], value)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_accumulated_parts_equal_the_whole_batch(
    config: Config, start: Start, clip: float | None
) -> None:
    network = {"name": "dn-resnet", "in_channels": 1, "depth": 3, "init": "kaiming"}
    results = []
    for parts in (1, 4):
        training = {"accumulate": parts, "clip_gradient": clip, "num_epochs": 1}
        values = config(network=network, training=training)
        events = run(start(values, f"parts-{parts}"))
        results.append(losses(events))
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_batch_that_cannot_be_cut(config: Config, start: Start) -> None:
    with pytest.raises(ConfigError, match="batch_size=8 cannot be cut into"):
        start(config(training={"accumulate": 3}))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_follow_float32(
    precision: str, config: Config, start: Start, tmp_path: Path
) -> None:
    exact = losses(run(start(config(training={"num_epochs": 2}), "exact")))
    values = config(training={"num_epochs": 2, "precision": precision})
    rough = losses(run(start(values)))
    assert rough == pytest.approx(exact, rel=0.05)
    assert rough != exact
    scaler = load_checkpoint(tmp_path / "run/last.pt")["scaler"]
    assert bool(scaler) == (precision == "float16")


def test_compiled_is_the_same(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = losses(run(start(config(training={"num_epochs": 1}), "plain")))
    asked = []
    eager = partial(torch.compile, backend="eager")

    def spy(module: Any) -> Any:
        asked.append(module)
        return eager(module)

    monkeypatch.setattr(torch, "compile", spy)
    trainer = start(config(training={"num_epochs": 1, "compile": True}))
    assert asked == [trainer.learner.guided]
    assert losses(run(trainer)) == pytest.approx(plain, rel=1e-5)


def test_gradients_are_not_compiled(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[Any] = set()

    def look(graph: Any, inputs: Any) -> Any:
        called.update(node.target for node in graph.graph.nodes)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=look))
    torch.compiler.reset()
    network = {"name": "gradnet", "in_channels": 1, "num_features": 8, "unshuffle": 2}
    values = config(network=network, guide={"kind": "noisy"})
    values["training"].update(num_epochs=1, compile=True)
    run(start(values))
    assert torch.pixel_unshuffle in called
    assert torch.sqrt not in called  # of the gradient's magnitude


def test_what_cannot_be_compiled_runs_as_it_is(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = losses(run(start(config(training={"num_epochs": 1}), "plain")))
    tried = []

    def stumble(graph: Any, inputs: Any) -> Any:
        tried.append(graph)
        raise AssertionError("a fault of the compiler")

    failing = partial(torch.compile, backend=stumble)
    monkeypatch.setattr(torch, "compile", failing)
    torch.compiler.reset()
    trained = losses(run(start(config(training={"num_epochs": 1, "compile": True}))))
    assert tried
    assert trained == pytest.approx(plain, rel=1e-5)


def test_time_budget_ends_a_run(config: Config, start: Start) -> None:
    values = config(
        training={"num_epochs": 10_000, "max_minutes": 0.01, "schedule": "cosine"}
    )
    events = run(start(values))
    last = [e for e in events if isinstance(e, StepDone)][-1]
    assert last.progress == pytest.approx(1.0, abs=0.3)
    assert last.epoch < 10_000
    assert isinstance(events[-1], CheckpointSaved)


def test_less_than_one_batch(config: Config, start: Start) -> None:
    trainer = start(config(training={"batch_size": 100}))
    with pytest.raises(ConfigError, match="an epoch has 24 patches, less than one"):
        run(trainer)


def test_tensorboard_events(config: Config, start: Start, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(start(config(training={"num_epochs": 4, "tensorboard": True})))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert [e.step for e in seen.Scalars("psnr")] == [3, 6, 9, 12]
    assert [e.step for e in seen.Scalars("loss")] == [10]

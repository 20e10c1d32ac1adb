"""A run that stops anywhere goes on as if it had not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.unit.training.states import assert_same_state

from napari_gradnet.errors import TrainingError
from napari_gradnet.events import drain
from napari_gradnet.training.checkpoint import load_checkpoint, save_checkpoint
from napari_gradnet.training.events import StepDone, Validated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GUIDED = {
    "network": {
        "name": "gradnet",
        "in_channels": 1,
        "num_features": 4,
        "num_modules": 1,
        "num_units": 1,
    },
    "guide": {
        "kind": "network",
        "network": {"name": "dncnn", "in_channels": 1, "num_features": 4, "depth": 3},
    },
    "training": {
        "num_epochs": 5,
        "batch_size": 12,
        "ema": 0.9,
        "clip_gradient": 1.0,
        "schedule": "plateau",
        "first_drop_epoch": 2,
        "patience": 1,
        "learning_rate": 0.01,
    },
}
GUIDE_FIRST = {
    **GUIDED,
    "guide": {**GUIDED["guide"], "training": "first", "num_epochs": 2},
    "training": {
        "num_epochs": 2,
        "batch_size": 12,
        "schedule": "cosine",
        "warmup_steps": 3,
        "accumulate": 2,
    },
}
CASCADE = {
    "network": {"name": "dn-resnet", "in_channels": 1, "depth": 7},
    "stages": {"kind": "cascade", "criterion": "patience", "patience": 1},
    "training": {"num_epochs": 4, "batch_size": 24, "patch_size": 8},
}


def watch(trainer: Any, events: list[Any], stop: int | None = None) -> bool:
    """Run until event number `stop`; whether the end came before."""
    work = trainer.run()
    for number, event in enumerate(work):
        events.append(event)
        if number == stop:
            work.close()
            return False
    return True


def numbers(events: list[Any]) -> tuple[dict[int, Any], dict[int, Any]]:
    """Loss and rate by step, PSNR by epoch."""
    steps = {
        e.step: (e.loss, e.learning_rate) for e in events if isinstance(e, StepDone)
    }
    psnrs = {e.epoch: e.psnr for e in events if isinstance(e, Validated)}
    return steps, psnrs


@pytest.mark.parametrize(
    ("changes", "stride"),
    [(GUIDED, 1), (GUIDE_FIRST, 2), (CASCADE, 3)],
    ids=["guided", "guide-first", "cascade"],
)
def test_resumed_is_uninterrupted_to_the_bit(
    changes: dict[str, Any],
    stride: int,
    config: Callable[..., dict[str, Any]],
    start: Callable[..., Any],
    tmp_path: Path,
) -> None:
    values = config(**changes)
    whole: list[Any] = []
    assert watch(start(values, "whole"), whole)
    model = (tmp_path / "whole/tiny.safetensors").read_bytes()[-2000:]
    for stop in range(0, len(whole), stride):
        folder = f"part-{stop}"
        events: list[Any] = []
        watch(start(values, folder), events, stop)
        assert watch(start(values, folder, resume=True), events)
        assert numbers(events)[0] == numbers(whole)[0]
        # a validation that was over when the run stopped is told by its metrics alone
        assert numbers(events)[1].items() <= numbers(whole)[1].items()
        assert_same_state(tmp_path / "whole/last.pt", tmp_path / folder / "last.pt")
        assert (tmp_path / folder / "tiny.safetensors").read_bytes()[-2000:] == model
        lines = [
            [c for n, c in enumerate(line.split(",")) if n != 2]  # seconds
            for line in (tmp_path / folder / "metrics.csv").read_text().splitlines()
        ]
        assert lines == [
            [c for n, c in enumerate(line.split(",")) if n != 2]
            for line in (tmp_path / "whole/metrics.csv").read_text().splitlines()
        ]


def test_resume_many_times(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any], tmp_path: Path
) -> None:
    values = config(training={"ema": 0.9, "num_epochs": 2})
    drain(start(values, "whole").run())
    done, first = False, True
    while not done:
        done = watch(start(values, "part", resume=not first), [], stop=4)
        first = False
    assert_same_state(tmp_path / "whole/last.pt", tmp_path / "part/last.pt")


def test_killed_run_repeats_what_its_checkpoint_lacks(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any], tmp_path: Path
) -> None:
    values = config(training={"num_epochs": 3})
    drain(start(values, "whole").run())
    trainer = start(values, "killed")
    # a checkpoint of the first epoch, then a death without a word in the third
    work = trainer.run()
    early = b""
    for event in work:
        if isinstance(event, Validated) and event.epoch == 1:
            trainer._save()
            early = (tmp_path / "killed/last.pt").read_bytes()
        if isinstance(event, StepDone) and event.epoch == 3:
            break
    work.close()
    (tmp_path / "killed/last.pt").write_bytes(early)
    drain(start(values, "killed", resume=True).run())
    assert_same_state(tmp_path / "whole/last.pt", tmp_path / "killed/last.pt")
    epochs = [
        line.split(",")[1]
        for line in (tmp_path / "killed/metrics.csv").read_text().splitlines()
    ]
    assert epochs == ["epoch", "1", "2", "3"]


def test_checkpoint_of_the_first_format_is_read(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any], tmp_path: Path
) -> None:
    """Before stages: network, optimizer, average, schedule and six counters."""
    values = config(training={"num_epochs": 2, "schedule": "plateau"})
    drain(start(values, "whole").run())
    work = start(values, "old").run()
    while not (isinstance(event := next(work), StepDone) and event.step == 5):
        pass
    work.close()
    path = tmp_path / "old/last.pt"
    state = load_checkpoint(path)
    old = ("network", "optimizer", "average", "schedule", "step", "epoch", "batch")
    kept = {k: state[k] for k in (*old, "best_psnr", "elapsed")}
    save_checkpoint(path, kept)
    drain(start(values, "old", resume=True).run())
    first, second = (
        load_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "old")
    )
    for key, value in first["average"].items():
        assert torch.equal(value, second["average"][key])


def test_finished_run_is_not_trained_again(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any]
) -> None:
    values = config(training={"num_epochs": 1})
    drain(start(values).run())
    events: list[Any] = []
    assert watch(start(values, resume=True), events)
    assert not any(isinstance(e, StepDone) for e in events)
    longer = config(training={"num_epochs": 2})
    assert watch(start(longer, resume=True), events)
    assert [e.epoch for e in events if isinstance(e, StepDone)] == [2, 2, 2]


def test_interrupt_in_the_middle_of_a_step_keeps_the_last_checkpoint(
    config: Callable[..., dict[str, Any]],
    start: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = start(config())
    work = trainer.run()
    while not isinstance(next(work), StepDone):
        pass

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.learner.average, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(work)
    # the weights had moved, the counters had not: neither is saved
    assert load_checkpoint(tmp_path / "run/last.pt")["step"] == 0


def test_run_folder_refuses_another_run(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any]
) -> None:
    with pytest.raises(TrainingError, match="holds no checkpoint to resume"):
        start(config(), resume=True)
    drain(start(config(training={"num_epochs": 1})).run())
    with pytest.raises(TrainingError, match="already holds a run"):
        start(config())
    with pytest.raises(TrainingError, match="differs in loss"):
        start(config(loss={"gradient_weight": 0.3}), resume=True)


def test_damaged_checkpoint(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any], tmp_path: Path
) -> None:
    values = config(training={"num_epochs": 1})
    drain(start(values).run())
    path = tmp_path / "run/last.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="cannot resume from"):
        start(values, resume=True)


def test_run_folder_holds_what_the_result_depends_on(
    config: Callable[..., dict[str, Any]],
    start: Callable[..., Any],
    tmp_path: Path,
    photos: list[Any],
) -> None:
    import hashlib

    from PIL import Image

    for number, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    values = config(training={"num_epochs": 1})
    values["data"]["train"][0]["clean"] = str(tmp_path / "*.png")
    values["data"]["validation"]["num_pictures"] = 1
    drain(start(values).run())
    folder = tmp_path / "run"
    record = json.loads((folder / "data.json").read_text())
    first = tmp_path / "0.png"
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    assert record["files"][str(first)] == digest
    assert len(record["files"]) == 8
    assert list(record["skipped"]) == [str(tmp_path / "bad.png")]
    assert "torch" in json.loads((folder / "versions.json").read_text())
    with Image.open(folder / "pictures/best-0.png") as picture:
        assert picture.size == (3 * 32, 32)


def test_one_training_a_folder(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any]
) -> None:
    work = start(config()).run()
    next(event for event in work if isinstance(event, StepDone))
    other = start(config(), resume=True)  # looks only: `gradnet train --finish` may
    with pytest.raises(TrainingError, match="another process is training in"):
        next(other.run())
    work.close()
    drain(start(config(), resume=True).run())

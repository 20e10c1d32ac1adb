"""A notebook's interrupt button: it may come between any two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.unit.training.states import assert_same_state

from napari_gradnet.events import drain
from napari_gradnet.training import record
from napari_gradnet.training.record import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]

CASCADE = {
    "network": {"name": "dn-resnet", "in_channels": 1, "depth": 5},
    "stages": {"kind": "cascade", "criterion": "epochs", "max_epochs": 1},
    "training": {"num_epochs": 3, "batch_size": 24, "patch_size": 8},
}


def lines(path: Path) -> list[list[str]]:
    """Of the metrics, but for the seconds."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    return [row[:2] + row[3:] for row in rows]


def interrupting(work: Callable[..., Any], turn: int, *, after: bool) -> Any:
    """The same, interrupted before or after its work when called the n-th time."""
    calls: list[int] = []

    def called(*args: Any, **options: Any) -> Any:
        calls.append(1)
        result = work(*args, **options) if after or len(calls) != turn else None
        if len(calls) == turn:
            raise KeyboardInterrupt
        return result

    return called


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["validate", "save_stage", "load_final"])
def test_interrupted_between_two_epochs(
    name: str,
    after: bool,
    config: Config,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = config(**CASCADE)
    values["training"] |= {"ema": 0.9}
    drain(start(values, "whole").run())
    turn = 2 if name == "validate" else 1
    with monkeypatch.context() as patch:
        broken = interrupting(getattr(Recorder, name), turn, after=after)
        patch.setattr(Recorder, name, lambda *a: broken(*a))
        with pytest.raises(KeyboardInterrupt):
            drain(start(values, "part").run())
    drain(start(values, "part", resume=True).run())
    assert_same_state(tmp_path / "whole/last.pt", tmp_path / "part/last.pt")
    assert lines(tmp_path / "whole/metrics.csv") == lines(tmp_path / "part/metrics.csv")


def test_validation_puts_the_trained_weights_back(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start(config(training={"ema": 0.9}))
    learner = trainer.learner
    before = {k: v.clone() for k, v in learner.pipeline.state_dict().items()}
    with torch.no_grad():
        for value in learner.average.state.values():
            value.add_(1)
    loading = interrupting(learner.pipeline.load_state_dict, 1, after=True)
    monkeypatch.setattr(learner.pipeline, "load_state_dict", loading)
    monkeypatch.setattr(record, "validate", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        trainer.recorder._scores(learner, None)
    for key, value in learner.pipeline.state_dict().items():
        assert torch.equal(value, before[key])

"""Checkpoints are whole or the old one, and come on time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gradnet.training.checkpoint import load_checkpoint, save_checkpoint
from napari_gradnet.training.events import CheckpointSaved, StepDone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_round_trip(tmp_path: Path) -> None:
    state = {"a": torch.arange(3), "b": {"c": [1, None, 2.5, "d"]}}
    save_checkpoint(tmp_path / "x.pt", state)
    back = load_checkpoint(tmp_path / "x.pt")
    assert torch.equal(back["a"], state["a"])
    assert back["b"] == state["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pt"
    save_checkpoint(path, {"step": 1})

    def broken(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match=r"No space left on device: '.*x\.pt'"):
        save_checkpoint(path, {"step": 2})
    monkeypatch.undo()
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_every_so_many_minutes(
    config: Callable[..., dict[str, Any]], start: Callable[..., Any]
) -> None:
    values = config(training={"num_epochs": 1, "checkpoint_minutes": 1e-9})
    kinds = [
        type(e)
        for e in start(values).run()
        if isinstance(e, StepDone | CheckpointSaved)
    ]
    assert kinds == [StepDone, CheckpointSaved] * 3 + [CheckpointSaved] * 2

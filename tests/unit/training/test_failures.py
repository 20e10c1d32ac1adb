"""What a training lacks is told in a sentence: memory, room on disk, packages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner

from napari_gradnet import bundle
from napari_gradnet.errors import (
    DeviceError,
    FileFormatError,
    MissingDependencyError,
    TrainingError,
)
from napari_gradnet.events import drain
from napari_gradnet.experiments import __main__ as comparisons
from napari_gradnet.training import record
from napari_gradnet.training.check import check_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]


def too_large(*_: object, **__: object) -> None:
    msg = "CUDA out of memory. Tried to allocate 20.00 GiB"
    raise torch.cuda.OutOfMemoryError(msg)


def test_a_step_that_does_not_fit_the_memory(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start(config())
    monkeypatch.setattr(trainer.learner, "_backward", too_large)
    with pytest.raises(DeviceError, match=r"cpu is out .*: raise training\.accumulate"):
        drain(trainer.run())


def test_a_validation_that_does_not_fit_the_memory(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "validate", too_large)
    with pytest.raises(DeviceError, match=r"validation: lower data\.validation\.crop"):
        drain(start(config()).run())


def test_tensorboard_is_looked_for_before_the_training(
    config: Config, start: Start, photos: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    values = config(training={"tensorboard": True})
    with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
        next(start(values).run())
    with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
        check_training(values, arrays={"photos": photos})


def test_a_model_that_cannot_be_written(
    config: Config, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        msg = "I/O error: No space left on device (os error 28)"
        raise bundle.SafetensorError(msg)

    monkeypatch.setattr(bundle, "save_file", full)
    message = r"cannot write .*tiny\.safetensors: .*No space left.*; make room"
    with pytest.raises(FileFormatError, match=message):
        drain(start(config(training={"num_epochs": 1})).run())
    assert not list((tmp_path / "run").glob(".tiny*"))


def test_a_comparison_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        msg = "the loss is nan: lower training.learning_rate"
        raise TrainingError(msg)

    monkeypatch.setattr(comparisons, "iter_comparison", failing)
    name = next(iter(comparisons.COMPARISONS))
    result = CliRunner().invoke(comparisons.command, [name, str(tmp_path)])
    assert result.exit_code == 1
    assert "Error: the loss is nan: lower training.learning_rate" in result.output

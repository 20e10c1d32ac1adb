"""Reading a configuration and changing it by dotted paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from napari_gradnet.bundle import read_header
from napari_gradnet.errors import ConfigError
from napari_gradnet.training.run import load_experiment, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]


def test_overrides(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config()))
    changes = {
        "training.num_epochs": 9,
        "data.train.0.noise.sigma": 33,
        "data.validation.crop": 48,
        "loss.edge": "a",
        "description": "other",
    }
    experiment = load_experiment(path, changes)
    assert experiment.training.num_epochs == 9
    assert experiment.data.train[0].noise.sigma == 33  # type: ignore[union-attr]
    assert experiment.data.validation.crop == 48
    assert experiment.loss.edge == "a"
    assert experiment.loss.gradient_weight == 0.1
    assert experiment.description == "other"
    again = load_experiment(experiment)
    assert again == experiment


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data.train.3.clean", r"data\.train has 1 entries, there is no '3'"),
        ("data.train.x", r"there is no 'x' in it"),
        ("name.first", r"name has 'tiny', there is no 'first'"),
        ("training.epochs", r"training\.epochs is not an option here"),
    ],
)
def test_paths_that_lead_nowhere(path: str, message: str, config: Config) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(config(), {path: 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n- b\n", "holds no mapping"), ("a: [1", "is no YAML file")],
)
def test_files_that_are_no_configuration(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_experiment(path)
    with pytest.raises(ConfigError, match="cannot read"):
        load_experiment(tmp_path / "none.yaml")


def test_train_on_arrays(
    config: Config, photos: list[np.ndarray], tmp_path: Path
) -> None:
    seen: list[Any] = []
    model = train(
        config(training={"num_epochs": 1}),
        tmp_path / "run",
        on_event=seen.append,
        arrays={"photos": np.stack(photos)},
    )
    assert model == tmp_path / "run/tiny.safetensors"
    assert read_header(model).training["patches"] == 24
    assert len(seen) > 5


def test_a_raising_watcher_stops_the_run_and_a_checkpoint_is_kept(
    config: Config, photos: list[np.ndarray], tmp_path: Path
) -> None:
    from napari_gradnet.training.checkpoint import load_checkpoint
    from napari_gradnet.training.events import StepDone

    class EnoughError(Exception):
        pass

    def watch(event: Any) -> None:
        if isinstance(event, StepDone) and event.step == 4:
            raise EnoughError

    with pytest.raises(EnoughError):
        train(config(), tmp_path / "run", on_event=watch, arrays={"photos": photos})
    assert load_checkpoint(tmp_path / "run/last.pt")["step"] == 4


def test_overrides_are_not_the_callers(config: Config) -> None:
    values = config()
    changes = {"training.num_epochs": 9, "data.train.0.noise.sigma": 33}
    experiment = load_experiment(values, changes)
    assert experiment.training.num_epochs == 9
    assert values == config()

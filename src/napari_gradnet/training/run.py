"""Train from a configuration: the entry of the API and the command line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from napari_gradnet.config.training import Experiment
from napari_gradnet.errors import ConfigError
from napari_gradnet.events import Event, OnEvent, drain
from napari_gradnet.training.loop import Trainer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from os import PathLike

__all__ = ["finish_training", "iter_train", "load_experiment", "train"]


def load_experiment(
    config: str | PathLike[str] | Mapping[str, Any] | Experiment,
    overrides: Mapping[str, Any] | None = None,
) -> Experiment:
    """Read and validate a training configuration.

    Parameters
    ----------
    config : path, mapping or Experiment
        A YAML file or what it would hold.
    overrides : mapping, optional
        Values by dotted path, for example ``{"training.num_epochs": 5}``.

    Raises
    ------
    ConfigError
        The file cannot be read, or a value does not fit.
    """
    if isinstance(config, Experiment):
        values: Any = config.model_dump(mode="json")
    elif isinstance(config, str | Path):
        values = _read_yaml(Path(config))
    else:
        # the overrides below are not the caller's
        values = copy.deepcopy(dict(config))  # type: ignore[arg-type]
    if not isinstance(values, dict):
        msg = f"{config} holds no mapping: see 'gradnet train --help'"
        raise ConfigError(msg)
    for dotted, value in (overrides or {}).items():
        _set(values, dotted.split("."), value)
    return Experiment.parse(values)


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise ConfigError(msg) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path} is no YAML file: {error}"
        raise ConfigError(msg) from error


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at a dotted path; numbers count the entries of a list."""
    here: Any = values
    for place, key in enumerate(path):
        last = place == len(path) - 1
        try:
            if isinstance(here, list):
                index = int(key)
                here[index] = value if last else here[index]
                here = here[index]
            elif last:
                here[key] = value
            else:
                if here.get(key) is None:
                    here[key] = {}
                here = here[key]
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            name, found = ".".join(path), ".".join(path[:place])
            kind = f"{len(here)} entries" if isinstance(here, list) else repr(here)
            msg = f"cannot set {name}: {found} has {kind}, there is no {key!r} in it"
            raise ConfigError(msg) from error


def iter_train(
    config: str | PathLike[str] | Mapping[str, Any] | Experiment,
    folder: str | PathLike[str] | None = None,
    *,
    resume: bool = False,
    overrides: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> Generator[Event, None, Path]:
    """Do the work of `train` as a generator of events.

    Parameters
    ----------
    config, folder, resume, arrays
        See `train`.
    overrides : mapping, optional
        See `check_training`.

    Returns
    -------
    Path
        The model file.
    """
    experiment = load_experiment(config, overrides)
    target = Path("runs") / experiment.name if folder is None else Path(folder)
    trainer = Trainer(experiment, target, resume=resume, arrays=arrays)
    yield from trainer.run()
    return trainer.folder.model


def train(
    config: str | PathLike[str] | Mapping[str, Any] | Experiment,
    folder: str | PathLike[str] | None = None,
    *,
    resume: bool = False,
    on_event: OnEvent | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> Path:
    """Train a network.

    Parameters
    ----------
    config : path, mapping or Experiment
        A YAML file or what it would hold.
    folder : path, optional
        Run folder; ``runs/NAME`` when not given.
    resume : bool
        Go on with the run that the folder holds.
    on_event : callable, optional
        Called with every event (`Started`, `StepDone`, `Validated`, `CheckpointSaved`).
        An exception that it raises stops the training; a checkpoint is written first.
    arrays : mapping of str to ndarray or list of them, optional
        Images in memory: ``array:NAME`` in the configuration stands for
        ``arrays[NAME]``, shape (Y, X), (Y, X, 3) or a stack (N, Y, X).

    Returns
    -------
    Path
        The model: one ``.safetensors`` file, ready for `denoise`.

    Raises
    ------
    ConfigError
        The configuration or the data do not fit.
    TrainingError
        The loss is not finite, or there is nothing to resume.
    """
    return drain(iter_train(config, folder, resume=resume, arrays=arrays), on_event)


def finish_training(folder: str | PathLike[str]) -> Path:
    """Make a model of the best weights that an interrupted training has so far.

    The training can still be resumed, and then writes the model anew. Of a training in
    stages, the model is that of the stage which was interrupted.

    Parameters
    ----------
    folder : path
        The run folder; no process may be training in it.

    Returns
    -------
    Path
        The model file, in the folder.

    Raises
    ------
    ConfigError
        There is no configuration in the folder.
    TrainingError
        There is no checkpoint in it.
    """
    path = Path(folder)
    # no GPU is needed for it, wherever the training ran
    experiment = load_experiment(path / "config.yaml", {"training.device": "cpu"})
    trainer = Trainer(experiment, path, resume=True)
    trainer.write_model()
    return trainer.folder.model

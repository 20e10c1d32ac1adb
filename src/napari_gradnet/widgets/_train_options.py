"""From the form of the Train widget to a training configuration. No Qt here."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from napari_gradnet.config.training import Experiment
from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from napari_gradnet.bundle import ModelHeader
    from napari_gradnet.widgets._train_data import TrainingImages

__all__ = ["TrainOptions", "build_config", "read_config", "tidy_name", "write_config"]

#: Steps between two validations: the preview follows, and they cost a tenth at most.
STEPS_AN_EPOCH = 25
#: Crops that are measured at a validation.
HELD_OUT = 8
#: A network that is trained already learns in smaller steps.
FINE_TUNING = 0.1


@dataclass(frozen=True)
class TrainOptions:
    """What the form says.

    Parameters
    ----------
    name : str
        Of the model.
    recipe : str
        Name of a recipe, or a YAML file.
    start : str or None
        Model to start from: a packaged one's name or a file.
    noise : dict or None
        Noise model for clean images; the recipe's if missing.
    minutes : float
        Time budget.
    device : str
        See `api.denoise`.
    batch_size, patch_size, learning_rate : optional
        The recipe's where missing.
    """

    name: str
    recipe: str
    start: str | None = None
    noise: dict[str, Any] | None = None
    minutes: float = 30.0
    device: str = "auto"
    batch_size: int | None = None
    patch_size: int | None = None
    learning_rate: float | None = None


def tidy_name(text: str) -> str:
    """Turn a text into a name that a model may have."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()).strip("-._")
    return name or "my-model"


def read_config(recipe: str) -> dict[str, Any]:
    """Read a recipe by its name, or a YAML file.

    Raises
    ------
    ConfigError
        There is no such recipe or file, or it is no configuration.
    """
    from napari_gradnet import api

    if recipe in api.list_recipes():
        text = api.read_recipe(recipe)
    else:
        try:
            text = Path(recipe).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"cannot read {recipe}: {error}"
            raise ConfigError(msg) from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        msg = f"{recipe} is no YAML file: {error}"
        raise ConfigError(msg) from error
    if not isinstance(values, dict):
        msg = f"{recipe} is no training configuration: give one like a recipe"
        raise ConfigError(msg)
    # whatever is missing is told, and stays as it is for the defaults to fill
    Experiment.parse(values, f"configuration {recipe}")
    return values


def write_config(path: Path, values: dict[str, Any]) -> None:
    """Write a configuration for `gradnet train`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def build_config(
    options: TrainOptions, images: TrainingImages, header: ModelHeader | None = None
) -> dict[str, Any]:
    """Build a training configuration: the recipe with the form's images and settings.

    Parameters
    ----------
    options : TrainOptions
        What the form says.
    images : TrainingImages
        What it is trained on.
    header : ModelHeader, optional
        Of the model to start from.

    Returns
    -------
    dict
        Values of an `Experiment`.

    Raises
    ------
    ConfigError
        Something does not fit.
    """
    values = read_config(options.recipe)
    recipe = Experiment.parse(values)
    values["name"] = options.name
    values["description"] = f"Trained in napari from the recipe {recipe.name}."
    values.pop("licence", None)  # that of the recipe's data
    if header is None:
        values.pop("init", None)  # the form says what to start from
        _set_channels(values, images.channels)
    else:
        _start_from(values, header, options)
    values["training"] = _training(values, options, recipe)
    if header is not None and options.learning_rate is None:
        rate = recipe.training.learning_rate * FINE_TUNING
        values["training"]["learning_rate"] = rate
    values["data"] = _data(options, images, recipe, values["training"])
    return Experiment.parse(values).model_dump(mode="json")


def _set_channels(values: dict[str, Any], channels: int) -> None:
    values["network"] = {**values["network"], "in_channels": channels}
    guide = values.get("guide") or {}
    if "network" in guide:
        network = {**guide["network"], "in_channels": channels}
        values["guide"] = {**guide, "network": network}


def _start_from(
    values: dict[str, Any], header: ModelHeader, options: TrainOptions
) -> None:
    """Take the networks of a model; its growth in stages is over."""
    values["init"] = options.start
    values["network"] = header.network.model_dump(mode="json")
    values["description"] = f"Fine-tuned in napari from {header.name}."
    values["licence"] = header.licence
    values.pop("stages", None)
    values.pop("guide", None)
    if header.guide is not None:
        guide = {"kind": header.guide.kind}
        network = header.guide.network
        values["guide"] = (
            guide
            if network is None
            else {
                **guide,
                "network": network.model_dump(mode="json"),
                "training": "joint",
            }
        )


def _training(
    values: dict[str, Any], options: TrainOptions, recipe: Experiment
) -> dict[str, Any]:
    training = copy.deepcopy(values.get("training") or {})
    training["max_minutes"] = options.minutes
    training["device"] = options.device
    training["checkpoint_minutes"] = 2.0
    for name in ("batch_size", "patch_size", "learning_rate"):
        if (value := getattr(options, name)) is not None:
            training[name] = value
    if recipe.training.schedule == "plateau":
        training["schedule"] = "cosine"  # which ends with the time
    if values.get("stages") is None:
        training["num_epochs"] = 100_000  # the time decides
    batch = int(training.get("batch_size", recipe.training.batch_size))
    if batch % recipe.training.accumulate:
        training["accumulate"] = 1
    return training


def _data(
    options: TrainOptions,
    images: TrainingImages,
    recipe: Experiment,
    training: dict[str, Any],
) -> dict[str, Any]:
    first = recipe.data.train[0]
    source: dict[str, Any] = {
        **first.model_dump(mode="json", include={"flips", "rotations"}),
        **images.source,
    }
    noises: list[Any] = []
    if "noisy" not in source:
        source["noise"], noises = _noise(options, recipe)
    held = min(recipe.data.validation.num_held_out, HELD_OUT, images.count // 4)
    batch = int(training.get("batch_size", recipe.training.batch_size))
    patches = STEPS_AN_EPOCH * batch
    fewest = math.ceil(patches / max(1, images.count - held))
    # as many as the time between validations asks for, from few images or many
    source["crops_per_image"] = fewest
    validation = recipe.data.validation.model_dump(mode="json", exclude={"sources"})
    validation |= {"num_held_out": held, "num_pictures": 1}
    if noises:
        validation["noises"] = noises
    return {"train": [source], "validation": validation}


def _noise(options: TrainOptions, recipe: Experiment) -> tuple[Any, list[Any]]:
    """Noise of the training, and that in which it is measured (none: the recipe's)."""
    if options.noise is not None:
        return options.noise, [_middle(options.noise)]
    for source in recipe.data.train:
        if source.noise is not None:
            return source.noise.model_dump(mode="json"), []
    msg = (
        f"the recipe {options.recipe} is for pairs and has no noise of its own: choose "
        "a kind of noise, or noisy and clean images"
    )
    raise ConfigError(msg)


def _middle(noise: dict[str, Any]) -> dict[str, Any]:
    """Noise in the middle of its ranges."""

    def middle(name: str, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        low, high = value
        drawn_by_ratio = name in ("peak", "electrons", "gain")
        return math.sqrt(low * high) if drawn_by_ratio else (low + high) / 2

    return {name: middle(name, value) for name, value in noise.items()}

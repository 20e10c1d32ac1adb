"""From the form of the Train widget to a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.tiny_models import MODELS, tiny_model

from napari_gradnet import api
from napari_gradnet.errors import ConfigError
from napari_gradnet.widgets._train_data import TrainingImages
from napari_gradnet.widgets._train_options import (
    TrainOptions,
    build_config,
    read_config,
    tidy_name,
)

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = TrainingImages(
    {"clean": ["/c"], "noisy": ["/n"], "intensity": "dtype"}, channels=3, count=20
)
CLEAN = TrainingImages({"clean": ["/c"], "intensity": "percentile"}, count=9)
WHITE = {"kind": "gaussian", "sigma": [10, 30]}


@pytest.mark.parametrize("recipe", list(api.list_recipes()))
def test_every_recipe_takes_the_images(recipe: str) -> None:
    values = build_config(TrainOptions("mine", recipe, minutes=7), PAIRS)
    assert values["name"] == "mine"
    assert values["init"] is None
    assert values["network"]["in_channels"] == 3
    guide = values["guide"] or {}
    if guide.get("kind") == "network":
        assert guide["network"]["in_channels"] == 3
    (source,) = values["data"]["train"]
    assert source["noisy"] == ["/n"]
    assert source["noise"] is None
    held = values["data"]["validation"]["num_held_out"]
    own = yaml.safe_load(api.read_recipe(recipe))["data"]["validation"]
    assert held == min(5, own.get("num_held_out", 24))
    training = values["training"]
    assert training["max_minutes"] == 7
    assert training["schedule"] in ("cosine", "constant")
    # about 25 steps between two validations
    steps = (20 - held) * source["crops_per_image"] / training["batch_size"]
    assert 25 <= steps < 25 + 20 / training["batch_size"]


def test_settings_of_the_form_win_over_the_recipe() -> None:
    options = TrainOptions(
        *("mine", "gradnet-gray", None, WHITE, 3.0, "cpu"),
        batch_size=6,
        patch_size=24,
        learning_rate=0.5,
    )
    values = build_config(options, CLEAN)
    training = values["training"]
    assert (training["batch_size"], training["patch_size"]) == (6, 24)
    assert (training["learning_rate"], training["device"]) == (0.5, "cpu")
    (source,) = values["data"]["train"]
    assert source["noise"]["sigma"] == [10, 30]
    assert source["intensity"] == "percentile"
    assert [n["sigma"] for n in values["data"]["validation"]["noises"]] == [20]


def test_noise_of_the_recipe_and_the_middle_of_electrons() -> None:
    values = build_config(TrainOptions("m", "dn-resnet-13-gray"), CLEAN)
    (source,) = values["data"]["train"]
    assert source["noise"]["kind"] == "mixed"
    assert len(values["data"]["validation"]["noises"]) == 4
    camera = {"kind": "camera", "electrons": [25, 400]}
    values = build_config(TrainOptions("m", "microscopy", noise=camera), CLEAN)
    assert values["data"]["validation"]["noises"][0]["electrons"] == 100
    with pytest.raises(ConfigError, match="choose a kind of noise"):
        build_config(TrainOptions("m", "microscopy"), CLEAN)


@pytest.mark.parametrize("name", list(MODELS))
def test_fine_tuning_takes_the_networks_of_the_model(name: str) -> None:
    _, header = tiny_model(name, licence="CC0")
    options = TrainOptions("m", "dn-resnet-cascade", start="/models/m.safetensors")
    values = build_config(options, PAIRS, header)
    assert values["init"] == "/models/m.safetensors"
    assert values["network"] == header.network.model_dump(mode="json")
    assert values["stages"] is None
    assert values["licence"] == "CC0"
    if header.guide is None:
        assert values["guide"] is None
    else:
        assert values["guide"]["kind"] == header.guide.kind
        network = header.guide.network
        expected = network and network.model_dump(mode="json")
        assert values["guide"].get("network") == expected
    recipe: dict[str, Any] = yaml.safe_load(api.read_recipe("dn-resnet-cascade"))
    rate = recipe["training"]["learning_rate"]
    assert values["training"]["learning_rate"] == pytest.approx(rate / 10)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with pytest.raises(ConfigError, match="cannot read"):
        read_config(str(path))
    path.write_text("[1, 2]")
    with pytest.raises(ConfigError, match="no training configuration"):
        read_config(str(path))
    path.write_text("{name: a, network: [}")
    with pytest.raises(ConfigError, match="is no YAML file"):
        read_config(str(path))
    path.write_text("{name: a}")
    with pytest.raises(ConfigError, match="network is missing"):
        read_config(str(path))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my net", "my-net"),
        ("../up", "up"),
        ("  ", "my-model"),
        ("Zelle_ä2", "Zelle_-2"),
    ],
)
def test_names_that_a_file_can_have(text: str, name: str) -> None:
    assert tidy_name(text) == name

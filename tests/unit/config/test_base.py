"""Configuration models: frozen, strict about keys, and clear about errors."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.config.network import (
    DnCNNConfig,
    GradNetConfig,
    network_names,
    parse_network,
)
from napari_gradnet.errors import ConfigError


class Inner(FrozenModel):
    number: int = 1


class Outer(FrozenModel):
    inner: Inner = Inner()
    name: str


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        DnCNNConfig().depth = 3


def test_parse_gives_the_values() -> None:
    parsed = Outer.parse({"name": "x", "inner": {"number": 3}})
    assert parsed == Outer(name="x", inner=Inner(number=3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"^invalid thing: name is missing: give a value$"),
        (
            {"name": "x", "inner": {"number": "many"}},
            r"^invalid thing: inner.number='many': Input should be a valid integer",
        ),
        (
            {"name": "x", "nam": 1},
            r"^invalid thing: nam is not an option here; known are inner, name$",
        ),
        (
            {"name": "x", "inner": {"numbre": 1}},
            r"^invalid thing: inner.numbre is not an option here$",
        ),
        ({"name": 3, "inner": 4}, r"inner=4: .*; name=3: .*string"),  # all at once
        ([1, 2], r"^invalid thing: Input should be .*dictionary.*, not \[1, 2\]$"),
        (None, r"^invalid thing: Input should be .*dictionary.*, not None$"),
    ],
)
def test_errors_name_path_value_and_options(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Outer.parse(values, "thing")


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(ConfigError, match=r"name=.*") as caught:
        Outer.parse({"name": list(range(100_000))})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", network_names())
def test_networks_round_trip(name: str) -> None:
    config = parse_network(name)
    values = config.model_dump(mode="json")
    assert values.pop("name") == name
    assert parse_network(name, **values) == config


def test_gradnets_defaults_are_the_papers() -> None:
    config = GradNetConfig()
    assert (config.in_channels, config.num_features) == (3, 64)
    assert (config.num_modules, config.num_units, config.reduction) == (4, 4, 16)
    assert (config.fusion, config.backbone) == ("II", "mskresnet")
    assert (config.medium_skip, config.gradient_copies) == ("concat", 1)
    assert (config.batch_norm, config.unshuffle) == (True, 1)

"""The papers' sizes, and errors that list what is valid."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_gradnet.errors import ConfigError
from napari_gradnet.networks.registry import (
    build_network,
    count_parameters,
    list_networks,
)

PARAMETERS = [
    ("dncnn", {}, 558_336),
    ("dncnn", {"depth": 20}, 669_312),
    # one more conv input of 64 features than DnCNN
    ("skdncnn", {}, 558_336 + 64 * 9 * 3),
    ("skdncnn", {"depth": 20}, 669_312 + 64 * 9 * 3),
    ("mskresnet", {}, 1_484_688),
    # addition saves the 3x3 convolution 128 -> 64 of each of 4 modules
    ("mskresnet", {"medium_skip": "add"}, 1_484_688 - 4 * (128 * 64 * 9 + 64)),
    ("gradnet", {}, 1_626_561),
    ("gradnet", {"medium_skip": "add"}, 1_626_561 - 4 * (134 * 67 * 9 + 67)),
    # r = 2: 33 hidden features of the attention instead of 4
    ("gradnet", {"reduction": 2}, 1_626_561 + 4 * (33 - 4) * (2 * 67 + 1)),
    # at the image: 3 channels into the first convolution; at the end: into the last
    ("gradnet", {"fusion": "I"}, 1_484_688 + 3 * 64 * 9),
    ("gradnet", {"fusion": "III"}, 1_484_688 + 3 * 3 * 9),
    ("dn-resnet", {"depth": 3}, 57_184),
    ("dn-resnet", {"depth": 5}, 75_616),
    ("dn-resnet", {"depth": 7}, 94_048),
    ("dn-resnet", {"depth": 9}, 112_480),
    ("dn-resnet", {"depth": 11}, 130_912),
    ("dn-resnet", {}, 149_344),
    ("dn-resnet", {"depth": 19}, 57_184 + 8 * 18_432),
    ("ds-dn-resnet", {}, 63_744),
    # evolution goes from the tail, one block at a time
    ("ds-dn-resnet", {"num_separable": 0}, 149_344),
    ("ds-dn-resnet", {"num_separable": 2}, 149_344 - 2 * (18_432 - 32 * 9 - 32 * 32)),
]


@pytest.mark.parametrize(("name", "options", "expected"), PARAMETERS)
def test_parameter_count(name: str, options: dict, expected: int) -> None:
    with torch.device("meta"):
        network = build_network(name, **options)
    assert count_parameters(network) == expected


@pytest.mark.parametrize(
    ("name", "gmacs"), [("dn-resnet", 45.9), ("ds-dn-resnet", 19.6)]
)
def test_macs_at_640x480(name: str, gmacs: float) -> None:
    with torch.device("meta"):
        network = build_network(name)
        noisy = torch.empty(1, 1, 480, 640)
    with FlopCounterMode(display=False) as counter:
        network(noisy)
    assert round(counter.get_total_flops() / 2e9, 1) == gmacs


def test_list_networks() -> None:
    names = ("dncnn", "skdncnn", "mskresnet", "gradnet", "dn-resnet", "ds-dn-resnet")
    assert list_networks() == names


@pytest.mark.parametrize("name", list_networks())
def test_defaults_are_the_papers(name: str) -> None:
    with torch.device("meta"):
        config = build_network(name).config
    assert config.name == name
    assert config.in_channels == (1 if "dn-resnet" in name else 3)


def test_separable_blocks_stand_at_the_tail() -> None:
    network = build_network("ds-dn-resnet", num_separable=2)
    kinds = [type(block).__name__ for block in network.blocks]
    assert kinds == ["ResBlock"] * 3 + ["SeparableBlock"] * 2


def test_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'unet' is unknown.*dncnn, .*ds-dn-resnet"):
        build_network("unet")


def test_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError,
        match=r"width is not an option here; known are .*"
        r"in_channels, num_features, .*depth",
    ):
        build_network("dncnn", width=64)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "gradnet",
            {"fusion": "IV"},
            r"'gradnet': fusion='IV': .*'I', 'II' or 'III'",
        ),
        (
            "gradnet",
            {"backbone": "dncnn"},
            r"'dncnn': .*'mskresnet' or 'skdncnn'",
        ),
        (
            "mskresnet",
            {"medium_skip": "sum"},
            r"='sum': .*'concat' or 'add'",
        ),
        ("dncnn", {"depth": 2}, r"depth=2: .*greater than or equal to 3"),
        ("dncnn", {"in_channels": 0}, r"in_channels=0: .*greater than or equal to 1"),
        ("dn-resnet", {"depth": 6}, r"depth: 6 must be odd .*: use 5 or 7"),
        ("ds-dn-resnet", {"num_separable": -1}, r"num_separable=-1: .*greater than"),
        ("dncnn", {"depth": "deep"}, r"depth='deep': .*integer"),
    ],
)
def test_options_out_of_range(name: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(name, **options)

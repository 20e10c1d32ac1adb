"""Small networks of every kind, and weights that are the same on every machine."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import nn

#: Options that make each family small: name, options.
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "dncnn": ("dncnn", {"num_features": 6, "depth": 4}),
    "dncnn-unshuffle": ("dncnn", {"num_features": 6, "depth": 4, "unshuffle": 2}),
    "skdncnn": ("skdncnn", {"num_features": 6, "depth": 4}),
    "skdncnn-skip": (
        "skdncnn",
        {"num_features": 6, "depth": 4, "global_skip": True, "batch_norm": False},
    ),
    "mskresnet": ("mskresnet", {"num_features": 6, "num_modules": 2, "num_units": 1}),
    "mskresnet-add": (
        "mskresnet",
        {"num_features": 6, "num_modules": 1, "num_units": 2, "medium_skip": "add"},
    ),
    "mskresnet-unshuffle": (
        "mskresnet",
        {"num_features": 6, "num_modules": 1, "num_units": 1, "unshuffle": 3},
    ),
    "dn-resnet-3": ("dn-resnet", {"depth": 3}),
    "dn-resnet-7": ("dn-resnet", {"depth": 7, "init": "kaiming"}),
    "dn-resnet-skip": ("dn-resnet", {"depth": 5, "global_skip": True}),
    "ds-dn-resnet": ("ds-dn-resnet", {"depth": 7}),
    "ds-dn-resnet-half": ("ds-dn-resnet", {"depth": 7, "num_separable": 1}),
}

for _backbone, _fusion, _copies in itertools.product(
    ("mskresnet", "skdncnn"), ("I", "II", "III"), (1, 3)
):
    SMALL[f"gradnet-{_backbone}-{_fusion}-{_copies}"] = (
        "gradnet",
        {
            "num_features": 6,
            "num_modules": 1,
            "num_units": 1,
            "depth": 4,
            "backbone": _backbone,
            "fusion": _fusion,
            "gradient_copies": _copies,
        },
    )
SMALL["gradnet-add"] = (
    "gradnet",
    {"num_features": 6, "num_modules": 1, "num_units": 1, "medium_skip": "add"},
)
SMALL["gradnet-unshuffle"] = (
    "gradnet",
    {"num_features": 6, "num_modules": 1, "num_units": 1, "unshuffle": 2},
)


def wave(shape: tuple[int, ...], phase: float) -> torch.Tensor:
    """Numbers in -1..1 without a random generator, which differs between versions."""
    count = math.prod(shape)
    steps = torch.arange(count, dtype=torch.float64)
    return torch.sin(1.7 * steps + phase + 0.01 * steps**1.5).float().reshape(shape)


def fill(network: nn.Module) -> None:
    """Give every weight and statistic a value that keeps features of order 1."""
    with torch.no_grad():
        for number, (name, value) in enumerate(sorted(network.state_dict().items())):
            if name.endswith("num_batches_tracked"):
                continue
            numbers = wave(tuple(value.shape), float(number))
            if name.endswith("running_var"):
                value.copy_(1 + 0.3 * numbers)
            elif value.ndim == 1:
                # scales near 1, and no hidden unit of an attention that is always off
                shift = name.endswith(("squeeze.bias", "norm.weight"))
                value.copy_(0.2 * numbers + (1.0 if shift else 0.1))
            else:
                fan_in = math.prod(value.shape[1:])
                value.copy_(numbers * (2 / fan_in) ** 0.5)


def image(shape: tuple[int, ...], phase: float = 0.0) -> torch.Tensor:
    """A test image in 0..1."""
    return 0.5 + 0.5 * wave(shape, phase)


def inputs(network: nn.Module, shape: tuple[int, ...]) -> list[torch.Tensor]:
    """What a network is called with: the noisy image, and the guide for a GradNet."""
    guided = type(network).__name__ == "GradNet"
    return [image(shape, 0.3), image(shape, 0.9)][: 1 + guided]

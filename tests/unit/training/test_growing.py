"""Networks of more features begin where smaller ones ended."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_gradnet.networks.registry import build_network
from napari_gradnet.training.growing import grown_weights

GRADNET = {"in_channels": 1, "num_features": 6, "num_modules": 2, "num_units": 1}
SKDNCNN = {**GRADNET, "backbone": "skdncnn", "depth": 4}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "dncnn": ("dncnn", {"in_channels": 3, "num_features": 6, "depth": 4}),
    "skdncnn": ("skdncnn", {"in_channels": 1, "num_features": 6, "depth": 4}),
    "mskresnet": ("mskresnet", {**GRADNET, "reduction": 2}),
    "mskresnet-add": ("mskresnet", {**GRADNET, "medium_skip": "add"}),
    "gradnet-i": ("gradnet", {**GRADNET, "fusion": "I"}),
    "gradnet-ii": ("gradnet", {**GRADNET, "in_channels": 3, "unshuffle": 2}),
    "gradnet-iii": ("gradnet", {**GRADNET, "fusion": "III"}),
    "gradnet-ii-skdncnn": ("gradnet", SKDNCNN),
    "gradnet-iii-skdncnn": ("gradnet", {**SKDNCNN, "fusion": "III"}),
}


def _drawn(name: str, options: dict[str, Any], seed: int) -> Any:
    network = build_network(name, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
                if key.endswith("running_var"):
                    value.abs_().add_(0.5)
    return network


def _images(options: dict[str, Any], name: str) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    shape = (2, options["in_channels"], 14, 12)
    count = 2 if name == "gradnet" else 1
    return tuple(torch.rand(shape, generator=generator) for _ in range(count))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_wider_network_begins_as_the_narrower_one(
    kind: str, batch_norm: bool
) -> None:
    name, options = NETWORKS[kind]
    options = {**options, "batch_norm": batch_norm}
    old = _drawn(name, options, 2)
    wider = {**options, "num_features": 11}
    if "num_units" in options and options.get("backbone") != "skdncnn":
        wider["num_units"] = 2
    new = _drawn(name, wider, 3)
    if "num_units" in wider:  # as `initialise` leaves it
        for path, value in new.state_dict().items():
            if path.endswith("units.1.conv2.bias"):
                value.zero_()
    new.load_state_dict(grown_weights(old, new))
    images = _images(options, name)
    with torch.no_grad():
        torch.testing.assert_close(
            new.eval()(*images), old.eval()(*images), rtol=1e-4, atol=1e-4
        )


def test_further_features_learn() -> None:
    name, options = NETWORKS["gradnet-ii"]
    options = {**options, "batch_norm": False}
    old = build_network(name, **options)
    new = build_network(name, **{**options, "num_features": 11})
    state = grown_weights(old, new)
    new.load_state_dict(state)
    images = _images(options, name)
    # the last layer looks at no further feature yet, but is told what it would gain
    assert not new.tail.weight[:, 6:11].any()
    new(*images).square().mean().backward()
    assert (new.tail.weight.grad[:, 6:11].abs().amax((0, 2, 3)) > 0).any()
    # those of the gradient stay the last ones
    torch.testing.assert_close(new.tail.weight[:, 11:], old.tail.weight[:, 6:])
    with torch.no_grad():
        for weight in new.parameters():
            if weight.grad is not None:
                weight.sub_(weight.grad, alpha=0.1)
    new.zero_grad()
    new(*images).square().mean().backward()
    assert new.body.blocks[0].units[0].conv1.weight.grad[6:11].any()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"num_features": 4}),
        ({"gradient_copies": 2}, {"gradient_copies": 2, "num_features": 11}),
        ({"num_units": 2}, {"num_features": 11}),
        ({"fusion": "I"}, {"num_features": 11}),
        ({"fusion": "II"}, {"num_features": 11, "fusion": "I"}),
        ({"reduction": 1}, {"num_features": 11, "reduction": 9}),
    ],
)
def test_what_cannot_grow_is_refused(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = build_network("gradnet", **{**GRADNET, **old})
    after = build_network("gradnet", **{**GRADNET, **new})
    with pytest.raises(RuntimeError, match=r"size mismatch|Unexpected key"):
        after.load_state_dict(grown_weights(before, after))

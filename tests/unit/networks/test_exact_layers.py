"""Layers that stay in float32 where the network runs in 16 bits."""

from __future__ import annotations

import torch

from napari_gradnet.networks.blocks import conv3x3, exactly
from napari_gradnet.networks.registry import build_network


def _layer_and_features():
    layer = conv3x3(4, 4)
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(layer.weight, generator=generator)
    return layer, torch.randn(1, 4, 9, 9, generator=generator)


def test_inference_is_exact_and_training_is_fast():
    layer, features = _layer_and_features()
    expected = layer(features)
    with torch.autocast("cpu", torch.bfloat16):
        exact = exactly(layer.eval(), features.bfloat16())
        assert exact.dtype == torch.float32
        assert exactly(layer.train(), features).dtype == torch.bfloat16
        assert torch.equal(exactly(layer.eval(), features), expected)
    assert torch.equal(exactly(layer, features), expected)


def test_the_ends_of_the_residual_networks_are_exact():
    kinds = {}

    def watch(name):
        return lambda _module, _inputs, output: kinds.update({name: output.dtype})

    network = build_network(
        "mskresnet", in_channels=1, num_features=8, num_modules=2, num_units=1
    ).eval()
    layers = {
        "head": network.head,
        "first": network.body.blocks[0].merge,
        "last": network.body.blocks[1].merge,
    }
    for name, layer in layers.items():
        layer.register_forward_hook(watch(name))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        network(torch.rand(1, 1, 12, 12))
    assert kinds == {
        "head": torch.float32,
        "first": torch.bfloat16,
        "last": torch.float32,
    }

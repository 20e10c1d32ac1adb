"""Muon against what it promises, and its Adam against PyTorch's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from napari_gradnet.training.muon import Muon


def _layers() -> nn.Sequential:
    """An image layer, a hidden layer, an attention layer."""
    network = nn.Sequential(
        nn.Conv2d(3, 24, 3), nn.Conv2d(24, 16, 3, bias=False), nn.Conv2d(16, 2, 1)
    )
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1, generator=generator)
    return network


def _give_gradients(network: nn.Module, seed: int, scale: float = 1.0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.grad = scale * torch.randn(weight.shape, generator=generator)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_hidden_kernels_move_alike_in_all_directions(layout: torch.memory_format):
    network = _layers().to(memory_format=layout)
    before = network[1].weight.detach().clone()
    optimizer = Muon(network.parameters(), 0.5)
    _give_gradients(network, 1)
    gradient = network[1].weight.grad.flatten(1)
    optimizer.step()
    step = (before - network[1].weight.detach()).flatten(1) / 0.5
    size = 0.2 * (24 * 9) ** 0.5
    values = torch.linalg.svdvals(step) / size
    assert 0.6 < values.min() < values.max() < 1.3
    # the same directions as the gradient's, each with singular value 1
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    nearest = size * left @ right
    assert torch.cosine_similarity(step.flatten(), nearest.flatten(), dim=0) > 0.98


def test_the_size_of_the_gradient_does_not_matter():
    one, other = _layers(), _layers()
    for network, scale in ((one, 1.0), (other, 1e-4)):
        optimizer = Muon(network.parameters(), 0.1)
        for seed in range(3):
            _give_gradients(network, seed, scale)
            optimizer.step()
    torch.testing.assert_close(one[1].weight, other[1].weight, atol=2e-4, rtol=0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_everything_else_is_left_to_adam(decay: float):
    one, other = _layers(), _layers()
    muon = Muon(one.parameters(), 0.01, weight_decay=decay)
    adam = torch.optim.AdamW(other.parameters(), 0.01, weight_decay=decay)
    for seed in range(4):
        for network, optimizer in ((one, muon), (other, adam)):
            _give_gradients(network, seed)
            optimizer.step()
    for layer in (0, 2):
        torch.testing.assert_close(one[layer].weight, other[layer].weight)
        torch.testing.assert_close(one[layer].bias, other[layer].bias)
    assert not torch.allclose(one[1].weight, other[1].weight)


def test_a_restored_state_goes_on_to_the_bit():
    network = _layers()
    optimizer = Muon(network.parameters(), 0.01)
    _give_gradients(network, 0)
    optimizer.step()
    other = copy.deepcopy(network)
    restored = Muon(other.parameters(), 0.01)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, steps in ((network, optimizer), (other, restored)):
        _give_gradients(each, 1)
        steps.step()
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_weights_without_a_gradient_stay():
    network = _layers()
    before = copy.deepcopy(network.state_dict())
    Muon(network.parameters(), 0.01, weight_decay=0.5).step()
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])

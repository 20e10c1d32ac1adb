"""What holds for every network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from napari_gradnet.inference.prepare import fold_batch_norm
from napari_gradnet.networks.blocks import ChannelAttention
from napari_gradnet.networks.registry import build_network, list_networks

from .variants import SMALL, fill, image, inputs

REFERENCES = json.loads(
    (Path(__file__).parent / "references.json").read_text(encoding="utf-8")
)


def build(variant: str, **more: object) -> torch.nn.Module:
    name, options = SMALL[variant]
    network = build_network(name, **{**options, **more}).eval()
    fill(network)
    return network


def test_every_family_has_a_variant() -> None:
    assert {name for name, _ in SMALL.values()} == set(list_networks())


@pytest.mark.parametrize("variant", SMALL)
@torch.inference_mode()
def test_reference_output(variant: str) -> None:
    # stored by store_references.py
    network = build(variant)
    shape = (1, network.config.in_channels, 11, 14)
    found = network(*inputs(network, shape)).flatten()[::37]
    assert torch.allclose(found, torch.tensor(REFERENCES[variant]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 3), (13, 9)])
@pytest.mark.parametrize("variant", SMALL)
@torch.inference_mode()
def test_any_size(variant: str, size: tuple[int, int]) -> None:
    network = build(variant)
    shape = (2, network.config.in_channels, *size)
    result = network(*inputs(network, shape))
    assert result.shape == shape
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("variant", SMALL)
@torch.inference_mode()
def test_any_number_of_channels(variant: str, channels: int) -> None:
    network = build(variant, in_channels=channels)
    shape = (1, channels, 8, 9)
    assert network(*inputs(network, shape)).shape == shape


@pytest.mark.parametrize("variant", SMALL)
def test_every_parameter_gets_a_gradient(variant: str) -> None:
    # statistics stand still: a bias before a BatchNorm has no effect in training
    network = build(variant)
    shape = (2, network.config.in_channels, 12, 12)
    (network(*inputs(network, shape)) * image(shape, 2.0)).sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert without == []
    zero = [n for n, p in network.named_parameters() if not p.grad.any()]
    assert zero == []


@pytest.mark.parametrize("variant", SMALL)
@torch.inference_mode()
def test_state_round_trip(variant: str) -> None:
    network, other = (
        build(variant),
        build_network(SMALL[variant][0], **SMALL[variant][1]),
    )
    state = network.state_dict()
    storages = [value.data_ptr() for value in state.values() if value.numel() > 1]
    assert len(set(storages)) == len(storages)  # no weight under two names
    trained = {n for n, _ in network.named_parameters()}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert all(n in trained or n.endswith(statistics) for n in state)
    other.load_state_dict(state)
    noisy = inputs(network, (1, network.config.in_channels, 9, 9))
    assert torch.equal(network(*noisy), other.eval()(*noisy))


@pytest.mark.parametrize("variant", SMALL)
def test_initialise_depends_on_the_generator_alone(variant: str) -> None:
    name, options = SMALL[variant]
    states = []
    for seed in (0, 0, 1):
        network = build_network(name, **options)
        network.initialise(torch.Generator().manual_seed(seed))
        weights = [p.detach().flatten() for p in network.parameters() if p.ndim > 1]
        states.append(torch.cat(weights))
    assert torch.equal(states[0], states[1])
    assert not torch.isclose(states[0], states[2]).any()


@pytest.mark.parametrize("variant", SMALL)
@torch.inference_mode()
def test_images_of_a_batch_do_not_mix(variant: str) -> None:
    network = build(variant)
    both = inputs(network, (2, network.config.in_channels, 10, 11))
    together = network(*both)
    for i in range(2):
        alone = network(*[t[i : i + 1] for t in both])
        assert torch.allclose(together[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("variant", [v for v in SMALL if "dn-resnet" not in v])
@torch.inference_mode()
def test_folded_batch_norm_gives_the_same(variant: str) -> None:
    network = build(variant)
    noisy = inputs(network, (1, network.config.in_channels, 16, 15))
    before = network(*noisy)
    fold_batch_norm(network)
    left = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert left == []
    assert torch.allclose(network(*noisy), before, atol=1e-5)


def reach(output: torch.Tensor, image: torch.Tensor, factor: int) -> int:
    """Farthest pixel that the pixels of one grid cell in the middle depend on."""
    centre = output.shape[-1] // 2 // factor * factor
    farthest = 0
    for y in range(centre, centre + factor):
        for x in range(centre, centre + factor):
            (gradient,) = torch.autograd.grad(
                output[0, :, y, x].sum(), image, retain_graph=True
            )
            rows, columns = gradient[0].abs().sum(0).nonzero().unbind(1)
            distances = torch.cat([(rows - y).abs(), (columns - x).abs()])
            farthest = max(farthest, int(distances.max()))
    return farthest


@pytest.mark.parametrize("variant", SMALL)
def test_radii_are_exact(variant: str) -> None:
    network = build(variant, in_channels=1)
    factor = getattr(network.config, "unshuffle", 1)
    guided = hasattr(network, "guide_radius")
    for name, value in network.state_dict().items():
        if value.ndim == 4:  # all positive: nothing cancels
            value.copy_(value.abs() + 0.1 / value[0].numel())
        elif name.endswith(("bias", "running_mean")):
            value.zero_()
    for module in network.modules():
        if isinstance(module, ChannelAttention):
            module.pooling = lambda f: torch.ones(len(f), f.shape[1], 1, 1)
    radius = max(network.receptive_radius, network.guide_radius if guided else 0)
    side = 2 * (radius + 2 * factor) + 1
    noisy = [t.requires_grad_() for t in inputs(network, (1, 1, side, side))]
    output = network(*noisy)
    assert reach(output, noisy[0], factor) == network.receptive_radius
    if guided:
        assert reach(output, noisy[1], factor) == network.guide_radius

"""Each family against its formula, written out with plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.networks.gradnet import interleave_order
from napari_gradnet.networks.grid import Grid
from napari_gradnet.networks.pipeline import Pipeline
from napari_gradnet.networks.registry import build_network
from napari_gradnet.networks.sobel import SobelGradient

from .variants import fill, image, inputs, wave

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, torch.Tensor]


def filled(name: str, **options: object) -> torch.nn.Module:
    network = build_network(name, **options).eval()
    fill(network)
    return network


def conv(state: State, name: str, features: Tensor, **options: int) -> Tensor:
    weight = state[f"{name}.weight"]
    options.setdefault("padding", weight.shape[-1] // 2)
    return F.conv2d(features, weight, state.get(f"{name}.bias"), **options)


def batch_norm(state: State, name: str, features: Tensor) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(features, *(state[f"{name}.{n}"] for n in names), eps=1e-5)


def res_unit(state: State, name: str, features: Tensor) -> Tensor:
    inner = conv(state, f"{name}.conv1", features)
    inner = conv(
        state, f"{name}.conv2", F.relu(batch_norm(state, f"{name}.norm", inner))
    )
    return F.relu(features + inner)


def attention(state: State, name: str, features: Tensor) -> Tensor:
    hidden = F.relu(conv(state, f"{name}.squeeze", features.mean((2, 3), keepdim=True)))
    return features * conv(state, f"{name}.excite", hidden).sigmoid()


def residual_modules(state: State, features: Tensor, *, concat: bool) -> Tensor:
    result = features
    for module in (f"body.blocks.{i}" for i in range(2)):
        inner = result
        for unit in range(2):
            inner = res_unit(state, f"{module}.units.{unit}", inner)
        if concat:
            inner = conv(state, f"{module}.merge", torch.cat([result, inner], 1))
        else:
            inner = result + inner
        result = attention(state, f"{module}.attention", inner)
    return features + result


def middle(state: State, name: str, features: Tensor) -> Tensor:
    """Two layers: convolution, BatchNorm, ReLU."""
    for i in (0, 3):
        inner = conv(state, f"{name}.{i}", features)
        features = F.relu(batch_norm(state, f"{name}.{i + 1}", inner))
    return features


@torch.inference_mode()
def test_dncnn_takes_its_noise_from_the_input() -> None:
    network = filled("dncnn", num_features=5, depth=4)
    state, noisy = network.state_dict(), image((1, 3, 9, 8))
    features = middle(state, "body", F.relu(conv(state, "head", noisy)))
    expected = noisy - conv(state, "tail", features)
    assert torch.allclose(network(noisy), expected, atol=1e-5)


@pytest.mark.parametrize("skip", [False, True])
@torch.inference_mode()
def test_skdncnn_sees_the_first_features_again(skip: bool) -> None:
    network = filled("skdncnn", num_features=5, depth=4, global_skip=skip)
    state, noisy = network.state_dict(), image((1, 3, 9, 8))
    first = F.relu(conv(state, "head", noisy))
    joined = torch.cat([first, middle(state, "body", first)], 1)
    expected = conv(state, "tail", joined) + noisy * skip
    assert torch.allclose(network(noisy), expected, atol=1e-5)


@pytest.mark.parametrize("medium_skip", ["concat", "add"])
@torch.inference_mode()
def test_mskresnet(medium_skip: str) -> None:
    network = filled(
        "mskresnet",
        num_features=6,
        num_modules=2,
        num_units=2,
        reduction=2,
        medium_skip=medium_skip,
    )
    state, noisy = network.state_dict(), image((1, 3, 9, 8))
    features = F.relu(conv(state, "head", noisy))
    concat = medium_skip == "concat"
    features = residual_modules(state, features, concat=concat)
    expected = noisy + conv(state, "tail", features)
    assert torch.allclose(network(noisy), expected, atol=1e-4)


def sobel(guide: Tensor) -> Tensor:
    return torch.from_numpy(sobel_gradient(guide.double().numpy())).float()


@pytest.mark.parametrize("fusion", ["I", "II", "III"])
@pytest.mark.parametrize("backbone", ["mskresnet", "skdncnn"])
@torch.inference_mode()
def test_gradnet_fuses_where_it_says(backbone: str, fusion: str) -> None:
    network = filled(
        "gradnet",
        num_features=6,
        num_modules=2,
        num_units=2,
        depth=4,
        backbone=backbone,
        fusion=fusion,
    )
    state = network.state_dict()
    noisy, guide = inputs(network, (1, 3, 9, 8))
    gradient = sobel(guide)

    def fuse(features: Tensor, where: str) -> Tensor:
        return torch.cat([features, gradient], 1) if where == fusion else features

    features = F.relu(conv(state, "head", fuse(noisy, "I")))
    features = fuse(features, "II")
    if backbone == "mskresnet":
        features = residual_modules(state, features, concat=True)
    else:
        inner = middle(state, "body.layers", features)
        features = torch.cat([features, inner], 1)
    expected = noisy + conv(state, "tail", fuse(features, "III"))
    assert torch.allclose(network(noisy, guide), expected, atol=1e-4)


@torch.inference_mode()
def test_gradient_mixup_interleaves_the_copies() -> None:
    options = {"num_features": 6, "backbone": "skdncnn", "depth": 4, "in_channels": 1}
    network = filled("gradnet", gradient_copies=3, **options)
    state = network.state_dict()
    noisy, guide = inputs(network, (1, 1, 9, 8))
    gradient = sobel(guide)
    head = F.relu(conv(state, "head", noisy))
    mixed = []  # two features, one gradient, and again
    for i in range(3):
        mixed += [head[:, 2 * i : 2 * i + 2], gradient]
    features = torch.cat(mixed, 1)
    joined = torch.cat([features, middle(state, "body.layers", features)], 1)
    expected = noisy + conv(state, "tail", joined)
    assert torch.allclose(network(noisy, guide), expected, atol=1e-5)


@torch.inference_mode()
def test_dn_resnet() -> None:
    network = filled("ds-dn-resnet", depth=7, num_separable=1)
    state, noisy = network.state_dict(), image((1, 1, 9, 8))
    features = F.relu(conv(state, "shrink", F.relu(conv(state, "head", noisy))))
    inner = F.relu(conv(state, "blocks.0.conv1", features))
    features = features + conv(state, "blocks.0.conv2", inner)
    inner = F.relu(conv(state, "blocks.1.depthwise", features, groups=32))
    features = features + F.relu(conv(state, "blocks.1.pointwise", inner))
    expected = conv(state, "tail", features)
    assert torch.allclose(network(noisy), expected, atol=1e-5)


def test_dn_resnets_first_weights_are_gaussian() -> None:
    network = build_network("dn-resnet", depth=3)
    network.initialise(torch.Generator().manual_seed(0))
    weights = network.shrink.weight.detach()
    assert float(weights.std()) == pytest.approx(0.001, rel=0.02)
    assert float(weights.mean()) == pytest.approx(0, abs=2e-5)


def test_gradnets_first_weights_are_kaimings() -> None:
    network = build_network("gradnet", num_modules=1, num_units=1)
    network.initialise(torch.Generator().manual_seed(0))
    merge = network.body.blocks[0].merge
    expected = (2 / (134 * 9)) ** 0.5
    assert float(merge.weight.detach().std()) == pytest.approx(expected, rel=0.02)
    assert not merge.bias.any()


@pytest.mark.parametrize(
    ("name", "options"),
    [("dncnn", {}), ("skdncnn", {}), ("gradnet", {"backbone": "skdncnn"})],
)
@torch.inference_mode()
def test_plain_networks_begin_by_handing_features_on(
    name: str, options: dict[str, str]
) -> None:
    network = build_network(name, depth=20, batch_norm=False, **options)
    network.initialise(torch.Generator().manual_seed(0))
    layers = network.plain_layers()
    assert len(layers) == 18
    for layer in layers:
        features = image((1, layer.in_channels, 16, 16)) - 0.5
        inner = torch.corrcoef(torch.stack([features, layer(features)]).flatten(1))
        assert 0.8 < float(inner[0, 1]) < 0.99


@pytest.mark.parametrize(("features", "gradients"), [(64, 36), (6, 9), (5, 5), (64, 1)])
def test_interleave_order_is_an_even_permutation(features: int, gradients: int) -> None:
    order = interleave_order(features, gradients)
    total = features + gradients
    assert sorted(order) == list(range(total))
    kept = [c for c in order if c < features]
    assert kept == sorted(kept)
    places = [p for p, c in enumerate(order) if c >= features]
    assert [order[p] - features for p in places] == list(range(gradients))
    gaps = np.diff([-1, *places])
    assert {total // gradients, -(-total // gradients)} >= set(gaps.tolist())


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 1, 6), (1, 2, 13, 9)])
def test_sobel_layer_equals_the_reference(shape: tuple[int, ...]) -> None:
    layer, picture = SobelGradient(), image(shape)
    exact = picture.double().numpy()
    horizontal, vertical = layer.components(picture)
    for found, kind in [
        (horizontal, "horizontal"),
        (vertical, "vertical"),
        (layer(picture), "magnitude"),
    ]:
        assert np.allclose(found.numpy(), sobel_gradient(exact, kind), atol=1e-5)


def test_sobel_layer_has_a_finite_derivative_where_nothing_changes() -> None:
    flat = torch.full((1, 1, 5, 5), 0.5, requires_grad=True)
    SobelGradient()(flat).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_sobel_layer_is_computed_in_float32() -> None:
    picture = image((1, 1, 9, 9)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = SobelGradient()(picture)
    assert found.dtype == torch.float32
    assert np.allclose(found, sobel_gradient(picture.double().numpy()), atol=1e-5)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [(1, 1), (7, 16), (24, 5)])
def test_grid_there_and_back(factor: int, size: tuple[int, int]) -> None:
    grid, picture = Grid(factor), wave((2, 3, *size), 0.0)
    coarse = grid(picture)
    cells = tuple(-(-n // factor) for n in size)
    assert coarse.shape == (2, 3 * factor**2, *cells)
    assert torch.equal(grid.back(coarse, picture), picture)


@torch.inference_mode()
def test_pipeline_feeds_the_gradnet_with_its_guide_network() -> None:
    options = {"num_features": 6, "num_modules": 1, "num_units": 1}
    main = filled("gradnet", **options)
    naive = filled("dncnn", num_features=5, depth=4)
    pipeline = Pipeline(main, naive).eval()
    noisy, oracle = inputs(main, (1, 3, 12, 10))
    assert torch.equal(pipeline(noisy), main(noisy, naive(noisy)))
    assert torch.equal(pipeline(noisy, oracle), main(noisy, oracle))
    assert not torch.allclose(pipeline(noisy), pipeline(noisy, oracle))
    assert (pipeline.is_guided, pipeline.needs_guide) == (True, False)
    assert Pipeline(main).needs_guide
    assert not Pipeline(naive).is_guided


def test_pipeline_sees_as_far_as_guide_and_network_together() -> None:
    small = {"num_features": 4, "num_modules": 1, "num_units": 1}
    main = build_network("gradnet", **small)  # 1 + 2 + 1 + 1 convolutions
    naive = build_network("dncnn", num_features=4, depth=9)
    assert main.receptive_radius == 5
    assert main.guide_radius == 5  # without the first convolution, with Sobel
    assert Pipeline(main, naive).receptive_radius == 5 + 9
    assert Pipeline(main).receptive_radius == 5


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(1, 2, 2), (4, 2, 4), (2, 3, 6)]
)
def test_pipeline_alignment_suits_both_grids(
    first: int, second: int, expected: int
) -> None:
    small = {"num_features": 4, "num_modules": 1, "num_units": 1}
    main = build_network("gradnet", unshuffle=first, **small)
    naive = build_network("dncnn", num_features=4, depth=3, unshuffle=second)
    assert Pipeline(main, naive).alignment == expected

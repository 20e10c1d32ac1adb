"""Layers that run on some rows at a time, in one layout and one precision."""

from __future__ import annotations

import pytest
import torch
from tests.tiny_models import tiny_model
from torch import Tensor, nn

from napari_gradnet.config.network import MSKResNetConfig
from napari_gradnet.networks import blocks
from napari_gradnet.networks.blocks import conv3x3, global_average, in_strips
from napari_gradnet.networks.mskresnet import ResidualModules


@pytest.fixture
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_STRIP_VALUES", 1)
    monkeypatch.setattr(blocks, "_STRIP_RADII", 1)


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 20, 31])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@torch.inference_mode()
def test_strips_equal_the_whole(rows: int, layout: torch.memory_format) -> None:
    layers = nn.Sequential(conv3x3(4, 6), nn.ReLU(), conv3x3(6, 5))
    whole = image(2, 4, rows, 9).contiguous(memory_format=layout)
    seen = []

    def watched(part: Tensor) -> Tensor:
        seen.append(part.shape[2])
        return layers(part)

    result = in_strips(watched, whole, 2, 6)
    assert len(seen) == -(-rows // 2) if rows > 2 else len(seen) == 1
    assert max(seen) <= 2 + 2 * 2
    torch.testing.assert_close(result, layers(whole))
    assert result.is_contiguous(memory_format=layout)


@pytest.mark.usefixtures("small_strips")
def test_training_sees_all_rows_at_once() -> None:
    layer = conv3x3(3, 3)
    seen = []

    def watched(part: Tensor) -> Tensor:
        seen.append(part.shape)
        return layer(part)

    in_strips(watched, image(1, 3, 40, 8), 1, 3).sum().backward()
    assert seen == [(1, 3, 40, 8)]
    assert layer.weight.grad is not None


@pytest.mark.parametrize("name", ["grey-attention", "gradnet", "attention-guide"])
def test_networks_in_strips_equal_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, header = tiny_model(name)
    noisy = image(1, header.channels, 61, 23)
    with torch.inference_mode():
        whole = pipeline(noisy)
        monkeypatch.setattr(blocks, "_STRIP_VALUES", 1)
        monkeypatch.setattr(blocks, "_STRIP_RADII", 1)
        calls = []
        module = pipeline.network.body.blocks[0]
        module.units.register_forward_hook(lambda *_: calls.append(0))
        cut = pipeline(noisy)
    assert len(calls) > 5
    torch.testing.assert_close(cut, whole)
    # and what gradients need, nothing overwrites
    noisy.requires_grad_()
    torch.testing.assert_close(pipeline(noisy).detach(), whole)
    pipeline(noisy).sum().backward()


@pytest.mark.parametrize("name", ["grey-attention", "gradnet"])
def test_residual_modules_keep_one_layout_and_16_bits(name: str) -> None:
    pipeline, header = tiny_model(name)
    pipeline.to(memory_format=torch.channels_last)
    found = {}

    def watch(place: str) -> object:
        def note(_: object, given: tuple[Tensor, ...]) -> None:
            last = given[0].is_contiguous(memory_format=torch.channels_last)
            found[place] = (given[0].dtype, last)

        return note

    body = pipeline.network.body
    for place, layer in body.named_modules():
        if isinstance(layer, nn.Conv2d) and "attention" not in place:
            layer.register_forward_pre_hook(watch(place))
    noisy = image(1, header.channels, 24, 32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        pipeline(noisy.contiguous(memory_format=torch.channels_last))
    exact = f"blocks.{len(body.blocks) - 1}.merge"
    assert len(found) == 3 * len(body.blocks)
    assert found.pop(exact) == (torch.float32, True)
    assert set(found.values()) == {(torch.bfloat16, True)}


@pytest.mark.parametrize("skip", ["concat", "add"])
@torch.inference_mode()
def test_long_skip_stays_exact_in_16_bits(skip: str) -> None:
    config = MSKResNetConfig(num_features=8, num_modules=1, medium_skip=skip)
    modules = ResidualModules(8, config).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert modules(image(1, 8, 9, 9)).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_global_average_is_exact(dtype: torch.dtype) -> None:
    features = image(2, 3, 70, 41).to(dtype)
    expected = features.double().mean((2, 3), keepdim=True)
    assert global_average(features).dtype == torch.float32
    torch.testing.assert_close(global_average(features).double(), expected)

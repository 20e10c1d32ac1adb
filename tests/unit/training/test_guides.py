"""Guides: networks, BM3D with its cache, the clean and the noisy image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_gradnet.config.training import LossConfig
from napari_gradnet.errors import ConfigError
from napari_gradnet.losses import Loss
from napari_gradnet.training import bm3d_guide
from napari_gradnet.training.bm3d_guide import BM3DCache
from napari_gradnet.training.events import EpochDone, Validated
from napari_gradnet.training.run import load_experiment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]

NETWORK = {
    "name": "gradnet",
    "in_channels": 1,
    "num_features": 4,
    "num_modules": 1,
    "num_units": 1,
}
DNCNN = {"name": "dncnn", "in_channels": 1, "num_features": 4, "depth": 3}


@pytest.fixture
def halved(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """BM3D replaced by half the image; the sigmas it was told."""
    told: list[Any] = []

    def half(image: Any, method: str, sigma: Any) -> Any:
        assert method == "bm3d"
        told.append(sigma)
        return 0.5 * image

    monkeypatch.setattr(bm3d_guide, "denoise_plane", half)
    return told


def test_bm3d_denoises() -> None:
    clean = torch.linspace(0, 1, 40).repeat(40, 1)[None, None]
    generator = torch.Generator().manual_seed(0)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    guide = BM3DCache(None, sigma=25.5)(noisy)
    assert float((guide - clean).square().mean()) < 0.15 * 0.1**2


def test_results_come_back_from_disk(tmp_path: Path, halved: list[Any]) -> None:
    batch = torch.rand(3, 1, 16, 16)
    first = BM3DCache(tmp_path / "cache", sigma=51)
    one = first(batch)
    assert halved == [pytest.approx(0.2)] * 3
    torch.testing.assert_close(one, 0.5 * batch, atol=5e-4, rtol=0)
    second = BM3DCache(tmp_path / "cache", sigma=51)
    assert torch.equal(second(batch), one)
    assert (second.computed, second.found) == (0, 1)
    # another image, another sigma: computed anew
    second(batch + 1e-6)
    BM3DCache(tmp_path / "cache", sigma=50)(batch)
    assert len(halved) == 9
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_sigma_is_estimated_from_each_patch(halved: list[Any]) -> None:
    rng = np.random.default_rng(0)
    levels = np.array([0.05, 0.2])[:, None, None, None]
    batch = torch.from_numpy(0.5 + levels * rng.normal(size=(2, 1, 48, 48))).float()
    BM3DCache(None)(batch)
    assert np.ravel(sorted(map(float, map(np.mean, halved)))) == pytest.approx(
        [0.05, 0.2], rel=0.15
    )


def test_bm3d_runs_once_a_noise_draw(
    config: Config, start: Start, halved: list[Any]
) -> None:
    values = config(
        network=NETWORK,
        guide={"kind": "bm3d", "sigma": 40, "num_draws": 2},
        training={"num_epochs": 6},
    )
    trainer = start(values)
    calls = [len(halved) for e in trainer.run() if isinstance(e, EpochDone)]
    # the two validation images once, and 24 patches in each of two epochs
    assert calls == [26, 50, 50, 50, 50, 50]
    assert trainer.learner.guided.bm3d.folder == trainer.folder.path / "bm3d-cache"


@pytest.mark.parametrize("kind", ["clean", "noisy"])
def test_bounds_take_the_image_itself(kind: str, config: Config, start: Start) -> None:
    trainer = start(config(network=NETWORK, guide={"kind": kind}))
    noisy, clean = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    guide = trainer.learner.guided.given_guide(noisy, clean)
    assert guide is (clean if kind == "clean" else noisy)
    # and the network sees its gradient
    pipeline = trainer.pipeline.eval()
    given, _ = trainer.learner.guided.denoise(noisy, guide)
    assert torch.equal(given, pipeline.network(noisy, guide))
    assert not torch.equal(given, pipeline.network(noisy, 2 * guide))


def test_joint_loss_by_hand(config: Config, start: Start) -> None:
    values = config(
        network=NETWORK,
        guide={"kind": "network", "network": DNCNN},
        loss={"gradient_weight": 0.1, "guide_weight": 0.5},
    )
    guided = start(values).learner.guided
    guided.eval()
    noisy, clean = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    loss = Loss(LossConfig(gradient_weight=0.1))
    guide = guided.pipeline.guide(noisy)
    expected = loss(guided.pipeline.network(noisy, guide), clean)
    expected = expected + 0.5 * loss(guide, clean)
    torch.testing.assert_close(guided(noisy, clean), expected)


def test_no_gradient_passes_from_the_main_loss_to_the_guide(
    config: Config, start: Start
) -> None:
    guide = {"kind": "network", "network": DNCNN}
    guided = start(config(network=NETWORK, guide=guide)).learner.guided
    noisy = torch.rand(2, 1, 16, 16)
    denoised, image = guided.denoise(noisy)
    denoised.square().mean().backward(retain_graph=True)
    assert all(p.grad is None for p in guided.pipeline.guide.parameters())
    image.square().mean().backward()
    assert all(p.grad is not None for p in guided.pipeline.guide.parameters())


def test_frozen_guide_stays_as_it_was(
    config: Config, start: Start, tmp_path: Path
) -> None:
    for _ in start(config(network=DNCNN, training={"num_epochs": 1}), "naive").run():
        pass
    model = str(tmp_path / "naive/tiny.safetensors")
    guide = {"kind": "network", "network": DNCNN, "training": "frozen", "model": model}
    trainer = start(config(network=NETWORK, guide=guide), "main")
    before = {k: v.clone() for k, v in trainer.pipeline.guide.state_dict().items()}
    events = list(trainer.run())
    for key, value in trainer.pipeline.guide.state_dict().items():
        assert torch.equal(value, before[key])  # running means of BatchNorm too
    psnrs = {e.guide_psnr for e in events if isinstance(e, Validated)}
    assert len(psnrs) == 1


def test_frozen_guide_needs_a_model(config: Config) -> None:
    guide = {"kind": "network", "network": DNCNN, "training": "frozen"}
    with pytest.raises(ConfigError, match=r"give model=FILE\.safetensors"):
        load_experiment(config(network=NETWORK, guide=guide))


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        ({"name": "dncnn"}, r"guide\.network\.in_channels=3 must be .*set it to 1"),
        (NETWORK, "gradnet needs a guide itself"),
    ],
)
def test_networks_that_cannot_guide(
    guide: dict[str, Any], message: str, config: Config
) -> None:
    values = config(network=NETWORK, guide={"kind": "network", "network": guide})
    with pytest.raises(ConfigError, match=message):
        load_experiment(values)


def test_results_that_are_not_needed_again_are_not_kept(
    config: Config, start: Start, halved: list[Any]
) -> None:
    values = config(
        network=NETWORK,
        guide={"kind": "bm3d", "sigma": 40},
        training={"num_epochs": 2},
    )
    trainer = start(values)
    calls = [len(halved) for e in trainer.run() if isinstance(e, EpochDone)]
    assert calls == [26, 50]  # the two validation images once
    assert len(list((trainer.folder.path / "bm3d-cache").rglob("*.npy"))) == 2


def test_a_full_disk_leaves_no_torn_result(
    tmp_path: Path, halved: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        msg = "no space left on device"
        raise OSError(msg)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space left"):
        BM3DCache(tmp_path / "cache", sigma=51)(torch.rand(1, 1, 16, 16))
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]

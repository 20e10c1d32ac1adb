"""Losses against hand computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gradnet.config.training import LossConfig
from napari_gradnet.losses import CHARBONNIER_EPS, LOG_EPS, Loss


def batch(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (2, 3, 7, 9)
    pair = rng.random((2, *shape), np.float32)
    return torch.from_numpy(pair[0]), torch.from_numpy(pair[1])


def sobel_by_hand(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal and vertical gradients in loops, the borders repeated."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    both = np.zeros((2, *image.shape))
    weights = ((-1, 1), (0, 2), (1, 1))
    for y, x in np.ndindex(image.shape[2:]):
        window = padded[:, :, y : y + 3, x : x + 3]
        for offset, weight in weights:
            row, column = window[:, :, 1 + offset], window[:, :, :, 1 + offset]
            both[0, :, :, y, x] += weight * (row[:, :, 2] - row[:, :, 0])
            both[1, :, :, y, x] += weight * (column[:, :, 2] - column[:, :, 0])
    return both[0], both[1]


@pytest.mark.parametrize("pixel", ["l1", "l2", "log-l2", "charbonnier"])
def test_pixel_loss(rng: np.random.Generator, pixel: str) -> None:
    denoised, clean = batch(rng)
    error = denoised.double().numpy() - clean.double().numpy()
    expected = {
        "l1": np.abs(error).mean(),
        "l2": (error**2).mean(),
        "log-l2": np.log((error**2).mean((1, 2, 3)) + LOG_EPS**2).mean(),
        "charbonnier": np.sqrt(error**2 + CHARBONNIER_EPS**2).mean(),
    }[pixel]
    loss = Loss(LossConfig(pixel=pixel, gradient_weight=0))
    assert float(loss(denoised, clean)) == pytest.approx(expected, rel=1e-6)


def test_log_l2_is_not_ruled_by_patches_without_noise(rng: np.random.Generator) -> None:
    error = rng.normal(0, 1, (3, 1, 16, 16)).astype(np.float32)
    error *= np.array([0.1, 5, 50], np.float32)[:, None, None, None] / 255
    denoised = torch.from_numpy(error).requires_grad_()
    loss = Loss(LossConfig(pixel="log-l2", gradient_weight=0))
    loss(denoised, torch.zeros_like(denoised)).backward()
    assert denoised.grad is not None
    hardly, some, much = denoised.grad.square().mean((1, 2, 3)).sqrt().tolist()
    assert hardly < some
    assert much < some < 10 * much


@pytest.mark.parametrize("weight", [0.1, 1.1])
def test_gradient_consistency(rng: np.random.Generator, weight: float) -> None:
    # GradNet eq. 4-6, all means: |x~ - x| + lambda (|dG_H| + |dG_V|)
    denoised, clean = batch(rng)
    pairs = zip(
        sobel_by_hand(denoised.double().numpy()),
        sobel_by_hand(clean.double().numpy()),
        strict=True,
    )
    consistency = sum(np.abs(a - b).mean() for a, b in pairs)
    expected = float((denoised - clean).abs().mean()) + weight * consistency
    loss = Loss(LossConfig(gradient_weight=weight))
    assert float(loss(denoised, clean)) == pytest.approx(expected, rel=1e-5)


def test_the_papers_weight_is_the_default() -> None:
    config = LossConfig()
    assert (config.pixel, config.gradient_weight) == ("l1", 0.1)


def test_loss_of_the_target_is_zero(rng: np.random.Generator) -> None:
    _, clean = batch(rng)
    assert float(Loss(LossConfig())(clean, clean)) == 0


def test_loss_does_not_depend_on_the_patch_size(rng: np.random.Generator) -> None:
    loss = Loss(LossConfig())
    small, large = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 32, 32)
    # a constant error has no gradient
    assert float(loss(small + 0.25, small)) == pytest.approx(0.25)
    assert float(loss(large + 0.25, large)) == pytest.approx(0.25)


def test_loss_in_16_bits_is_computed_in_float32() -> None:
    denoised = torch.full((1, 1, 64, 64), 0.5, dtype=torch.bfloat16)
    result = Loss(LossConfig())(denoised, torch.full((1, 1, 64, 64), 0.501))
    assert result.dtype == torch.float32
    assert float(result) == pytest.approx(0.001, rel=1e-4)


def test_gradient_of_the_loss_is_finite_everywhere(rng: np.random.Generator) -> None:
    _, clean = batch(rng)
    denoised = clean.clone().requires_grad_()
    Loss(LossConfig(pixel="charbonnier"))(denoised, clean).backward()
    assert torch.isfinite(denoised.grad).all()

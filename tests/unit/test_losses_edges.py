"""Edge-aware and gradient-weighted losses, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gradnet.config.training import LossConfig
from napari_gradnet.losses import Loss

#: A step of 0.4 between the second and the third of four columns.
CLEAN = torch.tensor([[0.1, 0.1, 0.5, 0.5]] * 3)[None, None]
#: Its Sobel magnitude, borders repeated: 4 * 0.4 beside the step, 0 elsewhere.
MAGNITUDE = np.array([[0.0, 1.6, 1.6, 0.0]] * 3)
ERROR = np.array([[0.1, 0.2, -0.3, 0.4], [0.0, 0.1, 0.0, -0.1], [0.2, 0.0, 0.1, 0.0]])
DENOISED = CLEAN + torch.from_numpy(ERROR).float()
MSE = float((ERROR**2).mean())


def loss(**values: object) -> float:
    config = LossConfig.model_validate({"gradient_weight": 0, **values})
    return float(Loss(config)(DENOISED, CLEAN))


def test_gradient_weighted_l1() -> None:
    """GradNet-IV: only the two columns at the step count, 1.6 times."""
    by_hand = 1.6 * (0.2 + 0.3 + 0.1 + 0.0 + 0.0 + 0.1) / 12
    assert loss(pixel="gradient-weighted-l1") == pytest.approx(by_hand, rel=1e-5)


def test_edge_a() -> None:
    squares = 1.6**2 * (0.2**2 + 0.3**2 + 0.1**2 + 0.1**2) / 12
    expected = MSE + 0.025 * squares
    assert loss(pixel="l2", edge="a") == pytest.approx(expected, rel=1e-5)
    heavier = MSE + 2.0 * squares
    assert loss(pixel="l2", edge="a", edge_weight=2) == pytest.approx(heavier, rel=1e-5)


def test_edge_b() -> None:
    """1.6 * 255 = 408 levels is an edge at 150, and is none at 409."""
    squares = (0.2**2 + 0.3**2 + 0.1**2 + 0.1**2) / 12
    assert loss(pixel="l2", edge="b") == pytest.approx(MSE + 4 * squares, rel=1e-5)
    assert loss(pixel="l2", edge="b", edge_threshold=409) == pytest.approx(MSE)
    assert loss(pixel="l2", edge="b", edge_threshold=407) > MSE * 1.01


def test_every_pixel_is_an_edge_above_no_threshold() -> None:
    value = loss(pixel="l2", edge="b", edge_threshold=0, edge_weight=1)
    assert value == pytest.approx(2 * MSE, rel=1e-5)


def test_no_edge_term_by_default() -> None:
    assert loss(pixel="l2") == pytest.approx(MSE, rel=1e-6)


def test_weights_of_zero_take_the_term_away() -> None:
    assert loss(pixel="l2", edge="a", edge_weight=0) == pytest.approx(MSE, rel=1e-6)


def test_terms_add_up_with_gradient_consistency() -> None:
    plain = loss(pixel="l2", edge="a")
    both = loss(pixel="l2", edge="a", gradient_weight=0.5)
    consistency = loss(pixel="l2", gradient_weight=0.5) - MSE
    assert both == pytest.approx(plain + consistency, rel=1e-5)


@pytest.mark.parametrize("values", [{"edge": "a"}, {"pixel": "gradient-weighted-l1"}])
def test_gradients_reach_the_denoised_image_and_are_finite(values: dict) -> None:
    config = LossConfig.model_validate({"gradient_weight": 0, **values})
    flat = torch.full((1, 3, 8, 8), 0.5)
    denoised = (flat + 0.1).requires_grad_()
    step = flat.clone()
    step[..., 4:] = 0.9
    Loss(config)(denoised, step).backward()
    assert denoised.grad is not None
    assert bool(torch.isfinite(denoised.grad).all())
    assert float(denoised.grad.abs().max()) > 0

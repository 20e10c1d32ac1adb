"""Learning rates to the letter, and the weights' average by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from napari_gradnet.config.training import TrainingConfig
from napari_gradnet.training.optimize import MovingAverage, Schedule


def test_plateau_rule_of_the_paper() -> None:
    """1e-3, / 5 after 60 epochs, then / 5 after 20 without a gain, end below 1e-6."""
    schedule = Schedule(TrainingConfig())
    rates, stopped = [], None
    for epoch in range(1, 400):
        rates.append(schedule.learning_rate(0, 0.0))
        # a gain every epoch until 100, then none
        psnr = 20 + 0.01 * min(epoch, 100)
        if schedule.after_epoch(epoch, psnr):
            stopped = epoch
            break
    drops = [n for n in range(1, len(rates)) if rates[n] != rates[n - 1]]
    # epochs 1-60, 61-120 (the gain of epoch 100 plus 20), then every 20
    assert drops == [60, 120, 140, 160]
    assert rates[0] == 1e-3
    assert rates[-1] == pytest.approx(1e-3 / 5**4)
    assert stopped == 180  # 1e-3 / 5**5 is below 1e-6


def test_no_drop_before_the_first() -> None:
    schedule = Schedule(TrainingConfig(first_drop_epoch=30, patience=5))
    for epoch in range(1, 30):
        assert not schedule.after_epoch(epoch, 20.0)
    assert schedule.factor == 1
    schedule.after_epoch(30, 20.0)
    assert schedule.factor == pytest.approx(0.2)
    # patience counts from the drop, not from the best epoch long before it
    for epoch in range(31, 35):
        schedule.after_epoch(epoch, 20.0)
    assert schedule.factor == pytest.approx(0.2)
    schedule.after_epoch(35, 20.0)
    assert schedule.factor == pytest.approx(0.04)


def test_a_gain_starts_patience_anew() -> None:
    schedule = Schedule(TrainingConfig(first_drop_epoch=1, patience=3))
    psnrs = [20.0, 19.0, 19.5, 20.1, 20.0, 20.1, 20.1]
    factors = []
    for epoch, psnr in enumerate(psnrs, 1):
        schedule.after_epoch(epoch, psnr)
        factors.append(round(schedule.factor, 6))
    assert factors == [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.04]


def test_patience_does_not_end_between_validations() -> None:
    schedule = Schedule(TrainingConfig(first_drop_epoch=1, patience=3))
    factors = []
    for epoch in range(1, 21):
        due = epoch % 5 == 0
        psnr = float(min(epoch, 15)) if due else None
        schedule.after_epoch(epoch, psnr, judged=due)
        factors.append(round(schedule.factor, 6))
    # gains at 5, 10 and 15; none at 20
    assert factors == [0.2] * 19 + [0.04]


def test_cosine_with_warm_up() -> None:
    config = TrainingConfig(schedule="cosine", warmup_steps=4, learning_rate=0.1)
    schedule = Schedule(config)
    assert schedule.learning_rate(0, 0.0) == pytest.approx(0.025)
    assert schedule.learning_rate(3, 0.0) == pytest.approx(0.1)
    assert schedule.learning_rate(50, 0.5) == pytest.approx(0.05)
    assert schedule.learning_rate(75, 0.75) == pytest.approx(
        0.05 * (1 + math.cos(0.75 * math.pi))
    )
    assert schedule.learning_rate(100, 1.0) == pytest.approx(0, abs=1e-12)
    assert not schedule.after_epoch(500, None)


def test_constant() -> None:
    schedule = Schedule(TrainingConfig(schedule="constant", learning_rate=1e-4))
    for epoch in range(1, 300):
        assert not schedule.after_epoch(epoch, 1.0)
    assert schedule.learning_rate(9999, 0.9) == 1e-4


def test_moving_average_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    values = [1.0, 3.0, -2.0, 5.0]
    with torch.no_grad():
        network.weight.fill_(values[0])
    average = MovingAverage(network, 0.2)
    expected = values[0]
    for step, value in enumerate(values[1:], 1):
        with torch.no_grad():
            network.weight.fill_(value)
        average.update(network, step)
        decay = min(0.2, step / (step + 10))
        expected = decay * expected + (1 - decay) * value
    assert float(average.state["weight"]) == pytest.approx(expected, rel=1e-6)


def test_no_average_follows_the_network() -> None:
    network = nn.Linear(2, 2)
    average = MovingAverage(network, 0.0)
    with torch.no_grad():
        network.weight.fill_(7.0)
    average.update(network, 1)
    assert torch.equal(average.state["weight"], network.weight)

"""What validation measures, and what float16 weights lose."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from napari_gradnet.config.noise import GaussianNoise
from napari_gradnet.data.held_out import HeldOut
from napari_gradnet.training.validate import lost_by_rounding, validate

CPU = torch.device("cpu")


class Shifted(nn.Module):
    """Takes the noisy image for the clean one and adds its only weight."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.pipeline = nn.Module()
        self.pipeline.offset = nn.Parameter(torch.tensor(offset))

    def given_guide(self, noisy: Tensor, clean: Tensor) -> None:
        return None

    def denoise(self, noisy: Tensor, guide: None) -> tuple[Tensor, None]:
        return noisy + self.pipeline.offset, guide


@pytest.mark.parametrize("offset", [0.0, 1e-8, 0.1])
def test_the_loss_is_that_of_rounded_weights(offset: float) -> None:
    images = [HeldOut(torch.full((1, 64, 64), 0.5), None)] * 2
    noises = [GaussianNoise(sigma=0.1), GaussianNoise(sigma=10.0)]
    guided = Shifted(offset)
    rounded = Shifted(float(torch.tensor(offset).half()))
    found = lost_by_rounding(guided, images, noises, CPU)
    wanted = [
        one - two
        for one, two in zip(
            validate(guided, images, noises, CPU).denoised,
            validate(rounded, images, noises, CPU).denoised,
            strict=True,
        )
    ]
    assert found == max(wanted)
    if offset == 0.1:  # float16 holds 0.09998
        assert found != 0
    assert guided.pipeline.offset.item() == pytest.approx(offset, rel=1e-6)
    assert guided.training


def test_both_sides_are_clipped() -> None:
    """Beads beyond white, in data without a fixed scale, are no errors."""
    bead = torch.full((1, 64, 64), 1.8)
    scores = validate(Shifted(0.1), [HeldOut(bead, bead)], [], CPU)
    assert scores.denoised[0] == pytest.approx(120)  # as good as can be told


def test_each_source_has_its_mean() -> None:
    grey, partner = torch.full((1, 64, 64), 0.5), torch.full((1, 64, 64), 0.4)
    images = [
        HeldOut(grey, None, "photos"),
        HeldOut(grey, None, "photos"),
        HeldOut(grey, partner, "pairs"),
    ]
    noises = [GaussianNoise(sigma=1.0), GaussianNoise(sigma=10.0)]
    scores = validate(Shifted(0.0), images, noises, CPU)
    assert scores.sources["pairs"] == pytest.approx(20, abs=1e-4)  # off by 0.1
    both = [20 * math.log10(255 / sigma) for sigma in (1, 10)]
    assert scores.sources["photos"] == pytest.approx(sum(both) / 2, abs=0.3)


def test_noisy_partners_have_a_column_of_their_own() -> None:
    grey, partner = torch.full((1, 64, 64), 0.5), torch.full((1, 64, 64), 0.4)
    images = [HeldOut(grey, None), HeldOut(grey, partner), HeldOut(grey, partner)]
    noises = [GaussianNoise(sigma=1.0), GaussianNoise(sigma=10.0)]
    scores = validate(Shifted(0.0), images, noises, CPU, num_pictures=2)
    expected = [20 * math.log10(255 / sigma) for sigma in (1, 10)] + [20]
    assert scores.denoised == pytest.approx(expected, abs=0.3)
    assert scores.noisy == scores.denoised
    # each image once, with its partner or the first noise
    assert len(scores.pictures) == 2
    assert torch.equal(scores.pictures[1].noisy, partner)
    alone = validate(Shifted(0.0), images[1:], noises, CPU)
    assert alone.denoised == pytest.approx([20], abs=1e-4)

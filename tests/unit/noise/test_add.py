"""Noise models by their moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gradnet.config.noise import (
    CameraNoise,
    GaussianNoise,
    MixedNoise,
    PoissonGaussianNoise,
    PoissonNoise,
)
from napari_gradnet.noise.add import add_noise, noise_generator

LEVELS = (0.0, 0.1, 0.5, 1.0)
SIDE = 200  # 120,000 values a level: moments to about 0.5 %


@pytest.fixture(params=LEVELS, ids=str)
def flat(request: pytest.FixtureRequest) -> torch.Tensor:
    """A constant colour image, shape (1, 3, 200, 200)."""
    return torch.full((1, 3, SIDE, SIDE), request.param)


def moments(clean: torch.Tensor, config: object) -> tuple[float, float]:
    noisy = add_noise(clean, config, noise_generator(7)).double()
    return float(noisy.mean()), float(noisy.var())


def check(clean: torch.Tensor, config: object, variance: float) -> None:
    level = float(clean[0, 0, 0, 0])
    mean, found = moments(clean, config)
    assert mean == pytest.approx(level, abs=5 * (variance / clean.numel()) ** 0.5)
    assert found == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("sigma", [5.0, 50.0])
def test_gaussian_is_not_clipped(flat: torch.Tensor, sigma: float) -> None:
    check(flat, GaussianNoise(sigma=sigma), (sigma / 255) ** 2)


@pytest.mark.parametrize("peak", [1.0, 8.0])
def test_poisson(flat: torch.Tensor, peak: float) -> None:
    check(flat, PoissonNoise(peak=peak), float(flat[0, 0, 0, 0]) / peak)


@pytest.mark.parametrize("peak", [2.0, 120.0])
def test_poisson_gaussian(flat: torch.Tensor, peak: float) -> None:
    # sigma = peak / 10 photons, that is 0.1 of the full scale
    variance = float(flat[0, 0, 0, 0]) / peak + 0.1**2
    check(flat, PoissonGaussianNoise(peak=peak), variance)


@pytest.mark.parametrize(("electrons", "read_noise"), [(20.0, 5.0), (2000.0, 1.0)])
def test_camera(flat: torch.Tensor, electrons: float, read_noise: float) -> None:
    variance = float(flat[0, 0, 0, 0]) / electrons + (read_noise / electrons) ** 2
    check(flat, CameraNoise(electrons=electrons, read_noise=read_noise), variance)


def test_noise_of_pixels_and_channels_is_independent() -> None:
    noise = add_noise(
        torch.zeros(1, 3, SIDE, SIDE), GaussianNoise(sigma=255), noise_generator(3)
    )[0].numpy()
    flat = noise.reshape(3, -1)
    assert np.allclose(np.corrcoef(flat), np.eye(3), atol=0.02)
    for neighbour in (noise[:, 1:], noise[:, :, 1:]):
        shifted = noise[:, : neighbour.shape[1], : neighbour.shape[2]]
        product = np.mean(neighbour * shifted)
        assert product == pytest.approx(0, abs=0.02)


def test_each_sample_draws_its_own_sigma_uniformly() -> None:
    config = GaussianNoise(sigma=(0.0, 55.0))
    noisy = add_noise(torch.zeros(400, 1, 16, 16), config, noise_generator(1))
    sigmas = noisy.std((1, 2, 3)).numpy() * 255
    assert sigmas.max() < 55 * 1.15
    shares = np.histogram(sigmas, 5, (0, 55))[0] / 400
    assert np.allclose(shares, 0.2, atol=0.07)


def test_each_sample_draws_its_own_peak_log_uniformly() -> None:
    config = PoissonNoise(peak=(1.0, 100.0))
    noisy = add_noise(torch.ones(400, 1, 32, 32), config, noise_generator(1))
    peaks = 1 / noisy.var((1, 2, 3)).numpy()
    shares = np.histogram(np.log10(peaks), 4, (0, 2))[0] / 400
    assert np.allclose(shares, 0.25, atol=0.08)


def test_mixed_gives_each_sample_one_part_by_weight() -> None:
    config = MixedNoise(
        parts=(GaussianNoise(sigma=2.55), GaussianNoise(sigma=255.0)), weights=(3, 1)
    )
    noisy = add_noise(torch.zeros(400, 1, 16, 16), config, noise_generator(5))
    sigmas = noisy.std((1, 2, 3)).numpy()
    low, high = sigmas[sigmas < 0.1], sigmas[sigmas > 0.1]
    assert len(low) / 400 == pytest.approx(0.75, abs=0.07)
    assert low.mean() == pytest.approx(0.01, rel=0.02)
    assert high.mean() == pytest.approx(1.0, rel=0.02)


def test_mixed_of_different_kinds_reaches_every_sample() -> None:
    config = MixedNoise(parts=(GaussianNoise(sigma=25), PoissonNoise(peak=4)))
    clean = torch.full((60, 1, 16, 16), 0.5)
    noisy = add_noise(clean, config, noise_generator(5))
    assert (noisy.std((1, 2, 3)) > 0.05).all()
    whole = ((noisy * 4 - (noisy * 4).round()).abs() < 1e-4).all(3).all(2).all(1)
    assert 15 < int(whole.sum()) < 45  # photon counts, the others are not


def test_the_same_counters_give_the_same_noise() -> None:
    clean = torch.full((2, 1, 8, 8), 0.5)
    config = PoissonGaussianNoise()

    def draw(*counters: int) -> torch.Tensor:
        return add_noise(clean, config, noise_generator(0, *counters))

    assert torch.equal(draw(3, 4), draw(3, 4))
    different = [draw(3, 4), draw(4, 3), draw(3, 5), draw(3), draw()]
    for i, first in enumerate(different):
        assert not any(torch.equal(first, other) for other in different[:i])


def test_the_clean_images_stay_as_they_are() -> None:
    clean = torch.full((4, 1, 8, 8), 0.5)
    config = MixedNoise(parts=(GaussianNoise(), PoissonNoise(), CameraNoise()))
    add_noise(clean, config, noise_generator(0))
    assert (clean == 0.5).all()


def test_counts_below_black_do_not_fail() -> None:
    clean = torch.full((1, 1, 8, 8), -0.5)
    noisy = add_noise(clean, PoissonNoise(peak=4), noise_generator(0))
    assert (noisy == 0).all()

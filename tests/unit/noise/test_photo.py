"""A camera's noise in photos: its strength and how it hangs together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from napari_gradnet.config.noise import PhotoNoise
from napari_gradnet.errors import InputError
from napari_gradnet.noise.add import add_noise, noise_generator
from napari_gradnet.noise.camera import bayer_mask, demosaic

SHARP = {"luma_blur": 0.0, "chroma_blur": 0.0}
PLAIN = {"red_gain": 1.0, "blue_gain": 1.0, "colour": 0.0, **SHARP}


def noise_in(clean: torch.Tensor, seed: int = 3, **options: object) -> torch.Tensor:
    config = PhotoNoise(**options)
    return (add_noise(clean, config, noise_generator(seed)) - clean).double()


def correlation(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(np.corrcoef(one.flatten(), two.flatten())[0, 1])


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_strength_on_the_sensor_and_behind_the_tone_curve(
    level: float, gamma: float
) -> None:
    clean = torch.full((1, 3, 500, 500), level)
    options = {"electrons": 1000.0, "read_noise": 4.0, "gamma": gamma, **PLAIN}
    noise = noise_in(clean, **options)[..., 1:-1, 1:-1]
    linear = level**gamma
    slope = linear ** (1 / gamma - 1) / gamma
    sensor = linear / 1000 + (4 / 1000) ** 2
    # seen: whole; between two: 1/2; between four: 1/4 of the variance
    for channel, share in ((0, (1 + 1 + 0.25) / 4), (1, (1 + 0.25) / 2)):
        variance = sensor * share
        found = noise[0, channel]
        assert float(found.var()) == pytest.approx(variance * slope**2, rel=0.06)
        # the bent tone curve would shift it by up to 7e-4
        assert abs(float(found.mean())) < 3e-4


def test_neighbours_are_correlated_and_colours_mixed() -> None:
    clean = torch.full((1, 3, 128, 128), 0.5)
    noise = noise_in(clean, electrons=500.0, colour=0.0, **SHARP)[0]
    assert correlation(noise[:, :, 1:], noise[:, :, :-1]) > 0.4
    assert abs(correlation(noise[0], noise[1])) < 0.05
    mixed = noise_in(clean, electrons=500.0, colour=1.0, **SHARP)[0]
    assert correlation(mixed[0], mixed[1]) < -0.2


def test_noise_reduction_smears_colour_more_than_light() -> None:
    clean = torch.full((2, 3, 128, 128), 0.5)
    options = {"electrons": 500.0, **PLAIN}
    sharp = noise_in(clean, **options)[0]
    options.update(luma_blur=0.7, chroma_blur=2.0)
    smeared = noise_in(clean, **options)[0]
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(3, 1, 1)
    for part, sigma in (("luma", 0.7), ("chroma", 2.0)):
        before, after = (
            luma if part == "luma" else noise[0] - luma
            for noise in (sharp, smeared)
            for luma in [(noise * weights).sum(0)]
        )
        expected = gaussian_filter(before.numpy(), sigma, truncate=9 / sigma)
        inside = (slice(10, -10), slice(10, -10))
        assert np.abs(after.numpy() - expected)[inside].max() < 2e-6
    # what is left is mostly light: the colours rise and fall together
    assert correlation(sharp[0], sharp[1]) < 0.05
    assert correlation(smeared[0], smeared[1]) > 0.5


@pytest.mark.parametrize("side", [1, 2, 5])
def test_small_images(side: int) -> None:
    clean = torch.full((2, 3, side, side + 3), 0.5)
    noise = noise_in(clean, electrons=100.0, luma_blur=1.0, chroma_blur=3.0)
    assert noise.shape == clean.shape
    assert torch.isfinite(noise).all()
    assert float(noise.abs().max()) > 0


def test_white_balance_amplifies() -> None:
    clean = torch.full((1, 3, 128, 128), 0.5)
    options = {"electrons": 500.0, "read_noise": 0.0, "colour": 0.0, **SHARP}
    plain = noise_in(clean, red_gain=1.0, **options)[0, 0].var()
    strong = noise_in(clean, red_gain=2.5, **options)[0, 0].var()
    # electrons fall by the gain, their noise is amplified by it
    assert float(strong / plain) == pytest.approx(2.5, rel=0.1)


def test_many_electrons_leave_the_photo_alone(photo: np.ndarray) -> None:
    clean = torch.from_numpy(photo[:97, :131].transpose(2, 0, 1).copy())[None]
    noise = noise_in(clean, electrons=1e9, read_noise=0.0)
    assert float(noise.abs().max()) < 1 / 255


def test_black_and_white_stay_in_range() -> None:
    clean = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 32, 32)
    config = PhotoNoise(electrons=50.0, read_noise=5.0)
    noisy = add_noise(clean, config, noise_generator(0))
    assert torch.isfinite(noisy).all()
    assert float(noisy.min()) >= 0
    assert float(noisy.max()) <= 1


@pytest.mark.parametrize("phase", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_demosaicking_keeps_planes_of_light(phase: tuple[int, int]) -> None:
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(11.0), indexing="ij")
    image = torch.stack([rows, columns, rows + columns])[None]
    mask = bayer_mask((9, 11), phase, image)
    assert float(mask.sum(0).min()) == float(mask.sum(0).max()) == 1
    done = demosaic(image * mask, mask)
    # linear interpolation is exact on linear light, the border apart
    assert torch.allclose(done[..., 1:-1, 1:-1], image[..., 1:-1, 1:-1], atol=1e-5)


def test_the_same_generator_gives_the_same_noise(photo: np.ndarray) -> None:
    clean = torch.from_numpy(photo[:40, :40].transpose(2, 0, 1).copy())[None]
    assert torch.equal(noise_in(clean, seed=5), noise_in(clean, seed=5))
    assert not torch.equal(noise_in(clean, seed=5), noise_in(clean, seed=6))


def test_grey_images_are_refused() -> None:
    with pytest.raises(InputError, match="use camera for grey"):
        noise_in(torch.zeros(1, 1, 8, 8))


def test_too_wide_a_blur() -> None:
    with pytest.raises(ValidationError, match="the largest blur here is 3 pixels"):
        PhotoNoise(chroma_blur=(0, 4))


@pytest.mark.parametrize("options", [{"gamma": 0.5}, {"red_gain": 0.0}])
def test_ranges_that_mean_nothing(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        PhotoNoise(**options)

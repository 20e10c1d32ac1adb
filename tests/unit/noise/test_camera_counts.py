"""Camera noise in counts: gain, offset and read noise of a data sheet."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from napari_gradnet.config.noise import CameraNoise
from napari_gradnet.noise.add import add_noise, noise_generator

FULL = 4095.0


@pytest.mark.parametrize("counts", [100.0, 300.0, 2000.0])
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_moments_of_counts(counts: float, gain: float) -> None:
    """Mean: the counts. Variance: gain (counts - offset) + (gain read_noise)^2."""
    camera = CameraNoise(gain=gain, offset=100, read_noise=3, full_scale=FULL)
    flat = torch.full((2, 1, 300, 300), counts / FULL, dtype=torch.float32)
    noisy = add_noise(flat, camera, noise_generator(1)) * FULL
    variance = gain * (counts - 100) + (3 * gain) ** 2
    error = float(noisy.double().mean()) - counts
    assert abs(error) < 5 * (variance / noisy.numel()) ** 0.5 + 1e-2
    assert float(noisy.double().var()) == pytest.approx(variance, rel=0.03)


def test_gain_is_drawn_for_each_image() -> None:
    camera = CameraNoise(gain=(0.5, 8), offset=0, read_noise=0, full_scale=FULL)
    flat = torch.full((6, 1, 200, 200), 0.5)
    noisy = add_noise(flat, camera, noise_generator(2)) * FULL
    gains = noisy.double().var((1, 2, 3)) / (0.5 * FULL)
    assert float(gains.min()) > 0.45
    assert float(gains.max()) < 8.5
    assert float(gains.max() / gains.min()) > 2


def test_below_the_offset_only_the_read_noise_is_left() -> None:
    camera = CameraNoise(gain=1, offset=200, read_noise=4, full_scale=FULL)
    flat = torch.full((1, 1, 200, 200), 150 / FULL)
    noisy = add_noise(flat, camera, noise_generator(3)) * FULL
    assert float(noisy.mean()) == pytest.approx(200, abs=0.2)
    assert float(noisy.std()) == pytest.approx(4, rel=0.03)


def test_gain_of_zero() -> None:
    with pytest.raises(ValidationError, match="counts an electron above 0"):
        CameraNoise(gain=0)

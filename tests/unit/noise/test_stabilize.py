"""Variance stabilisation: unit variance, unbiased inverse, round trips."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from napari_gradnet.errors import InputError
from napari_gradnet.noise.estimate import NoiseEstimate
from napari_gradnet.noise.stabilize import Stabilizer, needs_stabilization


def _noisy(rng, electrons, gain, offset, read_noise, size=400_000):
    counts = rng.poisson(electrons, size) * gain + offset
    return counts + read_noise * rng.normal(size=size)


@pytest.mark.parametrize("electrons", [5, 20, 200, 5000])
@pytest.mark.parametrize("read_noise", [0, 2, 10])
def test_noise_becomes_one(rng, electrons, read_noise):
    stabilizer = Stabilizer(gain=2, offset=100, read_noise=read_noise)
    z = stabilizer.forward(_noisy(rng, electrons, 2, 100, read_noise))
    assert z.std() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("electrons", [0, 0.3, 1, 2, 3.5, 5, 30, 249, 251, 3000])
@pytest.mark.parametrize("read_noise", [0, 0.8, 4, 40])
def test_the_inverse_is_unbiased(rng, electrons, read_noise):
    stabilizer = Stabilizer(gain=2, offset=100, read_noise=read_noise)
    z = stabilizer.forward(_noisy(rng, electrons, 2, 100, read_noise))
    mean = stabilizer.inverse(np.array([z.mean()]))[0]
    # five standard errors, and what float rounding leaves
    tolerance = 5 * np.sqrt((4 * electrons + read_noise**2) / z.size) + 2e-3
    assert mean == pytest.approx(100 + 2 * electrons, abs=tolerance)


@pytest.mark.parametrize("electrons", [0.05, 1.0, 5.0, 60.0, 240.0, 260.0, 1000.0])
def test_the_inverse_matches_the_poisson_sum(electrons):
    counts = np.arange(0, 3000)
    expectation = np.sum(2 * np.sqrt(counts + 0.375) * poisson.pmf(counts, electrons))
    inverse = Stabilizer(gain=1).inverse(np.array(expectation))
    assert float(inverse) == pytest.approx(electrons, abs=2e-3)


def test_the_algebraic_inverse_would_be_biased(rng):
    z = Stabilizer(1).forward(_noisy(rng, 5, 1, 0, 0))
    assert (z.mean() / 2) ** 2 - 0.375 == pytest.approx(4.75, abs=0.02)


@pytest.mark.parametrize("read_noise", [0, 1.5, 30])
def test_the_inverse_rises_everywhere(read_noise):
    z = np.linspace(0, 300, 30_000)
    x = Stabilizer(3, 50, read_noise).inverse(z)
    assert (np.diff(x) >= 0).all()
    steps = np.diff(x[z > 2 * read_noise / 3 + 3])
    assert steps.max() < 3 * 300 * 0.0101 / 2  # no jump where the table ends


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32"])
def test_round_trip_of_bright_pixels_in_single_precision(dtype):
    image = np.array([[120, 200, 250]], dtype)
    stabilizer = Stabilizer(gain=0.5, offset=10, read_noise=1)
    z = stabilizer.forward(image)
    assert z.dtype == np.float32
    # noise-free values come back a quarter photo-electron brighter: 0.25 * gain
    np.testing.assert_allclose(stabilizer.inverse(z) - image, 0.125, atol=2e-3)
    assert stabilizer.inverse(z).dtype == np.float32


def test_double_precision_is_kept():
    image = np.array([1e6 + 0.25])
    stabilizer = Stabilizer(1.0)
    back = stabilizer.inverse(stabilizer.forward(image))
    assert back.dtype == np.float64
    assert back[0] - image[0] == pytest.approx(0.25, abs=1e-3)


def test_values_below_the_offset_are_kept_apart(rng):
    # an offset two noise deviations too high must not flatten the background
    stabilizer = Stabilizer(gain=2, offset=100, read_noise=8)
    for true in (84.0, 92.0):
        z = stabilizer.forward(true + 8 * rng.normal(size=400_000))
        mean = float(stabilizer.inverse(np.array(z.mean())))
        assert mean == pytest.approx(true, abs=0.1)


def test_units_do_not_matter(rng):
    counts = _noisy(rng, 7, 1, 0, 1.2, 1000)
    one = Stabilizer(1, 0, 1.2)
    other = Stabilizer(30, -400, 36)
    z = one.forward(counts)
    np.testing.assert_allclose(other.forward(30 * counts - 400), z, atol=1e-9)
    np.testing.assert_allclose(other.inverse(z), 30 * one.inverse(z) - 400, atol=1e-6)


def test_built_from_an_estimate():
    estimate = NoiseEstimate(5, (5,), gain=2, offset=9, read_noise=3, confidence=1)
    stabilizer = Stabilizer.from_estimate(estimate)
    assert repr(stabilizer) == "Stabilizer(gain=2, offset=9, read_noise=3)"
    with pytest.raises(InputError, match="no noise that grows with the signal"):
        Stabilizer.from_estimate(NoiseEstimate(5, (5,)))


@pytest.mark.parametrize(
    ("gain", "confidence", "needed"), [(2, 0.9, True), (2, 0.3, False), (0, 1, False)]
)
def test_needs_stabilization(gain, confidence, needed):
    estimate = NoiseEstimate(5, (5,), gain=gain, confidence=confidence)
    assert needs_stabilization(estimate) is needed


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0,), "gain=0 must be a positive"),
        ((np.nan,), "gain=nan must be"),
        ((1, np.inf), "offset=inf must be"),
        ((1, 0, -1), "read_noise=-1 must be at least 0"),
    ],
)
def test_refuses_impossible_cameras(arguments, match):
    with pytest.raises(InputError, match=match):
        Stabilizer(*arguments)

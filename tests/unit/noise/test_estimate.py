"""Noise estimates against noise of known parameters, on packaged photos."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from skimage import data

from napari_gradnet.errors import InputError
from napari_gradnet.noise._law import fit_law
from napari_gradnet.noise.estimate import NoiseEstimate, estimate_noise
from napari_gradnet.noise.stabilize import needs_stabilization

#: Pictures in scikit-image's wheel, and how much noise or fine texture of their own the
#: estimate may find, in levels of 255.
PICTURES = {
    "astronaut": 2,
    "brick": 1,
    "camera": 1,
    "cell": 1,
    "chelsea": 1,
    "clock": 1.5,
    "coffee": 1.5,
    "coins": 2,
    "grass": 8,
    "gravel": 5,
    "hubble_deep_field": 5,
    "immunohistochemistry": 2,
    "moon": 1,
    "page": 1,
    "rocket": 1,
    "text": 1.5,
}
#: Noise and texture of their own weigh as much as the weakest added noise.
TEXTURED = ("grass", "gravel", "hubble_deep_field")


def _photo(name):
    image = getattr(data, name)() / 255.0
    return image, (-1 if image.ndim == 3 else None)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_without_added_noise(name):
    image, channel_axis = _photo(name)
    estimate = estimate_noise(image, channel_axis=channel_axis)
    assert estimate.sigma * 255 < PICTURES[name]


@pytest.mark.parametrize("name", [n for n in PICTURES if n not in TEXTURED])
@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
def test_sigma_within_five_percent(rng, name, sigma):
    image, channel_axis = _photo(name)
    noisy = image + rng.normal(0, sigma / 255, image.shape)
    estimate = estimate_noise(noisy, channel_axis=channel_axis)
    assert estimate.sigma == pytest.approx(sigma / 255, rel=0.05)
    assert not needs_stabilization(estimate)


@pytest.mark.parametrize("name", TEXTURED)
@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
def test_added_noise_and_the_pictures_own_add_up(rng, name, sigma):
    image, channel_axis = _photo(name)
    own = estimate_noise(image, channel_axis=channel_axis).sigma
    noisy = image + rng.normal(0, sigma / 255, image.shape)
    estimate = estimate_noise(noisy, channel_axis=channel_axis)
    assert estimate.sigma == pytest.approx(np.hypot(sigma / 255, own), rel=0.05)


@pytest.mark.parametrize(
    "name",
    ["astronaut", "camera", "chelsea", "coffee", "rocket", "immunohistochemistry"],
)
@pytest.mark.parametrize(
    ("peak", "gain", "read_noise"),
    [(30, 4, 3), (100, 2.2, 5), (300, 1, 2), (1000, 1, 4)],
)
def test_gain_within_ten_percent(rng, name, peak, gain, read_noise):
    image, channel_axis = _photo(name)
    counts = gain * rng.poisson(image * peak) + rng.normal(0, read_noise, image.shape)
    raw = np.clip(np.rint(counts + 100), 0, 65535).astype(np.uint16)
    estimate = estimate_noise(raw, channel_axis=channel_axis)
    assert estimate.gain == pytest.approx(gain, rel=0.1)
    assert needs_stabilization(estimate)
    # the law itself, in the middle of the range
    mean = 100 + gain * peak / 2
    expected = gain * (mean - 100) + read_noise**2
    assert float(estimate.variance(mean)) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("num_planes", [2, 4, 8])
def test_the_law_of_a_stack_of_small_things(rng, num_planes):
    """Blobs everywhere: no brightness but the background's has a smooth patch."""
    rows, columns = np.mgrid[:256, :256]
    clean = np.zeros((num_planes, 256, 256))
    for plane in clean:
        for y, x, height in rng.uniform((0, 0, 5), (256, 256, 60), (60, 3)):
            plane += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 40)
    counts = 2 * rng.poisson(clean) + rng.normal(100, 6, clean.shape)
    estimate = estimate_noise(np.rint(counts).astype(np.uint16))
    assert estimate.gain == pytest.approx(2, rel=0.15)
    assert needs_stabilization(estimate)


def test_texture_that_grows_with_brightness_is_no_camera():
    # the coins are textured, the dark table is not
    estimate = estimate_noise(data.coins())
    assert estimate.confidence < 0.2
    assert not needs_stabilization(estimate)


def test_offset_and_read_noise_where_the_background_is_dark(rng):
    clean = np.zeros((400, 400))
    clean[:, 150:] = np.linspace(0, 200, 250)
    raw = 2 * rng.poisson(clean) + rng.normal(0, 6, clean.shape) + 100
    estimate = estimate_noise(np.rint(raw).astype(np.uint16))
    assert estimate.gain == pytest.approx(2, rel=0.05)
    assert estimate.offset == pytest.approx(100, abs=4)
    assert estimate.read_noise == pytest.approx(6, rel=0.2)
    assert estimate.sigma == pytest.approx(np.sqrt(4 * clean.mean() + 36), rel=0.1)
    means, variances = np.transpose(estimate.levels)
    law = estimate.variance(means)
    assert np.median(np.abs(variances / law - 1)) < 0.1


def test_channels_have_their_own_sigma(rng):
    sigmas = np.array([0.02, 0.05, 0.1])
    noisy = data.astronaut() / 255 + rng.normal(0, sigmas, (512, 512, 3))
    estimate = estimate_noise(noisy, channel_axis=-1)
    np.testing.assert_allclose(estimate.channel_sigmas, sigmas, rtol=0.08)
    assert estimate.sigma == pytest.approx(
        np.sqrt(np.mean(np.square(estimate.channel_sigmas)))
    )
    moved = estimate_noise(np.moveaxis(noisy, -1, 0), channel_axis=0)
    assert moved == estimate


def test_scales_with_the_units(rng):
    noisy = data.camera()[:200, :200] + rng.normal(0, 12, (200, 200))
    one, other = estimate_noise(noisy), estimate_noise(noisy * 1000 - 5000)
    assert other.sigma == pytest.approx(1000 * one.sigma, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-140, 1e-30, 1e-16, 1e12, 1e30, 1e140])
def test_the_law_scales_with_the_units(rng, unit):
    counts = rng.poisson(np.outer(np.linspace(5, 200, 96), np.ones(96))) + 100.0
    one, other = estimate_noise(counts), estimate_noise(counts * unit)
    assert one.gain == pytest.approx(1, rel=0.2)
    for name in ("sigma", "gain", "offset", "read_noise"):
        assert getattr(other, name) / unit == pytest.approx(getattr(one, name))
    assert other.confidence == pytest.approx(one.confidence) == 1


def test_saturated_pixels_do_not_count(rng):
    # a third of the picture is clipped to white: there the noise is gone
    clean = np.tile(np.linspace(20, 300, 300), (300, 1))
    noisy = np.clip(np.rint(clean + rng.normal(0, 10, clean.shape)), 0, 255)
    estimate = estimate_noise(noisy.astype(np.uint8))
    assert estimate.sigma == pytest.approx(10, rel=0.03)
    assert all(variance > 80 for _, variance in estimate.levels)


@pytest.mark.parametrize("unit", [1, 7])
@pytest.mark.parametrize("peak", [1, 3, 10])
def test_zeros_of_few_photons_are_no_saturation(rng, peak, unit):
    """Dark background with spots: most pixels are 0, as far as 95 of 100."""
    rows, columns = np.mgrid[:256, :256]
    waves = np.sin(rows / 9) * np.sin(columns / 13)
    photons = peak * np.clip(waves - 0.6, 0, None) / 0.4
    estimate = estimate_noise((rng.poisson(photons) * unit).astype(np.uint16))
    assert estimate.gain == pytest.approx(unit, rel=0.15)
    assert estimate.confidence > 0.5
    assert estimate.sigma == pytest.approx(unit * photons.mean() ** 0.5, rel=0.25)


def test_read_noise_that_is_cut_off_is_saturation(rng):
    dark = data.camera()[:256, :256] - 100.0
    noisy = np.clip(np.rint(dark + rng.normal(0, 20, dark.shape)), 0, None)
    estimate = estimate_noise(noisy)
    assert estimate.confidence < 0.5
    assert estimate.sigma == pytest.approx(20, rel=0.05)


def test_black_borders_do_not_count(rng):
    noisy = np.zeros((300, 300))
    noisy[50:250, 50:250] = 0.5 + rng.normal(0, 0.1, (200, 200))
    assert estimate_noise(noisy).sigma == pytest.approx(0.1, rel=0.05)


def test_stacks_are_pooled(rng):
    stack = 100 + rng.normal(0, 4, (40, 32, 32))
    assert estimate_noise(stack).sigma == pytest.approx(4, rel=0.03)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_a_constant_image_has_no_noise(dtype):
    estimate = estimate_noise(np.full((40, 40), 7, dtype))
    assert estimate == NoiseEstimate(0.0, (0.0,), levels=estimate.levels)


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (5, 900), (3, 1200)])
def test_thin_images_fall_back_to_differences(rng, shape):
    estimate = estimate_noise(10 + rng.normal(0, 2, shape))
    assert estimate.sigma == pytest.approx(2, rel=0.1)
    assert estimate.confidence == 0


@pytest.mark.parametrize("shape", [(7, 7), (9, 12), (16, 16), (3, 3), (1, 3)])
def test_tiny_images_get_a_finite_sigma(rng, shape):
    assert 0 < estimate_noise(rng.normal(0, 1, shape)).sigma < 5


def test_is_repeatable_and_leaves_the_image_alone(rng):
    noisy = data.camera() + rng.normal(0, 10, (512, 512))
    before = noisy.copy()
    assert estimate_noise(noisy) == estimate_noise(noisy)
    np.testing.assert_array_equal(noisy, before)


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.zeros((9, 9), bool), "this one is bool"),
        (np.zeros((2, 2)), r"shape \(2, 2\): rows or columns of at least 3"),
        (np.zeros(50), r"shape \(50,\)"),
        (np.zeros((0, 9)), r"shape \(0, 9\)"),
        (np.full((9, 9), np.nan), "81 pixels are NaN"),
        (np.eye(9) * -1e160, r"squares of values up to 1e\+160 do not fit"),
    ],
)
def test_refuses_what_it_cannot_use(image, match):
    with pytest.raises(InputError, match=match):
        estimate_noise(image)
    with pytest.raises(InputError, match="channel_axis=2 does not exist"):
        estimate_noise(np.zeros((9, 9)), channel_axis=2)


def test_the_law_of_many_channels_takes_little_memory(rng):
    means = np.linspace(20, 900, 24 * 40)
    variance = 0.8 * means + 30 + rng.normal(0, 5, means.size)
    points = np.stack([means, variance, np.ones_like(means)], axis=1)
    tracemalloc.start()
    slope, intercept, confidence = fit_law(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6  # all pairs took 10 GB
    assert slope == pytest.approx(0.8, rel=0.02)
    assert intercept == pytest.approx(30, abs=8)
    assert confidence > 0.9

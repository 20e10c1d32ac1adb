"""Metrics against hand computations and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_gradnet import metrics
from napari_gradnet.errors import InputError


def test_psnr_of_a_known_error():
    clean = np.full((4, 5, 3), 0.5)
    assert metrics.psnr(clean + 0.1, clean) == pytest.approx(20.0)
    assert metrics.psnr(clean * 255 + 25.5, clean * 255, 255) == pytest.approx(20.0)
    assert metrics.psnr(clean, clean) == math.inf


def test_psnr_matches_skimage(rng):
    clean = rng.random((20, 30, 3))
    noisy = np.clip(clean + rng.normal(0, 0.1, clean.shape), 0, 1)
    expected = peak_signal_noise_ratio(clean, noisy, data_range=1)
    assert metrics.psnr(noisy, clean) == pytest.approx(expected, abs=1e-9)


def test_psnr_clips_only_the_image_and_only_when_asked():
    image, clean = np.array([[1.5, 0.0]]), np.array([[1.0, 0.1]])
    assert metrics.psnr(image, clean) == pytest.approx(10 * math.log10(2 / 0.01))
    unclipped = metrics.psnr(image, clean, clip=False)
    assert unclipped == pytest.approx(10 * math.log10(2 / 0.26))


def test_psnr_of_unsigned_integers_does_not_wrap():
    image, clean = np.array([[10]], np.uint8), np.array([[20]], np.uint8)
    expected = 20 * math.log10(255 / 10)
    assert metrics.psnr(image, clean, 255) == pytest.approx(expected)


@pytest.mark.parametrize("win_size", [3, 7])
def test_ssim_matches_skimage(rng, win_size):
    clean = rng.random((20, 30, 3))
    noisy = clean + rng.normal(0, 0.2, clean.shape)
    expected = structural_similarity(
        np.clip(noisy, 0, 1), clean, data_range=1, win_size=win_size, channel_axis=-1
    )
    result = metrics.ssim(noisy, clean, win_size=win_size, channel_axis=-1)
    assert result == pytest.approx(expected, abs=1e-12)
    first = np.moveaxis(noisy, -1, 0), np.moveaxis(clean, -1, 0)
    other = metrics.ssim(*first, win_size=win_size, channel_axis=0)
    assert other == pytest.approx(expected, abs=1e-12)


def test_ssim_uses_a_window_of_seven_by_default(rng):
    clean = rng.random((15, 15))
    noisy = np.clip(clean + 0.1 * rng.random((15, 15)), 0, 1)
    assert metrics.ssim(noisy, clean) == metrics.ssim(noisy, clean, win_size=7)
    assert metrics.ssim(noisy, clean) != metrics.ssim(noisy, clean, win_size=3)
    assert metrics.ssim(clean, clean) == pytest.approx(1)


@pytest.mark.parametrize("win_size", [0, 1, 4, 17])
def test_ssim_refuses_windows_that_do_not_fit(win_size):
    with pytest.raises(InputError, match=f"win_size={win_size} must be odd"):
        metrics.ssim(np.zeros((16, 20)), np.zeros((16, 20)), win_size=win_size)


def test_textured_mask_of_an_edge():
    clean = np.zeros((9, 12))
    clean[:, 6:] = 0.3  # magnitude 1.2 in columns 5 and 6, dilated to 4..7
    mask = metrics.textured_mask(clean, 1.2 - 1e-9)
    assert mask[:, 4:8].all()
    assert mask.sum() == 9 * 4
    assert not metrics.textured_mask(clean, 1.21).any()


def test_a_pixel_is_textured_where_any_channel_is():
    clean = np.zeros((9, 12, 3))
    clean[:, 6:, 1] = 0.3
    mask = metrics.textured_mask(clean, 1.0, channel_axis=-1)
    np.testing.assert_array_equal(mask, metrics.textured_mask(clean[..., 1], 1.0))
    with pytest.raises(InputError, match="name the channel_axis"):
        metrics.textured_mask(clean, 1.0)


def test_split_psnr_sees_errors_where_they_are():
    clean = np.zeros((9, 12, 3))
    clean[:, 6:] = 0.5
    image = clean.copy()
    image[:, 4:8] += 0.1
    parts = metrics.split_psnr(image, clean, 1.0, channel_axis=-1)
    assert parts.textured == pytest.approx(20)
    assert parts.smooth == math.inf
    assert parts.whole == pytest.approx(20 + 10 * math.log10(3))
    first = np.moveaxis(image, -1, 0), np.moveaxis(clean, -1, 0)
    assert metrics.split_psnr(*first, 1.0, channel_axis=0) == parts


def test_an_empty_part_is_nan():
    parts = metrics.split_psnr(np.full((8, 8), 0.1), np.zeros((8, 8)), 1.0)
    assert math.isnan(parts.textured)
    assert parts.smooth == parts.whole == pytest.approx(20)


def test_affine_fit_recovers_gain_and_offset(rng):
    image = rng.random((20, 20))
    fit = metrics.affine_fit(image, 3 * image - 2)
    assert (fit.gain, fit.offset) == (pytest.approx(3), pytest.approx(-2))
    np.testing.assert_allclose(fit.apply(image), 3 * image - 2)


def test_affine_fit_is_least_squares(rng):
    image, reference = rng.random(50), rng.random(50)
    slope, offset = np.polyfit(image, reference, 1)
    fit = metrics.affine_fit(image, reference)
    assert (fit.gain, fit.offset) == (pytest.approx(slope), pytest.approx(offset))


def test_affine_fit_of_a_constant_image():
    fit = metrics.affine_fit(np.full(4, 7), [1, 2, 3, 4])
    assert (fit.gain, fit.offset) == (0, 2.5)


def test_refuses_other_shapes_and_ranges():
    with pytest.raises(InputError, match=r"they have \(2,\) and \(3,\)"):
        metrics.psnr(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError, match="data_range=0 must be above 0"):
        metrics.psnr(np.zeros(2), np.zeros(2), 0)

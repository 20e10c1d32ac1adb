"""PSNR and SSIM of an image against its reference, plane by plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_gradnet import api, metrics
from napari_gradnet.errors import InputError
from napari_gradnet.quality import EPSILON, measure_quality

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_figures_are_those_of_the_metrics(
    grey_photo: NDArray[Any], rng: np.random.Generator
) -> None:
    clean = grey_photo[:128, :160]
    noisy = clean + rng.normal(0, 0.1, clean.shape)
    quality = measure_quality(noisy, clean)
    split = metrics.split_psnr(noisy, clean, EPSILON)
    assert (quality.black, quality.white, quality.num_planes) == (0, 1, 1)
    assert quality.psnr == pytest.approx(split.whole)
    assert quality.psnr_textured == pytest.approx(split.textured)
    assert quality.psnr_smooth == pytest.approx(split.smooth)
    assert quality.ssim == pytest.approx(metrics.ssim(noisy, clean))
    # noise hides the structure of smooth parts more
    assert quality.ssim_smooth < quality.ssim < quality.ssim_textured
    assert list(quality.as_dict())[:2] == ["psnr", "psnr_textured"]


def test_eight_bits_and_colours_without_alpha(
    photo: NDArray[Any], rng: np.random.Generator
) -> None:
    clean = np.round(255 * photo[:96, :96]).astype(np.uint8)
    noisy = np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    expected = measure_quality(noisy / 255, clean / 255, axes="YXS")
    opaque = np.full((96, 96, 1), 255, np.uint8)
    quality = measure_quality(
        np.concatenate([noisy, opaque - 200], -1), np.concatenate([clean, opaque], -1)
    )
    assert (quality.black, quality.white) == (0, 255)
    assert quality.psnr == pytest.approx(expected.psnr)
    assert quality.ssim_textured == pytest.approx(expected.ssim_textured)


def test_counts_are_measured_from_black_to_white(
    grey_photo: NDArray[Any], rng: np.random.Generator
) -> None:
    clean = (100 + 400 * grey_photo[:64, :64]).astype(np.uint16)
    noisy = clean + rng.normal(0, 10, clean.shape)
    quality = measure_quality(noisy, clean)
    assert quality.black == pytest.approx(np.percentile(clean, 0.1), abs=2)
    assert quality.white == pytest.approx(np.percentile(clean, 99.9), abs=2)
    span = quality.white - quality.black
    assert quality.psnr == pytest.approx(20 * math.log10(span / 10), abs=0.2)
    wide = measure_quality(noisy, clean, value_range=(0, 4095))
    assert wide.psnr == pytest.approx(20 * math.log10(409.5), abs=0.2)


def test_a_range_may_be_a_list(
    grey_photo: NDArray[Any], rng: np.random.Generator
) -> None:
    clean = 255 * grey_photo[:64, :64]
    noisy = clean + rng.normal(0, 80, clean.shape)
    listed: Any = [0, 255]
    expected = measure_quality(noisy, clean, value_range=(0, 255))
    assert measure_quality(noisy, clean, value_range=listed) == expected


def test_a_reference_of_another_exposure_is_fitted(
    grey_photo: NDArray[Any], rng: np.random.Generator
) -> None:
    clean = grey_photo[:64, :64].astype(float)
    noisy = 0.3 * clean + 0.2 + rng.normal(0, 0.003, clean.shape)
    assert measure_quality(noisy, clean).psnr < 15
    assert measure_quality(noisy, clean, fit=True).psnr > 39


def test_planes_are_spread_and_averaged(rng: np.random.Generator) -> None:
    clean = np.full((9, 40, 40), 0.5)
    noisy = clean.copy()
    noisy[0] += 0.1  # 20 dB
    noisy[4] += 0.01  # 40 dB
    noisy[8] += 0.001  # 60 dB
    noisy[1] = 1
    quality = measure_quality(noisy, clean, num_planes=3, value_range=(0, 1))
    assert quality.num_planes == 3
    assert quality.psnr == pytest.approx(40)
    assert math.isnan(quality.psnr_textured)
    assert math.isnan(quality.ssim_textured)
    assert quality.psnr_smooth == pytest.approx(40)


def test_large_planes_are_cut_and_small_ones_have_no_ssim() -> None:
    clean = np.zeros((2100, 12), np.uint8)
    noisy = clean.copy()
    noisy[:26] = noisy[-26:] = 255
    assert measure_quality(noisy, clean).psnr == math.inf
    tiny = measure_quality(clean[:5], clean[:5])
    assert tiny.psnr == math.inf
    assert math.isnan(tiny.ssim)


def test_unfit_images_are_refused() -> None:
    image = np.zeros((20, 20))
    with pytest.raises(InputError, match=r"\(20, 20\) and the reference \(20, 19\)"):
        measure_quality(image, image[:, 1:])
    hole = image.copy()
    hole[3, 3] = np.nan
    for pair in ((hole, image), (image, hole)):
        with pytest.raises(InputError, match="1 of 400 values are NaN"):
            measure_quality(*pair)
    with pytest.raises(InputError, match="a white above it"):
        measure_quality(image, image, value_range=(1, 1))


def test_ssim_of_a_mask(grey_photo: NDArray[Any], rng: np.random.Generator) -> None:
    clean = grey_photo[:64, :64].astype(float)
    noisy = clean.copy()
    noisy[:, 32:] += rng.normal(0, 0.2, (64, 32))
    left = np.zeros((64, 64), bool)
    left[:, :29] = True
    assert metrics.ssim(noisy, clean, clip=False, mask=left) == pytest.approx(1)
    everywhere = np.ones((64, 64), bool)
    assert metrics.ssim(noisy, clean, mask=everywhere) == pytest.approx(
        metrics.ssim(noisy, clean)
    )
    assert math.isnan(metrics.ssim(noisy, clean, mask=~everywhere))
    colours = np.stack([noisy, clean], -1), np.stack([clean, clean], -1)
    whole = metrics.ssim(*colours, channel_axis=-1)
    assert metrics.ssim(*colours, channel_axis=-1, mask=everywhere) == pytest.approx(
        whole
    )


def test_the_api_has_it() -> None:
    assert api.measure_quality is measure_quality

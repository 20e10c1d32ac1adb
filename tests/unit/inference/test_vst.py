"""Counts are stabilised where their noise grows with the signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.tiny_models import write_tiny_model
from tests.unit.inference.images import counts

from napari_gradnet.errors import InputError
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models


def test_vst_auto_stabilises_counts_and_nothing_else(models: Models) -> None:
    noisy, _ = counts((96, 96))
    runs = {
        vst: denoise(noisy, models["grey"], vst=vst, dtype="float64")
        for vst in ("auto", True, False)
    }
    assert np.array_equal(runs["auto"], runs[True])
    assert abs(runs["auto"] - runs[False]).max() > 1
    flat = np.random.default_rng(0).normal(1000, 30, (96, 96)).astype(np.float32)
    auto = denoise(flat, models["grey"])
    assert np.array_equal(auto, denoise(flat, models["grey"], vst=False))


def test_vst_that_cannot_be_says_why_not(models: Models) -> None:
    flat = np.full((96, 96), 3, np.uint8)
    with pytest.raises(InputError, match="no noise that grows with the signal"):
        denoise(flat, models["grey"], vst=True)
    with pytest.raises(InputError, match=r"vst=True: .* of \(7, 96\) pixels cannot be"):
        denoise(flat[:7], models["grey"], vst=True)


def test_vst_auto_leaves_colour_photos(models: Models) -> None:
    noisy = np.stack([counts((96, 96), s)[0] for s in range(3)], -1)
    auto = denoise(noisy, models["color"], axes="YXS")
    assert np.array_equal(auto, denoise(noisy, models["color"], axes="YXS", vst=False))
    forced = denoise(noisy, models["color"], axes="YXS", vst=True)
    assert not np.array_equal(auto, forced)


def test_vst_does_not_depend_on_the_order_of_planes(models: Models) -> None:
    # a camera has one law; a blank plane in the middle does not hide it
    stack = np.stack([counts((64, 64), s)[0] for s in range(4)])
    stack[2] = 100
    result = denoise(stack, models["grey"])
    turned = denoise(stack[[2, 0, 1, 3]], models["grey"])
    assert np.allclose(result[[2, 0, 1, 3]].astype(int), turned.astype(int), atol=1)
    plain = denoise(stack, models["grey"], vst=False)
    assert not np.array_equal(result, plain)


def test_vst_with_a_range_below_the_offset(models: Models) -> None:
    noisy, _ = counts((96, 96))
    with pytest.raises(InputError, match=r"value_range=\(0.0, 50.0\) lies below"):
        denoise(noisy, models["grey"], vst=True, value_range=(0, 50))


def test_a_model_of_a_cameras_own_noise_is_not_stabilised(tmp_path, rng):
    counts = 100 + 4.0 * rng.poisson(np.linspace(2, 80, 128), (128, 128))
    image = counts.astype(np.uint16)

    def stabilised(vst, **header):
        path = write_tiny_model(tmp_path, "grey", **header)
        return denoise(image, path, axes="YX", vst=vst)

    plain = stabilised(False)
    assert not np.array_equal(stabilised("auto"), plain)
    assert np.array_equal(stabilised("auto", stabilise=False), plain)
    # who insists gets it
    assert not np.array_equal(stabilised(True, stabilise=False), plain)

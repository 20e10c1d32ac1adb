"""Values of any dtype and units, in arrays of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.unit.inference.images import by_hand, random_image

from napari_gradnet.errors import AxesError, InputError
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models

DTYPES = [
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["grey", "gradnet"])
def test_values_come_back_in_dtype_and_units(
    models: Models, name: str, dtype: str
) -> None:
    image = random_image((20, 17, 3), dtype)
    result = denoise(image, models[name], vst=False, axes="YXS")
    low, high = 0.0, 255.0
    if dtype != "uint8":
        values = np.sort(image, axis=None)
        low, high = float(values[1]), float(values[-2])  # 0.1 % of 1020 values
    expected = by_hand(models[name], image, low, high)
    assert result.dtype == dtype
    kept = denoise(image, models[name], vst=False, axes="YXS", dtype="float64")
    assert np.allclose(kept, expected, atol=2e-6 * (high - low))
    if np.dtype(dtype).kind == "f":
        assert np.array_equal(result, kept.astype(dtype))
    else:
        limits = np.iinfo(dtype)
        saturated = np.clip(np.rint(kept), limits.min, limits.max)
        assert np.array_equal(result, saturated.astype(dtype))
        assert (result != image).mean() > 0.3


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_integers_saturate(models: Models, dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.where(np.indices((24, 24)).sum(0) % 5 < 2, limits.min, limits.max)
    image = image.astype(dtype)
    result = denoise(image, models["grey"], vst=False)
    wide = denoise(image, models["grey"], vst=False, dtype="float64")
    assert wide.min() < limits.min  # the network overshoots here
    assert wide.max() > limits.max
    assert (result[wide < limits.min] == limits.min).all()
    assert (result[wide > limits.max] == limits.max).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
@pytest.mark.parametrize("offset", [0.0, -5.0])
def test_any_units(models: Models, scale: float, offset: float) -> None:
    image = random_image((20, 22), "float64") / 300 + offset
    result = denoise(image * scale, models["grey"], vst=False)
    expected = denoise(image, models["grey"], vst=False)
    assert np.allclose(result / scale, expected, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("end", ["min", "max", "zero"])
@pytest.mark.parametrize("name", ["grey-attention", "grey-gradnet"])
def test_constant_images(models: Models, name: str, dtype: str, end: str) -> None:
    limits = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    value = 0 if end == "zero" else getattr(limits, end)
    if dtype == "float64":
        value *= 1e-170  # the square must be a number
    image = np.full((16, 16), value, dtype)
    result = denoise(image, models[name])
    assert result.dtype == dtype
    assert np.isfinite(result).all()


def test_float16_does_not_overflow(models: Models) -> None:
    image = np.where(np.indices((24, 24)).sum(0) % 5 < 2, -65504, 65504)
    result = denoise(image.astype(np.float16), models["grey"], vst=False)
    assert np.isfinite(result).all()
    assert abs(result).max() == 65504


def test_eight_bits_are_scaled_by_255(models: Models) -> None:
    image = np.random.default_rng(0).integers(100, 120, (20, 20), np.uint8)
    result = denoise(image, models["grey"], vst=False, dtype="float64")
    expected = by_hand(models["grey"], image, 0, 255)
    assert np.allclose(result, expected, atol=1e-3)


def test_value_range_is_taken_as_given(models: Models) -> None:
    image = random_image((20, 20), "float32")
    result = denoise(image, models["grey"], vst=False, value_range=(-100, 700))
    expected = by_hand(models["grey"], image, -100, 700)
    assert np.allclose(result, expected, atol=1e-2)


def test_a_stack_is_scaled_as_a_whole(models: Models) -> None:
    # planes of very different brightness, in two orders and alone
    planes = [random_image((20, 20), "uint16", s) * 10**s + 500 for s in range(4)]
    stack = np.stack(planes)
    result = denoise(stack, models["grey"], vst=False, dtype="float64")
    turned = denoise(stack[::-1], models["grey"], vst=False, dtype="float64")
    assert np.array_equal(result[::-1], turned)
    values = np.sort(stack, axis=None)
    low, high = float(values[2]), float(values[-3])
    for number in range(4):
        expected = by_hand(models["grey"], stack[number], low, high)
        assert np.allclose(result[number], expected, atol=1e-6 * (high - low))


def test_channels_are_scaled_apart(models: Models, rng: np.random.Generator) -> None:
    """A dim channel beside a bright one is denoised as if it were alone."""
    dim = rng.normal(100, 5, (3, 24, 20))
    bright = rng.normal(30_000, 900, (3, 24, 20))
    both = np.stack([dim, bright], 1).astype(np.uint16)  # ZCYX
    options = {"dtype": "float32", "vst": False, "precision": "float32"}
    result = denoise(both, models["grey"], axes="ZCYX", **options)
    for channel in range(2):
        alone = denoise(both[:, channel], models["grey"], axes="ZYX", **options)
        np.testing.assert_array_equal(result[:, channel], alone)


def test_a_hot_pixel_does_not_make_the_rest_nan(models: Models) -> None:
    image = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    image[5, 5] = np.finfo(np.float32).max
    with pytest.raises(InputError, match=r"not finite: .*beyond black .*value_range"):
        denoise(image, models["grey-attention"], vst=False)


def test_values_beyond_all_measure(models: Models) -> None:
    image = np.where(np.indices((20, 20)).sum(0) % 2, 1e308, -1e308)
    with pytest.raises(InputError, match="span more than float64 holds"):
        denoise(image, models["grey"], vst=False)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones((9, 9), bool), r"bool image is a mask"),
        (np.ones((9, 9), complex), r"complex128 cannot be denoised"),
        (np.ones((9, 9), object), r"object cannot be denoised"),
        (np.full((9, 9), "a"), r"cannot be denoised"),
        (torch.ones(9, 9), r"Tensor of torch.float32: give a numpy"),
        ([[1.0, 2.0], [3.0]], r"no array of numbers"),
    ],
)
def test_what_is_no_image(models: Models, image: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        denoise(image, models["grey"])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 5), r"empty \(shape \(0, 5\)\)"),
        ((4, 0, 5), r"empty"),
        ((), r"0 dimensions"),
        ((5,), r"1 dimensions"),
        ((1, 2, 1, 1, 9, 9), r"6 dimensions"),
    ],
)
def test_shapes_that_are_refused(
    models: Models, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(AxesError, match=message):
        denoise(np.zeros(shape, np.float32), models["grey"])


def test_input_stays_as_it_is(models: Models) -> None:
    image = random_image((3, 20, 20), "float32")
    image[0, 3, 3] = np.nan
    copy = image.copy()
    image.flags.writeable = False
    denoise(image, models["grey"], nan="keep")
    assert np.array_equal(image, copy, equal_nan=True)


@pytest.mark.parametrize("layout", ["fortran", "strided", "backwards", "big-endian"])
def test_any_memory_layout(models: Models, layout: str) -> None:
    image = random_image((24, 20), "uint16")
    expected = denoise(image, models["grey"], vst=False)
    other = {
        "fortran": np.asfortranarray(image),
        "strided": np.repeat(image, 2, 1)[:, ::2],
        "backwards": image[::-1].copy()[::-1],
        "big-endian": image.astype(">u2"),
    }[layout]
    result = denoise(other, models["grey"], vst=False)
    assert result.dtype == other.dtype
    assert np.array_equal(result, expected)


def test_lists_are_images_too(models: Models) -> None:
    image = random_image((9, 9), "float64")
    expected = denoise(image, models["grey"], vst=False)
    assert np.array_equal(denoise(image.tolist(), models["grey"], vst=False), expected)


def test_the_same_input_gives_the_same_bytes(models: Models) -> None:
    image = random_image((2, 40, 50), "float32")
    results = {
        denoise(image, models["attention-guide"], ensemble=True).tobytes()
        for _ in range(3)
    }
    assert len(results) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (7, 8), (8, 8)])
@pytest.mark.parametrize(
    "name", ["grey", "grey-unshuffle", "attention-guide", "bm3d-guide", "noisy-guide"]
)
def test_tiny_images(models: Models, name: str, size: tuple[int, int]) -> None:
    image = random_image(size, "uint16")
    for options in ({}, {"ensemble": True}, {"tile": 4}):
        result = denoise(image, models[name], **options)
        assert result.shape == size
        assert result.dtype == np.uint16

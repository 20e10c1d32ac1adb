"""Arrays of any shape, axes, dtype and units."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tiny_models import write_tiny_model

from napari_gradnet.api import denoise_file
from napari_gradnet.errors import AxesError, InputError, ModelError
from napari_gradnet.events import Progress
from napari_gradnet.inference.denoise import denoise, iter_denoise
from napari_gradnet.inference.models import open_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.events import Event

Models = dict[str, "Path"]
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


@torch.inference_mode()
def by_hand(
    path: Path,
    plane: np.ndarray,
    low: float,
    high: float,
    guide: np.ndarray | None = None,
) -> np.ndarray:
    """A YX or YXS plane through the network alone, in float64 units."""
    model = open_model(path, device="cpu", precision="float32")

    def tensor(image: np.ndarray) -> torch.Tensor:
        image = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
        scaled = (image.astype(np.float64) - low) / (high - low)
        return torch.from_numpy(scaled.astype(np.float32))[None]

    noisy = tensor(plane)
    if noisy.shape[1] != model.header.channels:
        layers = [
            by_hand(path, plane[..., s], low, high) for s in range(plane.shape[2])
        ]
        return np.stack(layers, -1)
    helper = None if guide is None else tensor(guide)
    result = model.pipeline(noisy, helper)[0].numpy().astype(np.float64)
    result = result * (high - low) + low
    return result[0] if plane.ndim == 2 else result.transpose(1, 2, 0)


def random_image(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return generator.normal(-20, 300, shape).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -3000), min(limits.max, 3000)
    return generator.integers(low, high, shape, dtype)


# ------------------------------------------------------------- values


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


# ------------------------------------------------------------- axes


def all_orders() -> list[str]:
    words = ("YX", "ZYX", "TZYX", "TZCYX", "YXS", "TYXS", "TCYXS")
    return ["".join(p) for word in words for p in itertools.permutations(word)]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(all_orders()))
def test_planes_of_any_order_of_axes(models: Models, order: str) -> None:
    lengths = {"T": 2, "Z": 1, "C": 2, "Y": 9, "X": 7, "S": 3}
    image = random_image(tuple(lengths[a] for a in order), "float32", len(order))
    model = models["color" if "S" in order else "grey"]
    result = denoise(image, model, axes=order, vst=False, value_range=(-500, 500))
    assert result.shape == image.shape
    sorted_order = sorted(order, key="TCZYXS".index)
    places = [order.index(a) for a in sorted_order]
    planes = image.transpose(places).reshape(
        -1, *([9, 7, 3] if "S" in order else [9, 7])
    )
    found = result.transpose(places).reshape(planes.shape)
    for plane, denoised in zip(planes, found, strict=True):
        expected = by_hand(model, plane, -500, 500)
        assert np.allclose(denoised, expected, atol=1e-2)


@pytest.mark.parametrize("shape", [(1, 1, 12, 9), (1, 1, 1, 12, 9), (1, 12, 9)])
def test_singleton_axes_stay(models: Models, shape: tuple[int, ...]) -> None:
    image = random_image(shape, "uint16")
    result = denoise(image, models["grey"], vst=False)
    alone = denoise(image.reshape(12, 9), models["grey"], vst=False)
    assert np.array_equal(result, alone.reshape(shape))


def test_a_guess_is_told(models: Models, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    with caplog.at_level(logging.WARNING, "napari_gradnet"):
        denoise(np.zeros((2, 9, 9)), models["grey"], on_event=events.append)
    message = "axes guessed as ZYX from the shape (2, 9, 9); give axes=... if wrong"
    assert events[0] == Progress(0, 2, "tile", message)
    assert [r.message for r in caplog.records] == [message]
    caplog.clear()
    denoise(np.zeros((2, 9, 9)), models["grey"], axes="TYX", on_event=events.append)
    assert events[3].message == ""
    assert not caplog.records


def test_axes_that_do_not_fit(models: Models) -> None:
    with pytest.raises(AxesError, match="names 2 dimensions, the array has 3"):
        denoise(np.zeros((2, 9, 9)), models["grey"], axes="YX")


# ------------------------------------------------------------- colour


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64", "float32", "float64"])
@pytest.mark.parametrize("order", ["YXS", "SYX", "XSY"])
@pytest.mark.parametrize("name", ["grey", "color"])
def test_alpha_is_passed_through(
    models: Models, name: str, order: str, dtype: str
) -> None:
    image = random_image((12, 10, 4), dtype)
    image[..., 3] = np.iinfo(dtype).max - 1 if "i" in dtype else 1 / 3
    places = ["YXS".index(a) for a in order]
    result = denoise(image.transpose(places), models[name], axes=order, vst=False)
    result = result.transpose([order.index(a) for a in "YXS"])
    assert np.array_equal(result[..., 3], image[..., 3])
    # and has no part in the rest
    rgb = denoise(image[..., :3], models[name], axes="YXS", vst=False)
    assert np.array_equal(result[..., :3], rgb)


def test_a_grey_model_takes_channel_by_channel(models: Models) -> None:
    image = random_image((14, 12, 3), "uint8")
    together = denoise(image, models["grey-gradnet"], axes="YXS", vst=False)
    for s in range(3):
        alone = denoise(image[..., s], models["grey-gradnet"], vst=False)
        assert np.array_equal(together[..., s], alone)


def test_a_colour_model_refuses_grey_images(models: Models) -> None:
    message = (
        r"model 'color' wants 3 channels, this image \(axes ZYX\) has 1 sample a "
        r"pixel: use a grey model, or name the RGB dimension S"
    )
    with pytest.raises(ModelError, match=message):
        denoise(np.zeros((3, 9, 9)), models["color"])


# ------------------------------------------------------------- NaN


@pytest.mark.parametrize("name", ["grey", "color"])
def test_nan_is_refused_with_count_and_position(models: Models, name: str) -> None:
    shape = (2, 12, 11) if name == "grey" else (2, 12, 11, 3)
    image = np.zeros(shape, np.float32)
    image[1, 7, 4], image[1, 9, 0] = np.nan, -np.inf
    count, total = (2, 132) if name == "grey" else (6, 396)
    where = r"\(7, 4\)" if name == "grey" else r"\(7, 4, 0\)"
    message = (
        rf"{count} of {total} values of plane 1 are NaN or infinite, the first at "
        rf"{where}: repair them, or .*nan='keep'"
    )
    with pytest.raises(InputError, match=message):
        denoise(image, models[name])


@pytest.mark.parametrize("vst", [False, "auto"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_is_kept_and_does_not_spread(
    models: Models, dtype: str, vst: bool | str
) -> None:
    clean = random_image((40, 44), dtype)
    image = clean.copy()
    image[3:5, 4:9], image[20, 20], image[30, 0] = np.nan, np.inf, -np.inf
    result = denoise(image, models["grey"], nan="keep", vst=vst)
    bad = ~np.isfinite(image)
    assert np.array_equal(result[bad], image[bad], equal_nan=True)
    assert np.isfinite(result[~bad]).all()
    if vst is False:
        # a few filled pixels do not change what is far from them
        rest = denoise(clean, models["grey"], vst=False, value_range=(-600, 600))
        kept = denoise(
            image, models["grey"], nan="keep", vst=False, value_range=(-600, 600)
        )
        far = np.ones_like(bad)
        for y, x in np.argwhere(bad):
            far[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9] = False
        assert far.sum() > 500
        assert np.allclose(kept[far].astype(float), rest[far].astype(float), rtol=1e-2)


def test_a_hole_is_filled_from_its_border(models: Models) -> None:
    image = np.zeros((20, 20), np.float32)
    image[:, 10:] = 100
    filled = image.copy()
    image[5:8, 2:4] = np.nan
    image[5:8, 15:17] = np.nan
    options = {"vst": False, "value_range": (0, 100)}
    result = denoise(image, models["grey"], nan="keep", **options)
    good = np.isfinite(image)
    expected = denoise(filled, models["grey"], **options)
    assert np.array_equal(result[good], expected[good])


@pytest.mark.parametrize("vst", [False, True, "auto"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_plane_of_nothing_but_nan(
    models: Models, vst: bool | str, bad: float
) -> None:
    image = random_image((3, 24, 24), "float32") ** 2
    image[1] = bad
    if vst is True:  # counts: the noise grows with the signal
        image = counts((3, 64, 64))[0].astype(np.float32)
        image[1] = bad
    result = denoise(image, models["grey"], nan="keep", vst=vst)
    assert np.array_equal(result[1], image[1], equal_nan=True)
    assert np.isfinite(result[[0, 2]]).all()


def test_nothing_but_nan(models: Models) -> None:
    image = np.full((20, 20), np.nan, np.float32)
    result = denoise(image, models["grey"], nan="keep")
    assert np.isnan(result).all()
    with pytest.raises(InputError, match="400 of 400 values are NaN"):
        denoise(image, models["grey"])


def test_nan_in_alpha_stays(models: Models) -> None:
    image = random_image((12, 12, 4), "float32")
    image[3, 3, 3] = np.nan
    result = denoise(image, models["color"], axes="YXS", nan="keep")
    assert np.array_equal(result[..., 3], image[..., 3], equal_nan=True)
    assert np.isfinite(result[..., :3]).all()


def test_kept_nan_has_no_place_in_integers(models: Models) -> None:
    image = random_image((12, 12), "float32")
    image[3, 3] = np.nan
    result = denoise(image, models["grey"], nan="keep", dtype="int16")
    assert abs(int(result[3, 3])) < 3000  # the filled value, denoised


# ------------------------------------------------------------- guides


def test_a_guide_replaces_the_models_own(models: Models) -> None:
    image, guide = random_image((20, 18), "uint16"), random_image((20, 18), "uint16", 1)
    options = {"vst": False, "value_range": (0, 3000), "dtype": "float64"}
    own = denoise(image, models["grey-gradnet"], **options)
    other = denoise(image, models["grey-gradnet"], guide=guide, **options)
    expected = by_hand(models["grey-gradnet"], image, 0, 3000, guide)
    assert np.allclose(other, expected, atol=0.05)
    assert abs(own - other).max() > 10


def test_a_guide_for_each_plane_in_the_images_order(models: Models) -> None:
    image, guide = (
        random_image((3, 20, 18), "float32"),
        random_image((3, 20, 18), "int32"),
    )
    options = {"vst": False, "value_range": (-1000, 3000), "axes": "YXZ"}
    result = denoise(
        image.transpose(2, 1, 0).swapaxes(0, 1),
        models["grey-gradnet"],
        guide=guide.transpose(2, 1, 0).swapaxes(0, 1),
        **options,
    )
    for z in range(3):
        expected = by_hand(models["grey-gradnet"], image[z], -1000, 3000, guide[z])
        assert np.allclose(result[..., z], expected, atol=0.05)


@pytest.mark.parametrize("kind", ["noisy-guide", "bm3d-guide"])
def test_guides_without_a_network(models: Models, kind: str) -> None:
    image = random_image((24, 20), "float32")
    options = {"vst": False, "value_range": (-1000, 1000)}
    result = denoise(image, models[kind], **options)
    guide = image
    if kind == "bm3d-guide":
        from napari_gradnet.naive import denoise_plane
        from napari_gradnet.noise.estimate import estimate_noise

        scaled = ((image.astype(np.float64) + 1000) / 2000).astype(np.float32)
        sigma = estimate_noise(scaled).sigma
        guide = denoise_plane(scaled, "bm3d", sigma) * 2000.0 - 1000
        assert abs(guide - image).max() > 10
    expected = by_hand(models[kind], image, -1000, 1000, guide)
    assert np.allclose(result, expected, atol=0.1)


def test_bm3d_guides_a_colour_model(models: Models) -> None:
    image = random_image((24, 20, 3), "uint8")
    result = denoise(image, models["bm3d-guide-color"], axes="YXS")
    assert result.shape == image.shape
    guided = denoise(image, models["bm3d-guide-color"], axes="YXS", guide=image)
    assert not np.array_equal(result, guided)


def test_an_oracles_model_wants_its_guide(models: Models) -> None:
    image = random_image((20, 20), "float32")
    with pytest.raises(ModelError, match=r"'clean-guide' .*clean image.*give guide="):
        denoise(image, models["clean-guide"])
    result = denoise(image, models["clean-guide"], guide=image)
    assert np.isfinite(result).all()


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        (np.zeros((20, 21)), r"guide has shape \(20, 21\), the image \(20, 20\): give"),
        (np.zeros((1, 20, 20)), r"guide has shape \(1, 20, 20\)"),
        (np.zeros((20, 20), bool), r"the guide: a bool image"),
        (np.zeros((20, 20), complex), r"the guide: .*complex128"),
        (np.full((20, 20), np.nan), r"400 of 400 values of the guide are NaN"),
        (torch.ones(20, 20), r"torch.float32"),
    ],
)
def test_guides_that_cannot_be_used(models: Models, guide: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        denoise(random_image((20, 20), "float32"), models["grey-gradnet"], guide=guide)


def test_a_guide_for_a_network_without_one(models: Models) -> None:
    image = random_image((20, 20), "float32")
    with pytest.raises(InputError, match="model 'grey' takes no guide"):
        denoise(image, models["grey"], guide=image)


# ------------------------------------------------------------- counts


def counts(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poisson counts with gain 3 and offset 100, and their mean."""
    ramp = np.broadcast_to(np.linspace(2, 200, shape[-1]), shape)
    generator = np.random.default_rng(seed)
    noisy = 100 + 3 * generator.poisson(ramp) + generator.normal(0, 2, shape)
    return noisy.round().astype(np.uint16), 100 + 3 * ramp


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


# ------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nan": "ignore"}, r"nan='ignore' is unknown: use 'raise' or 'keep'"),
        ({"vst": "on"}, r"vst='on' is unknown: use 'auto', True or False"),
        ({"vst": None}, r"vst=None is unknown"),
        ({"tile": 0}, r"tile=0 must be at least 1"),
        ({"tile": -5}, r"tile=-5 must be at least 1"),
        ({"tile": 64.5}, r"tile=64.5 must be a whole number"),
        ({"tile": "64"}, r"tile='64' must be a whole number"),
        ({"value_range": (5, 5)}, r"value_range=\(5, 5\): give black first"),
        ({"value_range": (9, 1)}, r"value_range"),
        ({"value_range": (0, np.nan)}, r"value_range"),
        ({"value_range": (0, np.inf)}, r"value_range"),
        ({"value_range": (0, 1, 2)}, r"value_range"),
        ({"value_range": 7}, r"value_range"),
        ({"dtype": "bool"}, r"bool image is a mask"),
        ({"dtype": "complex64"}, r"complex64 cannot be"),
        ({"dtype": "float8"}, r"dtype='float8' is unknown: use 'same', 'float32'"),
        ({"dtype": None}, r"dtype=None is unknown"),
        ({"precision": "half"}, r"precision='half' is unknown: use auto, float32"),
    ],
)
def test_wrong_options(models: Models, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        denoise(np.zeros((9, 9), np.float32), models["grey"], **options)


def test_numpy_numbers_are_options_too(models: Models) -> None:
    image = random_image((20, 20), "uint16")
    result = denoise(
        image,
        models["grey"],
        tile=np.int64(9),
        vst=np.bool_(False),
        value_range=np.array([0, 3000]),
    )
    expected = denoise(image, models["grey"], vst=False, value_range=(0, 3000))
    assert np.array_equal(result, expected)


# ------------------------------------------------------------- lazy arrays


@pytest.mark.parametrize("planes", [3, 40])
def test_dask_equals_numpy(models: Models, planes: int) -> None:
    da = pytest.importorskip("dask.array")
    image = random_image((planes, 12, 10), "uint16")
    image[planes // 3] //= 50
    lazy = da.from_array(image, chunks=(2, 7, 10))
    options = {"axes": "TYX", "vst": False}
    if planes > 16:  # only some planes are read for the range
        options["value_range"] = (0, 3000)
    result = denoise(lazy, models["grey"], **options)
    assert isinstance(result, np.ndarray)
    assert np.array_equal(result, denoise(image, models["grey"], **options))
    guide = da.from_array(image[::-1].copy())
    guided = denoise(lazy, models["grey-gradnet"], guide=guide, **options)
    expected = denoise(image, models["grey-gradnet"], guide=image[::-1], **options)
    assert np.array_equal(guided, expected)


def test_zarr_equals_numpy(models: Models, tmp_path: Path) -> None:
    import zarr

    image = random_image((2, 3, 12, 10), "float32")
    stored = zarr.create_array(
        store=tmp_path / "a.zarr", shape=image.shape, chunks=(1, 2, 7, 7), dtype="f4"
    )
    stored[:] = image
    result = denoise(stored, models["grey"], axes="TZYX")
    assert np.array_equal(result, denoise(image, models["grey"], axes="TZYX"))


class Counted:
    """An array that tells how much of it was read at once."""

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.shape, self.dtype = image, image.shape, image.dtype
        self.reads: list[int] = []

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self.image[index]
        self.reads.append(part.size)
        return part


def test_lazy_arrays_are_read_plane_by_plane(models: Models) -> None:
    image = Counted(random_image((50, 12, 10), "uint16"))
    denoise(image, models["grey"], axes="TYX")
    assert set(image.reads) == {120}
    assert len(image.reads) == 50 + 16  # some are looked at for the range first


# ------------------------------------------------------------- progress


def test_one_event_a_tile(models: Models) -> None:
    events: list[Event] = []
    image = random_image((2, 30, 20, 3), "uint8")
    denoise(image, models["grey"], axes="TYXS", tile=16, on_event=events.append)
    total = 2 * 3 * 4  # planes, samples, tiles
    assert events == [Progress(i, total, "tile") for i in range(total + 1)]


def test_raising_in_on_event_cancels_and_keeps_what_is_done(models: Models) -> None:
    image = random_image((4, 20, 20), "uint16")
    out = np.zeros_like(image)
    whole = denoise(image, models["grey"], axes="TYX", tile=10)

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 10:  # in the third plane
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise(image, models["grey"], axes="TYX", tile=10, out=out, on_event=stop)
    assert np.array_equal(out[:2], whole[:2])
    assert not out[2:].any()
    # and the model can be used again
    again = denoise(image, models["grey"], axes="TYX", tile=10)
    assert np.array_equal(again, whole)


def test_closing_the_generator_cancels(models: Models) -> None:
    image = random_image((3, 20, 20), "uint16")
    out = np.zeros_like(image)
    work = iter_denoise(image, models["grey"], axes="TYX", out=out)
    for _ in range(3):
        next(work)
    work.close()
    assert out[0].any()
    assert not out[2].any()


def test_out_is_filled_and_returned(models: Models) -> None:
    image = random_image((2, 20, 20), "uint16")
    out = np.empty((2, 20, 20), np.float32)
    result = denoise(image, models["grey"], axes="TYX", dtype="float32", out=out)
    assert result is out
    assert np.array_equal(
        out, denoise(image, models["grey"], axes="TYX", dtype="float32")
    )
    inplace = image.copy()
    denoise(inplace, models["grey"], axes="TYX", out=inplace)
    assert np.array_equal(inplace, denoise(image, models["grey"], axes="TYX"))


@pytest.mark.parametrize(
    "out", [np.empty((2, 20), np.uint16), np.empty((20, 20), "f4")]
)
def test_out_that_does_not_fit(models: Models, out: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"out has shape .* the result will have"):
        denoise(np.zeros((20, 20), np.uint16), models["grey"], out=out)


def test_two_jobs_by_turns(models: Models) -> None:
    images = [random_image((2, 30, 30), "uint16", s) for s in range(2)]
    path = models["attention-guide"]
    expected = [denoise(i, path, axes="TYX", tile=16) for i in images]
    work = [iter_denoise(i, path, axes="TYX", tile=16) for i in images]
    results: dict[int, np.ndarray] = {}
    while len(results) < 2:
        for i in {0, 1} - results.keys():
            try:
                next(work[i])
            except StopIteration as stop:
                results[i] = stop.value
    assert np.array_equal(results[0], expected[0])
    assert np.array_equal(results[1], expected[1])


def test_two_threads(models: Models) -> None:
    images = [random_image((2, 30, 30), "uint16", s) for s in range(2)]
    path = models["attention-guide"]
    expected = [denoise(i, path, axes="TYX", tile=16) for i in images]
    results: dict[int, list[np.ndarray]] = {0: [], 1: []}

    def work(number: int) -> None:
        for _ in range(3):
            results[number].append(denoise(images[number], path, axes="TYX", tile=16))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        assert len(results[i]) == 3
        assert all(np.array_equal(r, expected[i]) for r in results[i])


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


def test_files_and_arrays_give_the_same(models: Models, tmp_path: Path) -> None:
    stack = np.random.default_rng(1).normal(500, 60, (40, 24, 20)).astype(np.uint16)
    stack[7] *= 3  # a plane that decides the range, if it is looked at
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, stack, metadata={"axes": "ZYX"})
    denoise_file(source, target, models["grey"])
    expected = denoise(stack, models["grey"], axes="ZYX")
    np.testing.assert_array_equal(tifffile.imread(target), expected)


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

"""Axes in any order, guessed ones, and colours with or without alpha."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.inference.images import by_hand, random_image

from napari_gradnet.errors import AxesError, ModelError
from napari_gradnet.events import Progress
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models

    from napari_gradnet.events import Event


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

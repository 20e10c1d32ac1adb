"""Options that are checked, and arrays to write into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.inference.images import random_image

from napari_gradnet.errors import InputError
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nan": "ignore"}, r"nan='ignore' is unknown: use 'raise' or 'keep'"),
        ({"vst": "on"}, r"vst='on' is unknown: use 'auto', True or False"),
        ({"vst": None}, r"vst=None is unknown"),
        ({"ensemble": "auto"}, r"ensemble=.auto. is unknown: use True, False or None"),
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

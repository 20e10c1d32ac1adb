"""Images with NaN or infinite values: refused, or kept as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.inference.images import counts, random_image

from napari_gradnet.errors import InputError
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models


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
    image[..., 3] *= 100
    whole = denoise(image, models["color"], axes="YXS", nan="keep", dtype="int16")
    assert whole[3, 3, 3] in whole[2:5, 2:5, 3].ravel()[[1, 3, 5, 7]]


def test_kept_nan_has_no_place_in_integers(models: Models) -> None:
    image = random_image((12, 12), "float32")
    image[3, 3] = np.nan
    result = denoise(image, models["grey"], nan="keep", dtype="int16")
    assert abs(int(result[3, 3])) < 3000  # the filled value, denoised

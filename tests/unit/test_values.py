"""Which values are accepted, how they are scaled and brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gradnet.errors import InputError
from napari_gradnet.values import (
    cast_values,
    check_dtype,
    in_parts,
    nonfinite_message,
    output_dtype,
    robust_range,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, ">u2", ">f4"])
def test_intensities_are_accepted(dtype: str) -> None:
    assert check_dtype(dtype) == np.dtype(dtype)
    assert output_dtype("same", dtype) == np.dtype(dtype)


@pytest.mark.parametrize(
    "dtype", ["complex64", "O", "U3", "S3", "M8[s]", "V4", "i4,f4"]
)
def test_what_is_no_intensity_is_refused(dtype: str) -> None:
    with pytest.raises(
        InputError, match=r"cannot be denoised: use integers of 8 to 64"
    ):
        check_dtype(dtype)


def test_masks_are_refused() -> None:
    with pytest.raises(InputError, match=r"a bool image is a mask.*to uint8"):
        check_dtype(bool)


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="is float64 here")
def test_wide_floats_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be denoised"):
        check_dtype("longdouble")


@pytest.mark.parametrize("name", ["same8", "", "float23", None])
def test_unknown_output_dtypes(name: str | None) -> None:
    with pytest.raises(InputError, match=r"is unknown: use 'same', 'float32' or"):
        output_dtype(name, "uint8")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_saturate(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([0.49, 0.51, 1.5, 2.5, 41.6, -0.4, -1e30, 1e30, np.inf, -np.inf])
    result = cast_values(values, np.dtype(dtype))
    assert result.dtype == dtype
    ends = [limits.min, limits.max, limits.max, limits.min]
    if limits.bits == 64:  # the largest are no float64
        below = int(np.nextafter(float(limits.max), 0))
        ends = [limits.min, below, below, limits.min]
    assert result.tolist() == [0, 1, 2, 2, 42, 0, *ends]


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_the_ends_of_32_bits_are_exact(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.max, limits.max - 1, limits.min], np.float64)
    result = cast_values(values, np.dtype(dtype)).tolist()
    assert result == [limits.max, limits.max - 1, limits.min]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_saturate_too(dtype: str) -> None:
    limits = np.finfo(dtype)
    values = np.array([1e300, -1e300, 0.25, np.nan])
    result = cast_values(values, np.dtype(dtype))
    assert result.dtype == dtype
    assert np.array_equal(
        result, [limits.max, limits.min, 0.25, np.nan], equal_nan=True
    )


def test_nonfinite_message() -> None:
    image = np.ones((4, 5), np.float32)
    assert nonfinite_message(image) == ""
    assert nonfinite_message(np.zeros((2, 2), np.uint8)) == ""
    image[2, 3], image[3, 0], image[3, 1] = np.nan, np.inf, -np.inf
    message = nonfinite_message(image, " of plane 7")
    assert message.startswith(
        "3 of 20 values of plane 7 are NaN or infinite, the first at (2, 3): "
    )


def test_range_is_that_of_all_parts_together(rng: np.random.Generator) -> None:
    dark, bright = rng.normal(10, 1, (50, 50)), rng.normal(1000, 1, (50, 50))
    values = np.sort(np.concatenate([dark, bright]), axis=None)
    expected = (values[5], values[4994])  # 0.1 % of 5000 on either side
    assert robust_range([dark, bright]) == expected
    assert robust_range([bright, dark]) == expected


def test_range_leaves_the_image_as_it_is(rng: np.random.Generator) -> None:
    image = rng.random((40, 40))
    copy = image.copy()
    robust_range([image])
    assert np.array_equal(image, copy)


def test_range_is_robust_and_leaves_out_what_is_not_finite() -> None:
    image = np.tile(np.linspace(0, 1, 1000), 10)
    spoilt = image.copy()
    spoilt[:3] = np.nan, np.inf, 1e9
    assert robust_range([spoilt]) == pytest.approx(robust_range([image]), abs=0.002)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.nan, np.inf], (0, 1)),
        ([], (0, 1)),
        ([0.0, 0.0], (0, 1)),
        ([0.0] * 5000 + [7.0], (0, 7)),  # a few bright pixels
    ],
)
def test_range_of_nearly_nothing(values: list[float], expected: object) -> None:
    assert robust_range([np.array(values)]) == expected


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_range_of_extreme_images(dtype: str) -> None:
    # the difference of two neighbours may leave the type
    limits = np.finfo(dtype) if dtype in FLOATS else np.iinfo(dtype)
    image = np.array([limits.min, limits.max], dtype)
    assert robust_range([image]) == (float(limits.min), float(limits.max))


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(FLOATS),
)
def test_range_of_a_constant_image_has_an_extent(value: float, dtype: str) -> None:
    limits = np.finfo(dtype)
    image = np.full(9, np.clip(value, limits.min, limits.max), dtype)
    low, high = robust_range([image])
    assert low <= image[0] <= high
    assert low < high < np.inf
    assert 0 <= (float(image[0]) - low) / (high - low) <= 1


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_range_of_a_large_constant_has_an_extent(dtype: str) -> None:
    low, high = robust_range([np.full(9, np.iinfo(dtype).max, dtype)])
    assert high > low


@pytest.mark.parametrize("shape", [(1,), (7, 5), (3, 2000, 1000), (1, 1 << 20)])
def test_parts_are_the_whole(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape)).reshape(shape).T
    out = np.empty(image.shape, np.float32)
    sizes = []

    def double(part: NDArray[np.int64]) -> NDArray[np.int64]:
        sizes.append(part.size)
        return 2 * part

    in_parts(double, image, out)
    np.testing.assert_array_equal(out, 2 * image)
    assert sum(sizes) == image.size
    assert max(sizes) <= 2**18

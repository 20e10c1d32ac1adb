"""Sobel gradients against SciPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_gradnet.errors import InputError
from napari_gradnet.gradient import SOBEL_H, SOBEL_V, sobel_gradient

KINDS = ("magnitude", "horizontal", "vertical", "orientation")
DTYPES = ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")


def _reference(image, kind):
    wide = np.asarray(image, np.float64)
    # "reflect" of ndimage repeats the border pixel; correlation, not convolution
    horizontal = ndimage.correlate(wide, np.array(SOBEL_H), mode="reflect")
    vertical = ndimage.correlate(wide, np.array(SOBEL_V), mode="reflect")
    return {
        "magnitude": np.sqrt(horizontal**2 + vertical**2),
        "horizontal": horizontal,
        "vertical": vertical,
        "orientation": np.arctan2(vertical, horizontal),
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(31, 40), (1, 9), (9, 1), (1, 1), (2, 3)])
def test_matches_a_float64_reference(rng, kind, shape):
    image = rng.random(shape).astype(np.float32)
    result = sobel_gradient(image, kind)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, _reference(image, kind), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_matches_the_reference_for_every_dtype(rng, kind, dtype):
    image = (rng.random((20, 17)) * 250).astype(dtype)
    expected = _reference(image, kind)
    result = sobel_gradient(image, kind)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-3)
    assert result.dtype == (np.float64 if dtype in ("uint32", "float64") else "float32")


def test_falling_edges_of_unsigned_integers_do_not_wrap():
    image = np.array([[200, 100, 0]] * 3, np.uint8)
    np.testing.assert_array_equal(
        sobel_gradient(image, "horizontal"), [[-400, -800, -400]] * 3
    )


@pytest.mark.parametrize(
    ("turn", "angle"), [(0, 0.0), (1, -np.pi / 2), (2, np.pi), (3, np.pi / 2)]
)
def test_orientation_points_to_the_bright_side(turn, angle):
    ramp = np.rot90(np.tile(np.arange(9.0), (9, 1)), turn)
    inside = sobel_gradient(ramp, "orientation")[1:-1, 1:-1]
    np.testing.assert_allclose(
        np.abs(np.exp(1j * inside) - np.exp(1j * angle)), 0, atol=1e-9
    )


def test_stacks_are_taken_plane_by_plane(rng):
    stack = rng.random((3, 12, 10)).astype(np.float32)
    expected = np.stack([_reference(p, "magnitude") for p in stack])
    np.testing.assert_allclose(sobel_gradient(stack), expected, atol=1e-5)
    moved = np.moveaxis(stack, 0, -1)
    np.testing.assert_allclose(
        sobel_gradient(moved, plane_axes=(0, 1)),
        np.moveaxis(expected, 0, -1),
        atol=1e-5,
    )


def test_nan_spreads_by_one_pixel_only():
    image = np.zeros((7, 7), np.float32)
    image[3, 3] = np.nan
    bad = np.isnan(sobel_gradient(image, "magnitude"))
    assert bad.sum() == 8  # the centre of both kernels is 0
    assert bad[2:5, 2:5].sum() == 8


def test_the_input_is_left_alone(rng):
    image = rng.random((8, 8))
    before = image.copy()
    sobel_gradient(image)
    np.testing.assert_array_equal(image, before)


def test_refuses_what_it_cannot_use():
    with pytest.raises(InputError, match="kind='up' is unknown: use one of magnitude"):
        sobel_gradient(np.zeros((3, 3)), "up")
    with pytest.raises(InputError, match="has 1 dimensions"):
        sobel_gradient(np.zeros(3))
    with pytest.raises(InputError, match="dtype complex128"):
        sobel_gradient(np.zeros((3, 3), complex))
    for axes in ((0, 0), (0, 2), (-1, 1)):
        with pytest.raises(InputError, match="two different axes of 2 dimensions"):
            sobel_gradient(np.zeros((3, 3)), plane_axes=axes)

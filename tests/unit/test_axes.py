"""Axes strings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gradnet.axes import ImageAxes, guess_axes, resolve_axes
from napari_gradnet.errors import AxesError

LENGTHS = {"T": 2, "C": 3, "Z": 1, "Y": 5, "X": 4, "S": 3}
ORDERS = [
    "".join(order)
    for letters in ("YX", "YXS", "ZYX", "CYXS", "TCYX", "TZCYX")
    for order in itertools.permutations(letters)
]


def numbered(axes: str) -> np.ndarray:
    """Each value tells its place: index times 10 to the letter's power."""
    image = np.zeros([LENGTHS[a] for a in axes], int)
    for place, letter in enumerate("TCZYXS"):
        if letter in axes:
            shape = [-1 if a == letter else 1 for a in axes]
            image = image + np.arange(LENGTHS[letter]).reshape(shape) * 10**place
    return image


@given(st.sampled_from(ORDERS))
def test_planes_there_and_back(order: str) -> None:
    image = numbered(order)
    axes = ImageAxes(order, image.shape)
    copy = np.full_like(image, -1)
    sorted_axes = axes.stack_axes + axes.plane_axes
    planes = np.moveaxis(
        image, [order.index(a) for a in sorted_axes], range(image.ndim)
    )
    planes = planes.reshape(-1, *axes.plane_shape)
    indices = list(axes.iter_planes())
    assert len(indices) == axes.num_planes == len(planes)
    for index, expected in zip(indices, planes, strict=True):
        plane = axes.to_plane(image[index])
        assert plane.shape == axes.plane_shape
        assert np.array_equal(plane, expected)
        copy[index] = axes.from_plane(plane)
    assert np.array_equal(copy, image)


def test_what_axes_say() -> None:
    axes = ImageAxes("TCYXS", (7, 2, 30, 40, 4))
    assert axes.is_rgb
    assert (axes.plane_axes, axes.plane_shape) == ("YXS", (30, 40, 4))
    assert (axes.stack_axes, axes.stack_shape) == ("TC", (7, 2))
    assert axes.num_planes == 14
    assert axes.length("C") == 2
    assert axes.length("Z") == 1
    grey = ImageAxes("XY", (30, 40))
    assert (grey.plane_axes, grey.plane_shape, grey.is_rgb) == ("YX", (40, 30), False)
    assert (grey.stack_axes, grey.num_planes) == ("", 1)


@pytest.mark.parametrize(
    ("shape", "guess"),
    [
        ((30, 40), "YX"),
        ((3, 3), "YX"),
        ((7, 30, 40), "ZYX"),
        ((30, 40, 3), "YXS"),
        ((30, 40, 4), "YXS"),
        ((30, 40, 2), "ZYX"),
        ((30, 3, 3), "ZYX"),  # three columns, not three samples
        ((4, 4, 4), "ZYX"),
        ((5, 7, 30, 40), "TZYX"),
        ((7, 30, 40, 3), "ZYXS"),
        ((5, 7, 2, 30, 40), "TZCYX"),
        ((5, 7, 30, 40, 4), "TZYXS"),
        ((5, 7, 2, 30, 40, 3), "TZCYXS"),
        ((1, 1, 1), "ZYX"),
    ],
)
def test_guesses(shape: tuple[int, ...], guess: str) -> None:
    assert guess_axes(shape) == guess
    axes, message = resolve_axes(shape)
    assert axes == ImageAxes(guess, shape)
    if len(shape) == 2:
        assert message == ""
    else:
        assert f"axes guessed as {guess} from the shape {shape}" in message


def test_given_axes_are_taken_without_a_message() -> None:
    assert resolve_axes((3, 4, 5), "yxz") == (ImageAxes("YXZ", (3, 4, 5)), "")


def test_any_other_letter_counts_planes() -> None:
    assert ImageAxes("QYX", (6, 4, 5)).num_planes == 6


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        (None, (5,), r"cannot guess .* 1 dimensions \(shape \(5,\)\): 2 to 5"),
        (None, (), r"0 dimensions"),
        (None, (2, 2, 2, 2, 9, 9), r"6 dimensions"),
        (None, (0, 5), r"the array is empty \(shape \(0, 5\)\): there is nothing"),
        ("X", (5,), r"at least 2 dimensions \(Y, X\), this array has 1"),
        ("YX", (2, 3, 4), r"'YX' names 2 dimensions, the array has 3"),
        ("", (2, 3), r"names 0 dimensions"),
        ("Y1", (2, 3), r"use upper-case letters such as 'TZCYX'"),
        ("Y ", (2, 3), r"use upper-case letters"),
        ("ΥΧ", (2, 3), r"use upper-case letters"),  # noqa: RUF001 - Greek on purpose
        ("YY", (2, 3), r"'YY' repeats a letter"),
        ("ZX", (2, 3), r"'ZX' lacks Y or X"),
        ("YXS", (5, 6, 2), r"axis S of axes='YXS' has 2 samples .*call .* C"),
        ("YXZ", (5, 0, 2), r"empty"),
    ],
)
def test_axes_that_do_not_fit(
    axes: str | None, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(AxesError, match=message):
        resolve_axes(shape, axes)


def test_a_length_that_is_not_known_yet() -> None:
    message = r"shape \(nan, 5\) is not known yet: compute it first"
    with pytest.raises(AxesError, match=message):
        resolve_axes((float("nan"), 5))


@pytest.mark.parametrize(
    ("axes", "shape", "channels"),
    [
        ("TCYX", (2, 3, 4, 4), [0, 1, 2, 0, 1, 2]),
        ("CZYX", (2, 3, 4, 4), [0, 0, 0, 1, 1, 1]),
        ("ZYX", (3, 4, 4), [0, 0, 0]),
        ("YCX", (4, 2, 4), [0, 1]),
    ],
)
def test_channel_of_every_plane(axes, shape, channels):
    image = ImageAxes(axes, shape)
    assert [image.channel_of(k) for k in range(image.num_planes)] == channels


def test_spread_planes_covers_every_channel():
    image = ImageAxes("TCYX", (40, 2, 4, 4))
    spread = image.spread_planes(4)
    assert spread == {0: [0, 26, 52, 78], 1: [1, 27, 53, 79]}


def test_axes_are_a_text() -> None:
    with pytest.raises(AxesError, match=r"axes=\('Y', 'X'\) must be a text"):
        resolve_axes((4, 5), ("Y", "X"))  # type: ignore[arg-type]

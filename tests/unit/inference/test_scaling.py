"""From an image's units to those of a network and back."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_gradnet.inference.options import StackOptions
from napari_gradnet.inference.scaling import Scaling, settle_scaling
from napari_gradnet.noise.stabilize import Stabilizer


@pytest.mark.parametrize("stabilizer", [None, Stabilizer(3.0, 100.0, 5.0)])
def test_large_planes_take_little_memory_on_the_way(
    stabilizer: Stabilizer | None,
) -> None:
    scaling = Scaling(10, 400, stabilizer)
    image = np.random.default_rng(0).integers(0, 9999, (1, 2000, 1500), np.uint16)
    scaling.restore(np.zeros(1, np.float32), np.empty(1))  # makes the inverse's table
    tracemalloc.start()
    try:
        scaled = scaling.forward(image)
        result = np.empty(image.shape, image.dtype)
        scaling.restore(scaled, result)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    kept = scaled.nbytes + result.nbytes
    assert peak < kept + 20e6  # less than one float64 of each value, 24 MB
    if stabilizer is None:
        np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize(
    ("white", "shape", "expected"),
    [(40, (64, 64), (0, 40)), (90, (64, 64), (0, 255)), (40, (64, 64, 3), (0, 255))],
)
def test_few_photons_in_8_bits_are_no_photo(
    white: int, shape: tuple[int, ...], expected: tuple[int, int]
) -> None:
    plane = np.linspace(0, white, int(np.prod(shape))).round().reshape(shape)
    scaling = settle_scaling(
        [plane.astype(np.uint8)],
        np.dtype(np.uint8),
        StackOptions(vst=False),
        rgb=len(shape) == 3,
    )
    assert (scaling.low, scaling.high) == expected

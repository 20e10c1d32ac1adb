"""Planes, or blocks of planes, that stand for a stack."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_gradnet.axes import ImageAxes
from napari_gradnet.noise.estimate import estimate_noise
from napari_gradnet.samples import sample_planes


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planes of more than 256 x 256 pixels are large."""
    monkeypatch.setattr("napari_gradnet.samples.SAMPLE_VALUES", 1 << 12)


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize("shape", [(900, 700), (513, 2000), (1, 90_000), (90_000, 1)])
def test_blocks_are_spread_over_a_large_plane(shape: tuple[int, int]) -> None:
    axes = ImageAxes("YX", shape)
    plane = np.arange(shape[0] * shape[1]).reshape(shape)
    ((kept,),) = sample_planes(lambda _: plane, axes).values()
    assert np.unique(kept).size == kept.size < plane.size
    # a pixel's neighbour is its neighbour in the plane, but for the blocks' seams
    for axis, stride in ((0, shape[1]), (1, 1)):
        if shape[axis] > 1:
            assert np.mean(np.diff(kept, axis=axis) == stride) > 0.95
    if min(shape) > 1:
        middles = [half.mean() for half in np.array_split(kept, 2)]
        np.testing.assert_allclose(middles, plane.size * np.array([1, 3]) / 4, rtol=0.1)


@pytest.mark.usefixtures("small_budget")
def test_correlated_noise_looks_as_strong_in_a_large_plane() -> None:
    rng = np.random.default_rng(3)
    noise = gaussian_filter(rng.normal(0, 20, (1200, 1200)), 0.8)
    ((kept,),) = sample_planes(lambda _: noise, ImageAxes("YX", noise.shape)).values()
    assert kept.size < noise.size / 5
    whole = estimate_noise(noise).sigma
    assert estimate_noise(kept).sigma == pytest.approx(whole, rel=0.15)


def test_small_planes_are_taken_as_they_are() -> None:
    stack = np.random.default_rng(0).integers(0, 9, (40, 2, 30, 20))
    samples = sample_planes(
        lambda n: stack[n // 2, n % 2], ImageAxes("TCYX", stack.shape)
    )
    assert {c: len(planes) for c, planes in samples.items()} == {0: 16, 1: 16}
    np.testing.assert_array_equal(samples[1][-1], stack[-1, 1])

"""Training images at several sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_gradnet.config.data import DataConfig, SourceConfig
from napari_gradnet.data.scales import at_scales
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAUSS = {"kind": "gaussian", "sigma": 10}


def waves(period: float, side: int = 128) -> NDArray[np.float64]:
    return 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(side) / period)[None, None] * (
        np.ones((1, side, 1))
    )


def test_a_shrunk_image_shows_the_same_finer() -> None:
    (whole, half), names = at_scales([waves(16)], ["a"], [1, 0.5], 32)
    assert whole.shape == (1, 128, 128)
    assert half.shape == (1, 64, 64)
    assert names == ["a", "a x 0.5"]
    # each pixel is the mean of two: half a pixel to the right of the larger one
    wanted = 0.5 + 0.4 * np.sin(2 * np.pi * (np.arange(64) + 0.25) / 8)
    assert np.abs(half[0, :, 2:-2] - wanted[2:-2]).max() < 0.02


def test_too_fine_waves_vanish_instead_of_aliasing() -> None:
    (half,), _ = at_scales([waves(2.5)], ["a"], [0.5], 32)
    assert np.abs(half[0, :, 4:-4] - 0.5).max() < 0.06


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_type_and_range_stay(dtype: Any) -> None:
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    step = np.zeros((1, 40, 40), dtype)
    step[:, :, 20:] = top
    (small,), _ = at_scales([step], ["a"], [0.7], 16)
    assert small.dtype == dtype
    assert small.shape == (1, 28, 28)
    assert (small.min(), small.max()) == (0, top)


def test_copies_smaller_than_a_patch_are_left_out() -> None:
    _, names = at_scales([waves(8, 64), waves(8)], ["a", "b"], [1, 0.5], 64)
    assert names == ["a", "b", "b x 0.5"]


def test_no_copy_of_a_held_out_image_is_trained_on(rng: np.random.Generator) -> None:
    # every image has a mean of its own, which shrinking keeps
    images = [np.full((64, 64), i / 10) + rng.random((64, 64)) / 100 for i in range(8)]
    source = {"clean": "array:a", "noise": GAUSS, "scales": [1, 0.5]}
    config = DataConfig.parse(
        {"train": [source], "validation": {"num_held_out": 2}}, "data"
    )
    data = load_data(config, 1, 16, {"a": images})
    (trained,) = data.sources
    assert len(trained.clean) == 12
    assert len(set(trained.names)) == 12
    means = {round(float(trained.clean.image(i).mean()), 1) for i in range(12)}
    held = {round(float(clean.mean()), 1) for clean, *_ in data.validation}
    assert len(held) == 2
    assert not means & held
    assert {tuple(clean.shape) for clean, *_ in data.validation} == {(1, 64, 64)}


def test_scales_that_leave_nothing_are_told() -> None:
    source = {"clean": "array:a", "noise": GAUSS, "scales": [0.5, 0.25]}
    config = DataConfig.parse({"train": [source]}, "data")
    with pytest.raises(ConfigError, match=r"48 pixels when shrunk to 0.5, 0.25: add 1"):
        load_data(config, 1, 48, {"a": [waves(8, 64)[0]] * 2})


def test_pairs_and_wrong_scales_are_refused() -> None:
    with pytest.raises(ConfigError, match="scales are for clean images"):
        SourceConfig.parse({"clean": "a", "noisy": "b", "scales": [1, 0.5]}, "source")
    for wrong in ([], [0], [1.5], [-1]):
        values = {"clean": "a", "noise": GAUSS, "scales": wrong}
        with pytest.raises(ConfigError, match="scales"):
            SourceConfig.parse(values, "source")

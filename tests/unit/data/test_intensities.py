"""Images that are not what their type promises, and the room that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_gradnet.config.data import DataConfig, SourceConfig
from napari_gradnet.data import sources
from napari_gradnet.data.load import load_images
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import ConfigError, GradNetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAUSS = {"kind": "gaussian", "sigma": 10}


def load(clean: NDArray[Any], noisy: NDArray[Any] | None = None, **options: Any) -> Any:
    values: dict[str, Any] = {"clean": "array:clean", "check_alignment": False}
    if noisy is None:
        values["noise"] = GAUSS
    else:
        values["noisy"] = "array:noisy"
    arrays = {"clean": clean, "noisy": noisy}
    return load_images(SourceConfig.parse({**values, **options}), 1, 16, arrays)


def test_levels_of_255_as_floats_are_refused(grey: NDArray[np.uint8]) -> None:
    levels = grey.astype(np.float32)
    message = r"array:clean: the clean image holds floats from .* to 2\d\d.*divide by"
    with pytest.raises(ConfigError, match=message):
        load(levels)
    with pytest.raises(ConfigError, match=r"noisy image holds floats .*percentile"):
        load(levels / 255, levels)
    assert len(load(levels, intensity="percentile").clean) == 1


def test_deep_integers_that_fill_little_are_refused(grey: NDArray[np.uint8]) -> None:
    """In use they are scaled by what they fill."""
    dim = grey.astype(np.uint16) * 4
    message = r"fill 1\.\d\d% of the range .* give intensity: percentile"
    with pytest.raises(ConfigError, match=message):
        load(dim)
    assert load(dim, intensity="percentile").clean
    assert load([dim, grey.astype(np.uint16) * 250]).clean  # a dark one among others


def test_a_noise_that_cannot_be_is_told_at_once(grey: NDArray[np.uint8]) -> None:
    validation = {"num_held_out": 0, "noises": [{"kind": "photo"}]}
    values = {
        "train": [{"clean": "array:a", "noise": GAUSS}],
        "validation": validation,
    }
    with pytest.raises(GradNetError, match="takes RGB images"):
        load_data(DataConfig.parse(values), 1, 16, {"a": grey})


def test_what_lies_a_little_outside_is_accepted(
    grey: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    clean = grey / 255
    clean[3, 4] = 7  # a hot pixel
    noisy = clean + rng.normal(0, 0.5, clean.shape)
    loaded = load(1.2 * clean - 0.1, noisy)
    assert (len(loaded.clean), loaded.skipped) == (1, [])


def test_pairs_of_two_types(grey: NDArray[np.uint8]) -> None:
    counts = (grey.astype(np.uint16) * 80) + 100
    with pytest.raises(ConfigError, match=r"of uint16, .* of float64, .*fit_clean"):
        load(grey / 255, counts)
    assert load(grey.astype(float), counts, fit_clean=True).clean
    assert load(grey / 255, counts, intensity="percentile").clean
    assert load(grey / 255, grey).clean  # one scale


def test_all_images_together_have_to_fit_the_device(
    grey: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"clean": "array:a", "noise": GAUSS}
    values = {"train": [entry] * 3, "validation": {"num_held_out": 0}}
    data = load_data(DataConfig.parse(values), 1, 16, {"a": grey})
    monkeypatch.setattr(sources, "room_for_images", lambda _: 2.5 * grey.nbytes)
    data.to(torch.device("meta"))
    kinds = [source.clean.flat.device.type for source in data.sources]
    assert kinds == ["meta", "meta", "cpu"]

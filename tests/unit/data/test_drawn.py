"""Drawn training images."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gradnet.config.data import DataConfig, SourceConfig
from napari_gradnet.data.drawn import DRAWN_SIDE, draw_image
from napari_gradnet.data.load import load_images
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import ConfigError

GAUSS = {"kind": "gaussian", "sigma": 10}


def source(clean: str) -> SourceConfig:
    return SourceConfig.parse({"clean": clean, "noise": GAUSS}, "source")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_number_gives_the_same_image(channels: int) -> None:
    image = draw_image(5, channels)
    assert image.dtype == np.uint8
    assert image.shape == (channels, DRAWN_SIDE, DRAWN_SIDE)
    assert np.array_equal(image, draw_image(5, channels))
    assert not np.array_equal(image, draw_image(6, channels))


def test_they_hold_fine_waves_and_hard_edges() -> None:
    images = np.concatenate([draw_image(i, 1) for i in range(24)]) / 255
    assert np.abs(np.diff(images, axis=2)).max() > 0.5
    power = np.abs(np.fft.rfft2(images - images.mean((1, 2), keepdims=True))) ** 2
    rows = np.abs(np.fft.fftfreq(DRAWN_SIDE))[:, None]
    columns = np.fft.rfftfreq(DRAWN_SIDE)
    fine = np.hypot(rows, columns) > 0.2  # shorter than 5 pixels
    assert (power * fine).sum() / power.sum() > 0.02
    # light and dark, flat and textured
    assert images.mean((1, 2)).std() > 0.1
    assert images.std((1, 2)).min() < 0.05 < 0.15 < images.std((1, 2)).max()


def test_drawn_names_so_many_images() -> None:
    loaded = load_images(source("drawn:3"), 3, 64)
    assert loaded.names == ["drawn:0", "drawn:1", "drawn:2"]
    assert np.array_equal(loaded.clean[2], draw_image(2, 3))
    assert loaded.files == []


def test_they_feed_batches() -> None:
    config = DataConfig.parse(
        {
            "train": [{"clean": "drawn:4", "noise": GAUSS}],
            "validation": {"num_held_out": 1},
        },
        "data",
    )
    data = load_data(config, 1, 32)
    batch = next(data.iter_epoch(seed=0, epoch=1, batch_size=8, patch_size=32))
    assert batch.clean.shape == (8, 1, 32, 32)
    assert (batch.noisy - batch.clean).std().item() == pytest.approx(10 / 255, rel=0.1)


@pytest.mark.parametrize(
    "name", ["drawn:", "drawn:0", "drawn:-2", "drawn:x", "drawn:²"]
)
def test_a_number_is_asked_for(name: str) -> None:
    with pytest.raises(ConfigError, match="say how many images to draw"):
        load_images(source(name), 1, 16)


@pytest.mark.parametrize(
    "pairs",
    [
        {"clean": "drawn:3", "noisy": "array:a"},
        {"clean": "array:a", "noisy": ["array:a", "drawn:3"]},
    ],
)
def test_they_are_no_half_of_a_pair(pairs: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="drawn images are clean"):
        SourceConfig.parse(pairs, "source")

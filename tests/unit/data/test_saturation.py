"""Stronger colours in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gradnet.config.data import DataConfig, SourceConfig
from napari_gradnet.data.saturation import saturate
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import ConfigError
from napari_gradnet.noise.add import noise_generator

GAUSS = {"kind": "gaussian", "sigma": 10}


def test_colours_move_away_from_their_grey() -> None:
    reddish = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1).expand(4, 3, 8, 8)
    strong = saturate(reddish, 2.0, noise_generator(0))
    wanted = torch.tensor([0.6, 0.4, 0.2]).view(1, 3, 1, 1)
    torch.testing.assert_close(strong, wanted.expand(4, 3, 8, 8))


def test_each_patch_draws_its_own_within_the_range() -> None:
    reddish = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1).expand(500, 3, 2, 2)
    strong = saturate(reddish, (0.5, 2.0), noise_generator(0))
    factors = (strong[:, 0, 0, 0] - strong[:, 2, 0, 0]) / 0.2
    assert 0.5 <= factors.min() < 0.52
    assert 1.95 < factors.max() <= 2.0
    assert abs(factors.median() - 1) < 0.1  # log-uniform


def test_colours_beyond_full_scale_are_clipped_and_grey_stays() -> None:
    patches = torch.rand(6, 3, 8, 8, generator=noise_generator(1))
    strong = saturate(patches, 4.0, noise_generator(0))
    assert (strong.min(), strong.max()) == (0, 1)
    grey = 3 * patches[:, :1]
    assert torch.equal(saturate(grey, 4.0, noise_generator(0)), grey)


def test_targets_are_saturated_and_what_is_held_out_is_not() -> None:
    reddish = np.broadcast_to(np.float32([0.5, 0.4, 0.3]), (64, 64, 3))
    config = DataConfig.parse(
        {
            "train": [
                {"clean": "array:red", "noise": GAUSS, "saturation": [2, 2]},
            ],
            "validation": {"num_held_out": 1},
        }
    )
    data = load_data(config, 3, 16, {"red": [reddish] * 8})
    batch = next(data.iter_epoch(seed=0, epoch=0, batch_size=4, patch_size=16))
    wanted = torch.tensor([0.6, 0.4, 0.2]).view(1, 3, 1, 1)
    torch.testing.assert_close(batch.clean, wanted.expand(4, 3, 16, 16))
    # the noise is that of the saturated target
    assert 8 < 255 * (batch.noisy - batch.clean).std() < 12
    for held, *_ in data.validation:
        torch.testing.assert_close(held, torch.tensor(reddish.transpose(2, 0, 1)))


@pytest.mark.parametrize("value", [0, -1, [2, 1], [0, 1], float("nan"), [1, 2, 3]])
def test_a_wrong_range_is_told(value: object) -> None:
    with pytest.raises(ConfigError, match="saturation"):
        SourceConfig.parse({"clean": "x", "noise": GAUSS, "saturation": value})


def test_not_for_pairs() -> None:
    with pytest.raises(ConfigError, match="clean images"):
        SourceConfig.parse({"clean": "x", "noisy": "y", "saturation": [1, 2]})

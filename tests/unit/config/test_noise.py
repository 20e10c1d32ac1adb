"""Noise as configuration."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from napari_gradnet.config.noise import (
    CameraNoise,
    GaussianNoise,
    MixedNoise,
    NoiseConfig,
    PoissonGaussianNoise,
    PoissonNoise,
    describe_noise_config,
)
from napari_gradnet.errors import ConfigError


@pytest.mark.parametrize(
    "config",
    [
        GaussianNoise(sigma=(0, 55)),
        PoissonNoise(),
        PoissonGaussianNoise(peak=4),
        CameraNoise(),
        MixedNoise(parts=(GaussianNoise(), PoissonNoise()), weights=(1, 2)),
    ],
)
def test_kind_tells_the_model(config: NoiseConfig) -> None:
    adapter: TypeAdapter[NoiseConfig] = TypeAdapter(NoiseConfig)
    assert adapter.validate_python(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (
            GaussianNoise,
            {"sigma": (50, 5)},
            r"^invalid noise: sigma=\(50.0, 5.0\): give the lowest value first",
        ),
        (GaussianNoise, {"sigma": -1}, r"sigma=-1.0: .*none negative"),
        (GaussianNoise, {"sigma": float("nan")}, r"sigma=nan"),
        (GaussianNoise, {"sigma": "loud"}, r"sigma.*='loud'"),
        (GaussianNoise, {"sigma": (1, 2, 3)}, r"sigma"),
        (GaussianNoise, {"peak": 3}, r"peak is not an option here; known are .*sigma"),
        (PoissonNoise, {"peak": (8, 1)}, r"peak=\(8.0, 1.0\): give the lowest"),
        (CameraNoise, {"read_noise": (-1, 1)}, r"read_noise=\(-1.0, 1.0\)"),
        (MixedNoise, {"parts": []}, r"parts=\[\]: .*at least 1 item"),
        (
            MixedNoise,
            {"parts": [{"kind": "gaussian"}], "weights": [1, 2]},
            r"2 weights for 1 parts",
        ),
        *(
            (
                MixedNoise,
                {"parts": [{"kind": "gaussian"}] * 2, "weights": weights},
                what,
            )
            for weights, what in [
                ((-1, 2), r"weights=\(-1.0, 2.0\): give none below 0"),
                ((0, 0), r"weights=\(0.0, 0.0\): .*and one above it"),
                ((1, float("nan")), r"weights=\(1.0, nan\)"),
            ]
        ),
        (MixedNoise, {"parts": [{"kind": "salt"}]}, r"parts.0=.*'salt'.*'gaussian'"),
    ],
)
def test_ranges(model: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model.parse(values, "noise")


@pytest.mark.parametrize("peak", [0.0, (0.0, 8.0)])
def test_no_photons_at_full_scale_are_refused(peak):
    with pytest.raises(ConfigError, match=r"peak=.*must be above 0"):
        PoissonNoise.parse({"peak": peak})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"kind": "gaussian", "sigma": [0, 55]},
            "Gaussian noise, sigma 0 to 55 of 255",
        ),
        ({"kind": "gaussian", "sigma": 25}, "Gaussian noise, sigma 25 of 255"),
        ({"kind": "poisson", "peak": 4}, "Poisson noise, 4 photons at full scale"),
        ({"kind": "camera"}, "camera noise, 20 to 2000 electrons at full scale"),
        (
            {"kind": "camera", "gain": 2},
            "camera noise, gain 2 counts an electron",
        ),
        (
            {
                "kind": "chain",
                "parts": [{"kind": "gaussian", "sigma": 5}, {"kind": "jpeg"}],
            },
            "Gaussian noise, sigma 5 of 255, then JPEG, quality 10 to 60",
        ),
        (
            {"kind": "mixed", "parts": [{"kind": "jpeg2000"}, {"kind": "bpg"}]},
            "JPEG 2000, 26 to 38 dB or BPG, quantiser 30 to 44",
        ),
        (
            {"kind": "poisson-gaussian"},
            "Poisson-Gaussian noise, 1 to 120 photons at full scale",
        ),
    ],
)
def test_noise_in_words(values: dict[str, Any], words: str) -> None:
    noise = TypeAdapter(NoiseConfig).validate_python(values)
    assert describe_noise_config(noise) == words

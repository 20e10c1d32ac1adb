"""Small trainings: a few photos, a network of a few thousand weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

TINY: dict[str, Any] = {
    "name": "tiny",
    "network": {"name": "dncnn", "in_channels": 1, "num_features": 6, "depth": 4},
    "data": {
        "train": [
            {
                "clean": "array:photos",
                "noise": {"kind": "gaussian", "sigma": [20, 60]},
                "crops_per_image": 4,
            }
        ],
        "validation": {"num_held_out": 2, "crop": 32, "num_pictures": 0},
    },
    "loss": {"gradient_weight": 0.1},
    "training": {
        "num_epochs": 4,
        "batch_size": 8,
        "patch_size": 16,
        "device": "cpu",
        "schedule": "constant",
    },
}


@pytest.fixture(scope="session")
def photos() -> list[NDArray[np.uint8]]:
    """Eight grey photos of 64 x 64 pixels."""
    from skimage import data

    sources = (data.camera(), data.coins(), data.moon(), data.page())
    return [s[k : k + 64, k : k + 64] for s in sources for k in (40, 110)]


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    """Build the tiny configuration; network and guide are replaced as a whole."""

    def build(**changes: Any) -> dict[str, Any]:
        values = copy.deepcopy(TINY)
        for key, value in changes.items():
            merged = key in ("loss", "training", "data")
            if merged and isinstance(value, dict):
                values[key].update(value)
            else:
                values[key] = value
        return values

    return build


@pytest.fixture
def start(photos: list[NDArray[np.uint8]], tmp_path: Path) -> Callable[..., Any]:
    """Make a `Trainer` for a configuration in a folder below the test's own."""

    def make(
        values: dict[str, Any],
        folder: str = "run",
        *,
        resume: bool = False,
        arrays: dict[str, Any] | None = None,
    ) -> Any:
        from napari_gradnet.training.loop import Trainer
        from napari_gradnet.training.run import load_experiment

        return Trainer(
            load_experiment(values),
            tmp_path / folder,
            resume=resume,
            arrays=arrays or {"photos": photos},
        )

    return make

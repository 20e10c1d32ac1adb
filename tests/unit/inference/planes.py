"""Models and planes for tests of tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_gradnet.inference.models import Model, open_model

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Models", "opened", "plain", "plane"]

Models = dict[str, "Path"]


def opened(models: Models, name: str) -> Model:
    return open_model(models[name], device="cpu", precision="float32")


def plane(model: Model, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.random((model.header.channels, *size), np.float32)


@torch.inference_mode()
def plain(
    model: Model, image: np.ndarray, guide: np.ndarray | None = None
) -> np.ndarray:
    """The network alone, called with the whole image."""
    helper = None if guide is None else torch.from_numpy(guide)[None]
    return model.pipeline(torch.from_numpy(image)[None], helper)[0].numpy()

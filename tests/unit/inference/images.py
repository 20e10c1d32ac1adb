"""Images to denoise, and what a network alone makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_gradnet.inference.models import open_model

if TYPE_CHECKING:
    from pathlib import Path

#: The files of the tiny models, by name.
Models = dict[str, "Path"]


@torch.inference_mode()
def by_hand(
    path: Path,
    plane: np.ndarray,
    low: float,
    high: float,
    guide: np.ndarray | None = None,
) -> np.ndarray:
    """A YX or YXS plane through the network alone, in float64 units."""
    model = open_model(path, device="cpu", precision="float32")

    def tensor(image: np.ndarray) -> torch.Tensor:
        image = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
        scaled = (image.astype(np.float64) - low) / (high - low)
        return torch.from_numpy(scaled.astype(np.float32))[None]

    noisy = tensor(plane)
    if noisy.shape[1] != model.header.channels:
        layers = [
            by_hand(path, plane[..., s], low, high) for s in range(plane.shape[2])
        ]
        return np.stack(layers, -1)
    helper = None if guide is None else tensor(guide)
    result = model.pipeline(noisy, helper)[0].numpy().astype(np.float64)
    result = result * (high - low) + low
    return result[0] if plane.ndim == 2 else result.transpose(1, 2, 0)


def random_image(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return generator.normal(-20, 300, shape).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -3000), min(limits.max, 3000)
    return generator.integers(low, high, shape, dtype)


def counts(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poisson counts with gain 3 and offset 100, and their mean."""
    ramp = np.broadcast_to(np.linspace(2, 200, shape[-1]), shape)
    generator = np.random.default_rng(seed)
    noisy = 100 + 3 * generator.poisson(ramp) + generator.normal(0, 2, shape)
    return noisy.round().astype(np.uint16), 100 + 3 * ramp

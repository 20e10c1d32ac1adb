"""Training images shrunk: what stands in them becomes finer and sharper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["at_scales"]


def at_scales(
    images: Sequence[NDArray[Any]],
    names: Sequence[str],
    scales: Sequence[float],
    smallest: int,
) -> tuple[list[NDArray[Any]], list[str]]:
    """Every image at every scale, without those that become too small.

    Parameters
    ----------
    images : sequence of ndarray, shape (C, Y, X)
        Of any one type each.
    names : sequence of str
        One an image; a shrunk copy's says its scale too.
    scales : sequence of float
        In (0, 1]; 1 is the image itself.
    smallest : int
        Shortest side of a copy, pixels.

    Returns
    -------
    images : list of ndarray, shape (C, Y', X')
        Of the images' dtypes.
    names : list of str
    """
    kept: list[NDArray[Any]] = []
    kept_names: list[str] = []
    for scale in scales:
        for image, name in zip(images, names, strict=True):
            if scale == 1:
                kept.append(image)
                kept_names.append(name)
            elif min(round(side * scale) for side in image.shape[1:]) >= smallest:
                kept.append(_shrunk(image, scale))
                kept_names.append(f"{name} x {scale:g}")
    return kept, kept_names


def _shrunk(image: NDArray[Any], scale: float) -> NDArray[Any]:
    size = [round(side * scale) for side in image.shape[1:]]
    whole = torch.from_numpy(image.astype(np.float32))[None]
    small = interpolate(whole, size, mode="bicubic", antialias=True)[0].numpy()
    # bicubic weights overshoot at edges
    small = small.clip(image.min(), image.max())
    if image.dtype.kind in "iu":
        small = np.rint(small)
    return small.astype(image.dtype)

"""Stronger or weaker colours, an augmentation of colour patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gradnet.noise.add import draw_log

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_gradnet.config.noise import NoiseRange

__all__ = ["saturate"]


def saturate(patches: Tensor, factor: NoiseRange, generator: torch.Generator) -> Tensor:
    """Move the channels of each patch away from their mean, or towards it.

    Parameters
    ----------
    patches : Tensor of float32, shape (N, C, H, W)
        In [0, 1].
    factor : float or (float, float)
        Of all patches, or the range of which each draws its own.
    generator : torch.Generator
        On the patches' device.

    Returns
    -------
    Tensor of float32, shape (N, C, H, W)
        Clipped to [0, 1], as colours outside a camera's gamut are. Grey patches are
        left as they are.
    """
    if patches.shape[1] == 1:
        return patches
    mean = patches.mean(1, keepdim=True)
    strong = mean + draw_log(factor, patches, generator) * (patches - mean)
    return strong.clamp(0, 1)

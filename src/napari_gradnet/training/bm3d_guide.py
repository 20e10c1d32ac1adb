"""BM3D as the guide of a batch, on all processors."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from napari_gradnet.naive import denoise_plane
from napari_gradnet.noise.estimate import estimate_noise

__all__ = ["bm3d_batch"]


def _one(image: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    grey = image.shape[2] == 1
    sigma = estimate_noise(image, channel_axis=-1).sigma
    denoised = denoise_plane(image[..., 0] if grey else image, "bm3d", sigma)
    return torch.from_numpy(np.asarray(denoised, np.float32).reshape(image.shape))


def bm3d_batch(noisy: Tensor) -> Tensor:
    """Denoise a batch with BM3D, sigma estimated from each image as in use.

    Parameters
    ----------
    noisy : Tensor, shape (N, C, H, W)
        C is 1 or 3.

    Returns
    -------
    Tensor, shape (N, C, H, W)
        On the device of `noisy`.
    """
    images = noisy.detach().permute(0, 2, 3, 1).float().cpu().numpy()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(_one, images))
    return torch.stack(results).permute(0, 3, 1, 2).contiguous().to(noisy.device)

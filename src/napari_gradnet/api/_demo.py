"""The demonstration: an embedded photo, noise, and what the program makes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.data.sheet import check_picture_name, write_sheet
from napari_gradnet.errors import InputError
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.inference.accuracy import noisy_image
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.device import describe_device
from napari_gradnet.inference.models import choose_model, open_model
from napari_gradnet.io import PartialFile
from napari_gradnet.metrics import psnr

if TYPE_CHECKING:
    import os

__all__ = ["DemoResult", "demo"]


@dataclass(frozen=True)
class DemoResult:
    """What `demo` measured and wrote.

    Parameters
    ----------
    model, device : str
    sigma : float
        Noise that was added, levels of 255.
    psnr_noisy, psnr_denoised : float
        dB, against the clean photo.
    seconds : float
        Of denoising, model loaded.
    megapixels : float
        Size of the photo.
    picture : Path
        PNG: noisy, denoised, what was removed, gradient.
    """

    model: str
    device: str
    sigma: float
    psnr_noisy: float
    psnr_denoised: float
    seconds: float
    megapixels: float
    picture: Path


def demo(
    output: str | os.PathLike[str] = "gradnet-demo.png",
    *,
    model: str = "auto",
    sigma: float = 25.0,
    device: str = "auto",
) -> DemoResult:
    """Denoise an embedded photo with added noise and draw the result.

    Parameters
    ----------
    output : path
        PNG or JPEG to write; an older one is replaced.
    model : str
        A colour model.
    sigma : float
        White Gaussian noise to add, levels of 255.
    device : str
        See `denoise`.

    Returns
    -------
    DemoResult

    Raises
    ------
    GradNetError
        See `denoise`; also where `output` cannot be written or `sigma` is no number
        from 0 that is finite.
    """
    from skimage.data import chelsea

    path = Path(output)
    PartialFile(path, None, overwrite=True).discard()  # told before the work
    check_picture_name(path)
    if not sigma >= 0:
        msg = f"sigma={sigma!r} must be at least 0"
        raise InputError(msg)
    clean = (chelsea()[:300, :448] / 255).astype(np.float32)
    noisy = noisy_image(clean, sigma, seed=0)
    if model == "auto":
        model, _ = choose_model(rgb=True, white=True)
    opened = open_model(model, device=device)
    began = time.perf_counter()
    denoised = denoise(noisy, opened, axes="YXS", value_range=(0, 1))
    seconds = time.perf_counter() - began
    gradient = sobel_gradient(denoised, plane_axes=(0, 1)).max(-1)
    pictures = {
        f"noisy, {psnr(noisy, clean):.2f} dB": noisy,
        f"{opened.header.name}, {psnr(denoised, clean):.2f} dB": denoised,
        "removed noise": 0.5 + (noisy - denoised),
        "gradient": gradient / gradient.max(),
    }
    write_sheet(path, [pictures])
    return DemoResult(
        opened.header.name,
        describe_device(opened.device),
        sigma,
        psnr(noisy, clean),
        psnr(denoised, clean),
        seconds,
        clean.shape[0] * clean.shape[1] / 1e6,
        path,
    )

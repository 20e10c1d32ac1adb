"""PSNR and SSIM of models and naive denoisers on a folder of clean images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.data.files import expand_paths, read_image
from napari_gradnet.errors import InputError
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.models import Model, open_model
from napari_gradnet.inference.naive import naive_denoise
from napari_gradnet.metrics import psnr, ssim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.inference.precision import Precision

    Image = NDArray[np.float32]

__all__ = ["AccuracyRow", "iter_accuracy", "noisy_image", "read_clean"]


@dataclass(frozen=True)
class AccuracyRow:
    """Means over a folder.

    Parameters
    ----------
    method : str
        Model or naive denoiser; ``noisy`` for the input.
    sigma : float
        Noise, levels of 255.
    psnr : float
        dB, over all channels, output clipped to [0, 1].
    ssim : float
        Window 7, output clipped.
    seconds : float
        An image, on average.
    num_images : int
    """

    method: str
    sigma: float
    psnr: float
    ssim: float
    seconds: float
    num_images: int


def read_clean(path: Path, *, grey: bool, crop: int | None = None) -> Image:
    """Read a clean image in [0, 1], shape (Y, X, 3) or, with `grey`, (Y, X).

    `crop` cuts the centre: 500 gives the Kodak24 crops of the literature.
    """
    plane = read_image(path, 1 if grey else 3)[0]
    scale = np.iinfo(plane.dtype).max if plane.dtype.kind in "iu" else 1
    image = (plane / scale).astype(np.float32)
    if crop is not None:
        top, left = (max(0, (n - crop) // 2) for n in image.shape[1:])
        image = image[:, top : top + crop, left : left + crop]
    return image[0] if grey else image.transpose(1, 2, 0)


def noisy_image(clean: Image, sigma: float, seed: int) -> Image:
    """Add white Gaussian noise (levels of 255), neither clipped nor quantised."""
    rng = np.random.default_rng([seed, round(1000 * sigma)])
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    return clean + np.float32(sigma / 255) * noise


def _methods(
    models: Sequence[str | Model],
    naive: Sequence[str],
    *,
    grey: bool,
    device: str,
    precision: Precision,
    ensemble: bool,
) -> Iterator[tuple[str, Callable[[Image, float], Image]]]:
    axes = "YX" if grey else "YXS"
    yield "noisy", lambda noisy, _: noisy
    for name in naive:

        def naively(noisy: Image, sigma: float, name: str = name) -> Image:
            return naive_denoise(
                noisy, name, sigma=sigma / 255, vst=False, axes=axes
            ).astype(np.float32)

        yield name, naively
    for one in models:
        model = (
            one
            if isinstance(one, Model)
            else open_model(one, device=device, precision=precision)
        )
        if model.header.channels != (1 if grey else 3):
            continue

        def network(noisy: Image, _: float, model: Model = model) -> Image:
            return denoise(
                noisy,
                model,
                axes=axes,
                vst=False,
                value_range=(0.0, 1.0),
                ensemble=ensemble,
            ).astype(np.float32)

        yield model.header.name, network


def iter_accuracy(  # noqa: PLR0913 - one option a line
    folder: str | Path,
    *,
    sigmas: Sequence[float] = (15.0, 25.0, 50.0),
    models: Sequence[str | Model] = (),
    naive: Sequence[str] = (),
    grey: bool = False,
    crop: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    ensemble: bool = False,
) -> Iterator[AccuracyRow]:
    """Measure methods on white Gaussian noise, one row a method and sigma.

    Parameters
    ----------
    folder : path
        Clean images.
    sigmas : sequence of float
        Levels of 255.
    models : sequence of str or Model
        Those with another number of channels are left out.
    naive : sequence of str
        Classical methods; they are told the true sigma.
    grey : bool
        Turn the images to luma.
    crop : int, optional
        Central crop, pixels.
    limit : int, optional
        Only so many images, evenly spread.
    seed : int
        Of the noise.
    device, precision, ensemble
        See `denoise`.

    Yields
    ------
    AccuracyRow

    Raises
    ------
    InputError
        The folder holds no image.
    """
    paths = expand_paths([str(folder)])
    if limit is not None and limit < len(paths):
        if limit < 1:
            msg = f"limit={limit} must be at least 1 image"
            raise InputError(msg)
        paths = [paths[i * len(paths) // limit] for i in range(limit)]
    cleans = [read_clean(p, grey=grey, crop=crop) for p in paths]
    methods = _methods(
        models, naive, grey=grey, device=device, precision=precision, ensemble=ensemble
    )
    for name, method in methods:
        for sigma in sigmas:
            scores = []
            for number, clean in enumerate(cleans):
                noisy = noisy_image(clean, sigma, seed + number)
                began = time.perf_counter()
                denoised = method(noisy, sigma)
                seconds = time.perf_counter() - began
                channel = None if grey else -1
                quality = ssim(denoised.clip(0, 1), clean, channel_axis=channel)
                scores.append((psnr(denoised, clean), quality, seconds))
            mean_psnr, mean_ssim, mean_seconds = np.mean(scores, axis=0).tolist()
            yield AccuracyRow(
                name, float(sigma), mean_psnr, mean_ssim, mean_seconds, len(cleans)
            )

"""PSNR and SSIM of models and naive denoisers on a folder of clean images."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_gradnet.config.noise import (
    GaussianNoise,
    NoiseConfig,
    PoissonGaussianNoise,
    PoissonNoise,
    describe_noise_config,
    parse_noise,
)
from napari_gradnet.data.files import LUMA, expand_paths
from napari_gradnet.errors import InputError
from napari_gradnet.inference.clean_images import read_clean
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.labels import label_repeated
from napari_gradnet.inference.models import Model, fitting_models
from napari_gradnet.inference.naive import naive_denoise
from napari_gradnet.metrics import psnr, split_psnr, ssim
from napari_gradnet.noise.add import add_noise, noise_generator
from napari_gradnet.noise.stabilize import Stabilizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.inference.precision import Precision

    Image = NDArray[np.float32]

__all__ = [
    "AccuracyRow",
    "add_test_noise",
    "check_seed",
    "iter_accuracy",
    "noisy_image",
    "parse_test_noise",
]


_LARGEST_SEED = 2**63 - 1
#: Number of a noise, beyond which networks overflow.
_STRONGEST = 1e9


@dataclass(frozen=True)
class AccuracyRow:
    """Means over a folder.

    Parameters
    ----------
    method : str
        Model or naive denoiser; ``noisy`` for the input.
    noise : str
        In words.
    sigma : float
        Of white Gaussian noise, levels of 255; NaN for other noise.
    psnr : float
        dB, over all channels, output clipped to [0, 1].
    ssim : float
        Window 7, output clipped.
    seconds : float
        An image, on average.
    num_images : int
    split : tuple of (float, float, float)
        For each epsilon: itself, and PSNR of the textured and of the smooth pixels.
    """

    method: str
    noise: str
    sigma: float
    psnr: float
    ssim: float
    seconds: float
    num_images: int
    split: tuple[tuple[float, float, float], ...] = ()


def check_seed(seed: int) -> None:
    """Refuse a seed that the generators do not take.

    Raises
    ------
    InputError
        It is negative or has more than 63 bits.
    """
    if not 0 <= seed <= _LARGEST_SEED:
        msg = f"seed={seed} must be from 0 to {_LARGEST_SEED}"
        raise InputError(msg)


def parse_test_noise(words: str) -> NoiseConfig:
    """Read a noise as `config.noise.parse_noise` does, if it can be added.

    Raises
    ------
    ConfigError
        It is none.
    InputError
        Its number is not finite or far too large.
    """
    noise = parse_noise(words)
    kind, _, number = words.partition("=")
    _check_strength(kind, float(number))
    return noise


def _check_strength(name: str, value: float) -> None:
    if not 0 <= value <= _STRONGEST:
        msg = f"{name}={value:g} must be a finite number from 0 to {_STRONGEST:g}"
        raise InputError(msg)


def noisy_image(clean: Image, sigma: float, seed: int) -> Image:
    """Add white Gaussian noise (levels of 255), neither clipped nor quantised.

    Raises
    ------
    InputError
        Sigma is negative, not finite or far too large.
    """
    _check_strength("sigma", sigma)
    rng = np.random.default_rng([seed, round(1000 * sigma)])
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    return clean + np.float32(sigma / 255) * noise


def add_test_noise(clean: Image, noise: NoiseConfig, seed: int) -> Image:
    """Add noise to an image in [0, 1], shape (Y, X) or (Y, X, 3); not clipped."""
    if isinstance(noise, GaussianNoise):
        return noisy_image(clean, float(noise.sigma), seed)  # type: ignore[arg-type]
    first = np.ascontiguousarray(np.atleast_3d(clean).transpose(2, 0, 1))
    batch = torch.from_numpy(first)[None]
    result = add_noise(batch, noise, noise_generator(seed))[0].numpy()
    return np.ascontiguousarray(result.transpose(1, 2, 0).reshape(clean.shape))


def _what_is_known(noise: NoiseConfig) -> dict[str, Any]:
    """What naive denoisers are told: the true noise, as options of `naive_denoise`."""
    if isinstance(noise, GaussianNoise):
        return {"sigma": float(noise.sigma) / 255, "vst": False}  # type: ignore[arg-type]
    if isinstance(noise, PoissonNoise):
        return {"vst": Stabilizer(1 / float(noise.peak), 0.0, 0.0)}  # type: ignore[arg-type]
    if isinstance(noise, PoissonGaussianNoise):
        gain = 1 / float(noise.peak)  # type: ignore[arg-type]
        return {"vst": Stabilizer(gain, 0.0, noise.ratio)}
    return {"vst": "auto"}


def _methods(
    models: Sequence[str | Model] | None,
    naive: Sequence[str],
    *,
    grey: bool,
    device: str,
    precision: Precision,
    ensemble: bool | None,
) -> Iterator[tuple[str, Callable[[Image, NoiseConfig], Image]]]:
    axes = "YX" if grey else "YXS"
    yield "noisy", lambda noisy, _: noisy
    for name in naive:

        def naively(noisy: Image, noise: NoiseConfig, name: str = name) -> Image:
            return naive_denoise(
                noisy, name, axes=axes, dtype="float32", **_what_is_known(noise)
            ).astype(np.float32)

        yield name, naively
    fitting = {1} if grey else {3}
    labels = label_repeated(models, ["noisy", *naive])
    for model in fitting_models(models, fitting, device=device, precision=precision):

        def network(noisy: Image, _: NoiseConfig, model: Model = model) -> Image:
            return denoise(
                noisy,
                model,
                axes=axes,
                vst=False,
                value_range=(0.0, 1.0),
                ensemble=ensemble,
            ).astype(np.float32)

        yield labels.get(model.path, model.header.name), network


def iter_accuracy(  # noqa: PLR0913 - one option a line
    folder: str | Path,
    *,
    sigmas: Sequence[float] = (15.0, 25.0, 50.0),
    noises: Sequence[str] = (),
    split: Sequence[float] = (),
    models: Sequence[str | Model] | None = (),
    naive: Sequence[str] = (),
    grey: bool = False,
    luma: bool = False,
    crop: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    ensemble: bool | None = None,
) -> Iterator[AccuracyRow]:
    """Measure methods on images with made noise, one row a method and noise.

    Parameters
    ----------
    folder : path
        Clean images.
    sigmas : sequence of float
        White Gaussian noise, levels of 255; 0 for the clean images themselves.
    noises : sequence of str
        Other noise in the place of `sigmas`, such as ``poisson=4``: see
        `config.noise.parse_noise`.
    split : sequence of float
        Gradients (epsilon) that part textured from smooth pixels: see `textured_mask`.
    models : sequence of str or Model, optional
        Names, files or open models; None for the packaged ones that fit.
    naive : sequence of str
        Classical methods; they are told the true sigma, and for Poisson noise work
        behind the stabilisation of its true gain and read noise.
    grey : bool
        Turn the images to luma.
    luma : bool
        Denoise in colour but compare luma, as compressed images are measured.
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
        The folder holds no image, or one that cannot be measured, see `read_clean`.
    ConfigError
        A noise cannot be, such as a negative sigma.
    ModelError
        A model is for colour images and these are grey, or the other way round.
    """
    check_seed(seed)
    paths = expand_paths([str(folder)])
    if limit is not None and limit < len(paths):
        if limit < 1:
            msg = f"limit={limit} must be at least 1 image"
            raise InputError(msg)
        paths = [paths[i * len(paths) // limit] for i in range(limit)]
    methods = _methods(
        models, naive, grey=grey, device=device, precision=precision, ensemble=ensemble
    )
    kinds: list[NoiseConfig] = [parse_test_noise(words) for words in noises]
    if not kinds:
        kinds = [GaussianNoise.parse({"sigma": sigma}) for sigma in sigmas]
        for sigma in sigmas:
            _check_strength("sigma", sigma)
    if grey and luma:
        msg = "grey images are luma already: leave luma out"
        raise InputError(msg)
    cleans = [read_clean(p, grey=grey, crop=crop) for p in paths]
    targets = [clean @ LUMA if luma else clean for clean in cleans]
    channel = None if grey or luma else -1
    for name, method in methods:
        for noise in kinds:
            scores = []
            parts = []
            for number, clean in enumerate(cleans):
                noisy = add_test_noise(clean, noise, seed + number)
                began = time.perf_counter()
                denoised = method(noisy, noise).clip(0, 1)
                seconds = time.perf_counter() - began
                if luma:
                    denoised = denoised @ LUMA
                target = targets[number]
                quality = ssim(denoised, target, channel_axis=channel)
                scores.append((psnr(denoised, target), quality, seconds))
                parts.append(
                    [_parts(denoised, target, each, channel) for each in split]
                )
            mean_psnr, mean_ssim, mean_seconds = np.mean(scores, axis=0).tolist()
            gaussian = isinstance(noise, GaussianNoise)
            yield AccuracyRow(
                name,
                describe_noise_config(noise),
                float(noise.sigma) if gaussian else float("nan"),  # type: ignore[union-attr,arg-type]
                mean_psnr,
                mean_ssim,
                mean_seconds,
                len(cleans),
                _mean_parts(split, parts),
            )


def _parts(
    denoised: Image, clean: Image, epsilon: float, channel: int | None
) -> tuple[float, float]:
    values = split_psnr(denoised, clean, epsilon, channel_axis=channel)
    return values.textured, values.smooth


def _mean_parts(
    split: Sequence[float], parts: Sequence[Sequence[tuple[float, float]]]
) -> tuple[tuple[float, float, float], ...]:
    """Means over the images that have such a part."""
    if not split:
        return ()
    with warnings.catch_warnings():  # no image has such a part: NaN says so
        warnings.simplefilter("ignore", RuntimeWarning)
        means = np.nanmean(np.array(parts), axis=0).tolist()
    return tuple(
        (float(epsilon), textured, smooth)
        for epsilon, (textured, smooth) in zip(split, means, strict=True)
    )

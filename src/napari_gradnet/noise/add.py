"""Noise models: clean images in, noisy images out, one draw of parameters a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_gradnet.errors import InputError
from napari_gradnet.noise.camera import Camera, photograph

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gradnet.config.noise import (
        BpgNoise,
        CameraNoise,
        ChainNoise,
        GaussianNoise,
        Jpeg2000Noise,
        JpegNoise,
        MixedNoise,
        NoiseConfig,
        NoiseRange,
        PhotoNoise,
        PoissonGaussianNoise,
        PoissonNoise,
    )

__all__ = ["add_noise", "draw_log", "noise_generator"]

LEVELS = 255.0
#: Pixels of JPEG's largest blocks: colour is stored at half the resolution.
JPEG_BLOCK = 16


def noise_generator(
    seed: int, *counters: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Make a generator that depends on a seed and on where the work stands.

    The same numbers come back after a resume without any stored state.
    """
    state = seed
    for counter in counters:  # SplitMix64's multiplier spreads neighbouring counters
        state = (state * 0x9E3779B97F4A7C15 + counter + 1) % 2**63
    return torch.Generator(device).manual_seed(state)


def _uniform(n: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, 1, device=like.device, generator=generator)


def _draw(value: NoiseRange, like: Tensor, generator: torch.Generator) -> Tensor:
    if not isinstance(value, tuple):
        return torch.full((len(like), 1, 1, 1), value, device=like.device)
    low, high = value
    return low + (high - low) * _uniform(len(like), like, generator)


def draw_log(value: NoiseRange, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a value for each sample, uniform in the logarithm, shape (N, 1, 1, 1)."""
    if not isinstance(value, tuple):
        return _draw(value, like, generator)
    low, high = value
    return low * (high / low) ** _uniform(len(like), like, generator)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, device=like.device, generator=generator)


def _gaussian(clean: Tensor, config: GaussianNoise, g: torch.Generator) -> Tensor:
    return clean + _draw(config.sigma, clean, g) / LEVELS * _normal(clean, g)


def _poisson(clean: Tensor, config: PoissonNoise, g: torch.Generator) -> Tensor:
    peak = draw_log(config.peak, clean, g)
    return torch.poisson(clean.clamp_min(0) * peak, generator=g) / peak


def _poisson_gaussian(
    clean: Tensor, config: PoissonGaussianNoise, g: torch.Generator
) -> Tensor:
    peak = draw_log(config.peak, clean, g)
    counts = torch.poisson(clean.clamp_min(0) * peak, generator=g)
    return counts / peak + config.ratio * _normal(clean, g)


def _camera(clean: Tensor, config: CameraNoise, g: torch.Generator) -> Tensor:
    if config.gain is not None:
        # the image holds counts: electrons come off the offset
        electrons = config.full_scale / draw_log(config.gain, clean, g)
        clean = clean - config.offset / config.full_scale
    else:
        electrons = draw_log(config.electrons, clean, g)
    read_noise = _draw(config.read_noise, clean, g)
    counts = torch.poisson(clean.clamp_min(0) * electrons, generator=g)
    noisy = (counts + read_noise * _normal(clean, g)) / electrons
    return noisy if config.gain is None else noisy + config.offset / config.full_scale


def _photo(clean: Tensor, config: PhotoNoise, g: torch.Generator) -> Tensor:
    if clean.shape[1] != 3:
        msg = (
            f"noise kind 'photo' takes RGB images, these have {clean.shape[1]} "
            "channels: use camera for grey ones"
        )
        raise InputError(msg)
    camera = Camera(
        draw_log(config.electrons, clean, g),
        _draw(config.read_noise, clean, g),
        _draw(config.red_gain, clean, g),
        _draw(config.blue_gain, clean, g),
        _draw(config.colour, clean, g),
        _draw(config.gamma, clean, g),
        _draw(config.luma_blur, clean, g),
        _draw(config.chroma_blur, clean, g),
    )
    top, left = torch.randint(2, (2,), device=clean.device, generator=g).tolist()
    return photograph(clean, camera, (top, left), g)


def _jpeg(clean: Tensor, config: JpegNoise, g: torch.Generator) -> Tensor:
    quality = _draw(config.quality, clean, g)
    if not config.shifted:
        return _compress(clean, config.kind, quality)
    # one place for the batch: what is added in front is cut off again
    top, left = torch.randint(
        JPEG_BLOCK, (2,), device=clean.device, generator=g
    ).tolist()
    larger = functional.pad(clean, (left, 0, top, 0), mode="replicate")
    return _compress(larger, config.kind, quality)[..., top:, left:]


def _jpeg2000(clean: Tensor, config: Jpeg2000Noise, g: torch.Generator) -> Tensor:
    return _compress(clean, config.kind, _draw(config.psnr, clean, g))


def _bpg(clean: Tensor, config: BpgNoise, g: torch.Generator) -> Tensor:
    return _compress(clean, config.kind, _draw(config.quantizer, clean, g))


def _compress(clean: Tensor, kind: str, values: Tensor) -> Tensor:
    from napari_gradnet.noise.compress import compress  # the codecs load slowly

    return compress(clean, kind, values.flatten())


def _chain(clean: Tensor, config: ChainNoise, g: torch.Generator) -> Tensor:
    noisy = clean
    for part in config.parts:
        noisy = add_noise(noisy, part, g)
    return noisy


def _mixed(clean: Tensor, config: MixedNoise, g: torch.Generator) -> Tensor:
    weights = torch.tensor(
        config.weights or [1.0] * len(config.parts), device=clean.device
    )
    choice = torch.multinomial(weights, len(clean), replacement=True, generator=g)
    noisy = clean.clone()
    for index, part in enumerate(config.parts):
        chosen = (choice == index).nonzero()[:, 0]
        if len(chosen):
            noisy[chosen] = add_noise(clean[chosen], part, g)
    return noisy


_MODELS: dict[str, Callable[[Tensor, Any, torch.Generator], Tensor]] = {
    "gaussian": _gaussian,
    "poisson": _poisson,
    "poisson-gaussian": _poisson_gaussian,
    "camera": _camera,
    "photo": _photo,
    "jpeg": _jpeg,
    "jpeg2000": _jpeg2000,
    "bpg": _bpg,
    "chain": _chain,
    "mixed": _mixed,
}


def add_noise(clean: Tensor, config: NoiseConfig, generator: torch.Generator) -> Tensor:
    """Add noise to clean images.

    Nothing is clipped or quantised, except by compression (jpeg, jpeg2000, bpg) and in
    photos.

    Parameters
    ----------
    clean : Tensor, shape (N, C, H, W)
        Intensities in [0, 1].
    config : NoiseConfig
        The noise model. Ranges are drawn once a sample.
    generator : torch.Generator
        On the device of `clean`.

    Returns
    -------
    Tensor, shape (N, C, H, W)

    References
    ----------
    Gaussian: GradNet, sec. 5.1. Poisson and Poisson-Gaussian: DN-ResNet, sec. 4 (there
    an image's maximum becomes `peak` photons, here 1.0 does; sigma = peak / 10).
    Photos: `noise.camera`.
    """
    return _MODELS[config.kind](clean, config, generator)

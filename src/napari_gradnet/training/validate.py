"""PSNR on held-out images with noise that is the same every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_gradnet.noise.add import add_noise, noise_generator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gradnet.config.noise import NoiseConfig
    from napari_gradnet.data.held_out import HeldOut
    from napari_gradnet.training.step import Guided

__all__ = ["Picture", "Scores", "lost_by_rounding", "psnr", "validate"]

_SEED = 20_200
#: On which float16 weights are compared with float32 ones: the difference is steady.
_ROUNDING_IMAGES = 8


@dataclass(frozen=True)
class Picture:
    """One validation image before and after, shape (C, H, W), on the CPU."""

    noisy: Tensor
    denoised: Tensor
    clean: Tensor


@dataclass(frozen=True)
class Scores:
    """Mean PSNR (dB) of the denoised, the guide's and the noisy images.

    One a noise, then one of the images with noise of their own. `sources` has
    that of the denoised images a source, over all noises.
    """

    denoised: tuple[float, ...]
    guide: tuple[float, ...]
    noisy: tuple[float, ...]
    sources: dict[str, float]
    pictures: tuple[Picture, ...] = ()


def psnr(image: Tensor, clean: Tensor) -> float:
    """PSNR (dB) of one image, both clipped to [0, 1], over all channels."""
    error = (image.float().clamp(0, 1) - clean.float().clamp(0, 1)).square()
    if error.device.type == "mps":  # has no float64
        error = error.cpu()
    mean = error.mean(dtype=torch.float64)
    return float(-10 * torch.log10(mean.clamp_min(1e-12)))


def _noisy_versions(
    images: Sequence[HeldOut], noises: Sequence[NoiseConfig]
) -> Iterator[tuple[HeldOut, int, Tensor, Tensor]]:
    """Image, kind of noise, noisy and clean; partners are the last kind."""
    for number, image in enumerate(images):
        clean = image.clean[None]
        if image.noisy is not None:
            yield image, len(noises), image.noisy[None], clean
            continue
        for kind, noise in enumerate(noises):
            generator = noise_generator(_SEED, kind, number)
            yield image, kind, add_noise(clean, noise, generator), clean


@torch.no_grad()
def validate(
    guided: Guided,
    images: Sequence[HeldOut],
    noises: Sequence[NoiseConfig],
    device: torch.device,
    num_pictures: int = 0,
) -> Scores:
    """Measure a network in evaluation mode.

    Parameters
    ----------
    guided : Guided
        The pipeline and its guide; left in training mode.
    images : sequence of HeldOut
        On what, with the noisy ones that some have.
    noises : sequence of NoiseConfig
        Added to images without noise of their own.
    device : torch.device
        Where the network lies.
    num_pictures : int
        Images to hand back, with their partner or the first noise.
    """
    kinds: dict[int, list[Tensor]] = {}
    sources: dict[str, list[float]] = {}
    pictures: list[Picture] = []
    guided.eval()
    try:
        for image, kind, noisy, clean in _noisy_versions(images, noises):
            here, target = noisy.to(device), clean.to(device)
            denoised, guide = guided.denoise(here, guided.given_guide(here, target))
            values = [psnr(denoised, target), psnr(here, target)]
            values.append(psnr(guide, target) if guide is not None else float("nan"))
            kinds.setdefault(kind, []).append(torch.tensor(values, dtype=torch.float64))
            sources.setdefault(image.source, []).append(values[0])
            first = kind == 0 or image.noisy is not None
            if first and len(pictures) < num_pictures:
                trio = (here, denoised, target)
                pictures.append(Picture(*(t[0].float().cpu() for t in trio)))
    finally:
        guided.train()
    means = [torch.stack(kinds[kind]).mean(0).tolist() for kind in sorted(kinds)]
    return Scores(
        tuple(m[0] for m in means),
        tuple(m[2] for m in means),
        tuple(m[1] for m in means),
        {name: sum(values) / len(values) for name, values in sources.items()},
        tuple(pictures),
    )


def lost_by_rounding(
    guided: Guided,
    images: Sequence[HeldOut],
    noises: Sequence[NoiseConfig],
    device: torch.device,
) -> float:
    """PSNR (dB) that weights lose as float16, as model files hold them.

    Parameters
    ----------
    guided, images, noises, device
        See `validate`; the weights are left as they are, and the first 8 images taken.

    Returns
    -------
    float
        The largest loss of any noise or of the noisy partners, in float32 arithmetic.
    """
    images = images[:_ROUNDING_IMAGES]
    exact = validate(guided, images, noises, device).denoised
    kept = {k: v.clone() for k, v in guided.pipeline.state_dict().items()}
    rounded = {
        k: v.half().to(v.dtype) if v.dtype.is_floating_point else v
        for k, v in kept.items()
    }
    try:
        guided.pipeline.load_state_dict(rounded)
        found = validate(guided, images, noises, device).denoised
    finally:
        guided.pipeline.load_state_dict(kept)
    return max(one - two for one, two in zip(exact, found, strict=True))

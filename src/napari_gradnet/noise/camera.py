"""Noise as a camera's processing leaves it in a photo: correlated and tone-mapped.

A photo is taken back to what its sensor saw, gets a sensor's noise there, and goes
through demosaicking, white balance, colour matrix and tone curve again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Camera", "bayer_mask", "demosaic", "photograph"]

#: From camera to sRGB colours, a common sensor's; each row sums to 1.
COLOR_MATRIX = ((1.66, -0.54, -0.12), (-0.22, 1.52, -0.30), (0.02, -0.58, 1.56))
#: Of red, green and blue in luma (ITU-R BT.601), as JPEG has it.
LUMA = (0.299, 0.587, 0.114)
#: Pixels; three standard deviations of the widest blur.
BLUR_RADIUS = 9
#: Whose mean a noisy photo is compared with.
OTHER_PHOTOS = 3
#: Where the tone curve turns linear, as sRGB's does: its slope has no pole at black.
LINEAR_END = 0.0031308


class Camera(NamedTuple):
    """One camera and exposure a sample, each of shape (N, 1, 1, 1).

    Parameters
    ----------
    electrons : Tensor
        At full scale of the sensor.
    read_noise : Tensor
        Electrons (standard deviation).
    red, blue : Tensor
        Gains of the white balance; green has 1.
    colour : Tensor
        Part of the colour matrix, 0 (none) to 1.
    gamma : Tensor
        Of the tone curve.
    luma_blur, chroma_blur : Tensor
        How far the camera's own noise reduction smears the noise of luma and of chroma:
        standard deviation in pixels, 0 for none.
    """

    electrons: Tensor
    read_noise: Tensor
    red: Tensor
    blue: Tensor
    colour: Tensor
    gamma: Tensor
    luma_blur: Tensor
    chroma_blur: Tensor


def _encode(linear: Tensor, gamma: Tensor) -> Tensor:
    """Tone curve: a power, continued in a straight line below `LINEAR_END`."""
    slope = LINEAR_END ** (1 / gamma - 1)
    power = linear.clamp_min(LINEAR_END) ** (1 / gamma)
    return torch.where(linear < LINEAR_END, linear * slope, power)


def _decode(image: Tensor, gamma: Tensor) -> Tensor:
    """Inverse of `_encode`."""
    slope = LINEAR_END ** (1 / gamma - 1)
    end = LINEAR_END ** (1 / gamma)
    power = torch.maximum(image, end) ** gamma
    return torch.where(image < end, image / slope, power)


def _matrix(camera: Camera) -> Tensor:
    """From white-balanced camera colours to linear sRGB, shape (N, 3, 3)."""
    device = camera.colour.device
    identity = torch.eye(3, device=device)
    full = torch.tensor(COLOR_MATRIX, device=device)
    return identity + camera.colour.view(-1, 1, 1) * (full - identity)


def _turn(image: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("nij,njyx->niyx", matrix, image)


def bayer_mask(size: tuple[int, int], phase: tuple[int, int], like: Tensor) -> Tensor:
    """Which pixels see which colour (RGGB), shape (3, H, W).

    Parameters
    ----------
    size : (int, int)
        H, W in pixels.
    phase : (int, int)
        Rows and columns (0 or 1) from the first pixel to a red one.
    like : Tensor
        Gives the device.
    """
    rows = (torch.arange(size[0], device=like.device) + phase[0]) % 2
    columns = (torch.arange(size[1], device=like.device) + phase[1]) % 2
    red = ((rows == 0)[:, None] & (columns == 0)[None]).float()
    blue = ((rows == 1)[:, None] & (columns == 1)[None]).float()
    return torch.stack([red, 1 - red - blue, blue])


def demosaic(mosaic: Tensor, mask: Tensor) -> Tensor:
    """Interpolate missing colours bilinearly.

    Parameters
    ----------
    mosaic : Tensor, shape (N, 3, H, W)
        0 where a pixel does not see the colour.
    mask : Tensor, shape (3, H, W)
        1 where it does.

    Returns
    -------
    Tensor, shape (N, 3, H, W)
    """
    kernel = torch.tensor(
        [[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]], device=mosaic.device
    ).expand(3, 1, 3, 3)
    # divided by the weights that were there: exact at the border too
    total = functional.conv2d(mosaic, kernel, padding=1, groups=3)
    weight = functional.conv2d(mask[None], kernel, padding=1, groups=3)
    # what was seen stays as it is
    return torch.where(mask.bool(), mosaic, total / weight.clamp_min(1e-6))


def _smear(noise: Tensor, sigma: Tensor) -> Tensor:
    """Blur each sample by a Gaussian of its own (pixels, shape (N, 1, 1, 1))."""
    n, channels, height, width = noise.shape
    place = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=noise.device)
    kernel = torch.exp(-0.5 * (place / sigma.view(n, 1).clamp_min(1e-3)) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    kernel = kernel.repeat_interleave(channels, 0)[:, None]
    # one group a sample and channel; noise knows no border: mirror it
    edge = min(BLUR_RADIUS, height - 1, width - 1)
    kernel = kernel[..., BLUR_RADIUS - edge : BLUR_RADIUS + edge + 1]
    flat = functional.pad(noise.reshape(1, -1, height, width), [edge] * 4, "reflect")
    groups = n * channels
    down = functional.conv2d(flat, kernel[..., None], groups=groups)
    across = functional.conv2d(down, kernel[:, :, None], groups=groups)
    return across.reshape(noise.shape)


def _reduce(noise: Tensor, camera: Camera) -> Tensor:
    """What a camera's noise reduction leaves: colour is smeared more than light."""
    weights = torch.tensor(LUMA, device=noise.device).view(1, 3, 1, 1)
    luma = (noise * weights).sum(1, keepdim=True)
    chroma = _smear(noise - luma, camera.chroma_blur)
    return _smear(luma, camera.luma_blur) + chroma


def photograph(
    clean: Tensor,
    camera: Camera,
    phase: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:
    """Give photos the noise of a camera.

    Parameters
    ----------
    clean : Tensor, shape (N, 3, H, W)
        Photos (sRGB) in [0, 1].
    camera : Camera
        One a sample.
    phase : (int, int)
        See `bayer_mask`.
    generator : torch.Generator
        On the device of `clean`.

    Returns
    -------
    Tensor, shape (N, 3, H, W)
        Clipped to [0, 1], as photos are.

    Notes
    -----
    Several noisy sensor images go through the same processing. How one differs from the
    mean of the others, smeared as by the camera's noise reduction, is added to the
    photo: what the processing does to the picture itself is no noise and stays out, and
    so does what the tone curve makes of the noise's mean. A network learns to give what
    the mean of many photos of the scene would be, and no other brightness.

    References
    ----------
    Brooks et al., Unprocessing Images for Learned Raw Denoising, CVPR 2019; Guo et al.,
    Toward Convolutional Blind Denoising of Real Photographs, CVPR 2019.
    """
    matrix = _matrix(camera)
    gains = torch.cat([camera.red, torch.ones_like(camera.red), camera.blue], 1)
    # a sensor sees no negative light: colours outside its range meet at 0
    seen = _turn(_decode(clean.clamp(0, 1), camera.gamma), torch.linalg.inv(matrix))
    sensor = seen.clamp(0, 1) / gains
    mask = bayer_mask((clean.shape[2], clean.shape[3]), phase, clean)

    def expose() -> Tensor:
        counts = torch.poisson(sensor * camera.electrons, generator=generator)
        read = torch.randn(sensor.shape, device=clean.device, generator=generator)
        raw = (counts + camera.read_noise * read) / camera.electrons
        balanced = demosaic(raw * mask, mask) * gains
        return _encode(_turn(balanced, matrix), camera.gamma).clamp(0, 1)

    one = expose()
    mean = torch.stack([expose() for _ in range(OTHER_PHOTOS)]).mean(0)
    # the mean's own noise adds to the variance
    difference = (one - mean) * math.sqrt(OTHER_PHOTOS / (OTHER_PHOTOS + 1))
    return (clean + _reduce(difference, camera)).clamp(0, 1)

"""What a model does to images that are hard for it, or that need no denoising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.config.noise import GaussianNoise, NoiseConfig
from napari_gradnet.data.sheet import write_sheet
from napari_gradnet.inference.accuracy import add_test_noise, parse_test_noise
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.models import open_model
from napari_gradnet.metrics import psnr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.inference.precision import Precision

    Image = NDArray[np.float32]

__all__ = ["FailureCase", "draw_failures", "iter_failures"]

SIDE = 256
#: What is left of a faint pattern is drawn this much stronger.
_AMPLIFICATION = 5
_CLEAN = GaussianNoise(sigma=0)


@dataclass(frozen=True)
class FailureCase:
    """One picture before and after.

    Parameters
    ----------
    name : str
        ``text``, ``periodic``, ``faint`` or ``clean``.
    psnr_noisy, psnr_denoised : float
        dB; infinite for a clean input.
    clean, noisy, denoised : ndarray, shape (256, 256) or (256, 256, 3)
        In [0, 1].
    """

    name: str
    psnr_noisy: float
    psnr_denoised: float
    clean: Image
    noisy: Image
    denoised: Image


def _text() -> Image:
    """Black on white, letters of 8 to 24 pixels, and white on black below."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    page = Pillow.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, SIDE // 2, SIDE, SIDE), fill=0)
    for top, colour in ((4, 0), (SIDE // 2 + 4, 255)):
        y = top
        for size in (8, 10, 12, 16, 24):
            font = ImageFont.load_default(size)
            words = "The quick brown fox jumps over 1234567890"
            draw.text((6, y), words, fill=colour, font=font)
            y += size + 6
    return np.asarray(page, np.float32) / np.float32(255)


def _periodic() -> Image:
    """A zone plate up to the finest waves there are, and stripes of 2 to 8 pixels."""
    line = np.arange(SIDE) - SIDE / 2
    squares = line[:, None] ** 2 + line[None] ** 2
    image = 0.5 + 0.4 * np.cos(np.pi * squares / SIDE)
    for number, period in enumerate((2, 3, 4, 8)):
        stripes = np.arange(SIDE // 4) * 2 // period % 2
        block = slice(number * SIDE // 4, (number + 1) * SIDE // 4)
        image[: SIDE // 8, block] = 0.1 + 0.8 * stripes
    return image.astype(np.float32)


def _faint() -> Image:
    """Waves of 2 to 8 levels of 255 on grey, from left to right, finer downwards."""
    height = (2 + 6 * np.arange(SIDE) / SIDE) / 255
    period = np.geomspace(16, 3, SIDE)
    phase = np.cumsum(2 * np.pi / period)[:, None] + np.zeros(SIDE)
    return (0.5 + height * np.sin(phase)).astype(np.float32)


def _photo() -> Image:
    from skimage.data import chelsea

    return (chelsea()[10 : 10 + SIDE, 90 : 90 + SIDE] / 255).astype(np.float32)


def _cases(channels: int, noise: NoiseConfig) -> Iterator[tuple[str, Image, Any]]:
    photo = _photo() if channels == 3 else _photo().mean(-1)
    for name, image, kind in (
        ("text", _text(), noise),
        ("periodic", _periodic(), noise),
        ("faint", _faint(), noise),
        ("clean", photo, _CLEAN),
    ):
        if channels == 3 and image.ndim == 2:
            image = np.repeat(image[..., None], 3, -1)
        yield name, image, kind


def iter_failures(
    model: str | Path,
    *,
    noise: str = "gaussian=25",
    device: str = "auto",
    precision: Precision = "auto",
) -> Iterator[FailureCase]:
    """Denoise text, periodic patterns, faint texture and a clean photo.

    Parameters
    ----------
    model : str or Path
        Name or file.
    noise : str
        What the first three get: see `config.noise.parse_noise`.
    device, precision
        See `denoise`.

    Yields
    ------
    FailureCase

    Raises
    ------
    ConfigError
        `noise` is none.
    InputError
        Its number is not finite or far too large.
    """
    opened = open_model(model, device=device, precision=precision)
    channels = opened.header.channels
    cases = _cases(channels, parse_test_noise(noise))
    for number, (name, clean, kind) in enumerate(cases):
        noisy = add_test_noise(clean, kind, seed=number)
        denoised = denoise(
            noisy,
            opened,
            axes="YX" if channels == 1 else "YXS",
            vst=False,
            value_range=(0.0, 1.0),
        )
        before, after = (psnr(image, clean) for image in (noisy, denoised))
        yield FailureCase(name, before, after, clean, noisy, denoised)


def draw_failures(path: Path, cases: Sequence[FailureCase]) -> None:
    """Write a picture (PNG or JPEG): in each row clean, noisy, denoised and the error.

    The error and faint patterns are drawn five times stronger.
    """
    rows = []
    for case in cases:
        gain = _AMPLIFICATION if case.name == "faint" else 1
        before = "" if np.isinf(case.psnr_noisy) else f", {case.psnr_noisy:.2f} dB"
        rows.append(
            {
                f"{case.name}{f', x {gain}' if gain > 1 else ''}": _around(
                    case.clean, gain
                ),
                f"noisy{before}": _around(case.noisy, gain),
                f"denoised, {case.psnr_denoised:.2f} dB": _around(case.denoised, gain),
                f"error, x {_AMPLIFICATION}": _around(
                    0.5 + case.denoised - case.clean, _AMPLIFICATION
                ),
            }
        )
    write_sheet(path, rows)


def _around(image: Image, gain: int) -> Image:
    return 0.5 + gain * (image - np.float32(0.5)) if gain > 1 else image

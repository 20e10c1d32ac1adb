"""Drawn training images: what photos hold too little of, and networks wipe out.

Dead leaves (shapes of all sizes that hide each other: A. B. Lee, D. Mumford, J. Huang,
"Occlusion Models for Natural Images", IJCV 41, 2001), filled with shades, waves and
checks as of cloth, grain or text.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Image = NDArray[np.float32]

__all__ = ["DRAWN_SIDE", "draw_image"]

#: Pixels along Y and X.
DRAWN_SIDE = 192
#: Drawn so much larger, then averaged: soft edges without stairs.
_OVERSAMPLING = 2
_SIDE = DRAWN_SIDE * _OVERSAMPLING
_LETTERS = string.ascii_letters + string.digits + ".,:;()%&?!-+=/"


def draw_image(number: int, channels: int) -> NDArray[np.uint8]:
    """Draw one image; the same number gives the same image.

    Parameters
    ----------
    number : int
        Seed, 0 or more.
    channels : int
        1 or 3.

    Returns
    -------
    ndarray of uint8, shape (channels, 192, 192)
    """
    rng = np.random.default_rng((number, channels))
    image = _filling(rng, channels)
    for _ in range(int(np.exp(rng.uniform(np.log(2), np.log(40))))):
        leaf = _shape(rng)
        image[:, leaf] = _filling(rng, channels)[:, leaf]
    shape = (channels, DRAWN_SIDE, _OVERSAMPLING, DRAWN_SIDE, _OVERSAMPLING)
    image = image.reshape(shape).mean((2, 4))
    blur = max(0.0, rng.uniform(-0.8, 0.8))  # half of them as sharp as can be
    image = gaussian_filter(image, (0, blur, blur))
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


def _shape(rng: Generator) -> NDArray[np.bool_]:
    """Pixels of an ellipse, a polygon, a bar or a half plane."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    kind = rng.choice(["ellipse", "polygon", "bar", "half"], p=[0.35, 0.35, 0.2, 0.1])
    y, x = rng.uniform(0, _SIDE, 2)
    angle = rng.uniform(0, 2 * np.pi)
    if kind == "half":
        rows, columns = np.mgrid[:_SIDE, :_SIDE]
        return (rows - y) * np.cos(angle) + (columns - x) * np.sin(angle) > 0
    radius = np.exp(rng.uniform(np.log(4), np.log(_SIDE / 2)))
    corners = 48 if kind == "ellipse" else int(rng.integers(3, 7))
    turns = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    lengths = np.full(corners, radius)
    if kind == "polygon":
        lengths = radius * rng.uniform(0.4, 1, corners)
    squeeze = rng.uniform(0.3, 1)
    outline = np.stack([lengths * np.cos(turns), squeeze * lengths * np.sin(turns)], 1)
    if kind == "bar":
        half = np.exp(rng.uniform(np.log(0.5), np.log(8)))
        outline = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (2 * radius, half)
    turned = outline @ np.array(
        [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    )
    mask = Pillow.new("1", (_SIDE, _SIDE))
    ImageDraw.Draw(mask).polygon([(x + a, y + b) for a, b in turned], fill=1)
    return np.asarray(mask, dtype=bool)


def _filling(rng: Generator, channels: int) -> Image:
    """One of the fillings on all of the canvas, shape (channels, side, side)."""
    kinds: list[Callable[[Generator], Image]] = [
        lambda _: np.zeros((1, 1), np.float32),
        _shade,
        _waves,
        _grain,
        _text,
    ]
    pattern = kinds[rng.choice(len(kinds), p=[0.2, 0.15, 0.4, 0.1, 0.15])](rng)
    one, other = _two_colours(rng, channels)
    image = one[:, None, None] * (1 - pattern) + other[:, None, None] * pattern
    whole = np.broadcast_to(image, (channels, _SIDE, _SIDE))
    return np.array(whole, dtype=np.float32)


def _two_colours(rng: Generator, channels: int) -> NDArray[Any]:
    """Two colours, mostly of the same hue, often close to each other."""
    grey = rng.uniform(0, 1, (2, 1))
    grey[1] = grey[0] + (grey[1] - grey[0]) * np.exp(rng.uniform(-2.5, 0))
    tint = rng.normal(0, 0.08, (1, channels)) + rng.normal(0, 0.02, (2, channels))
    return np.clip(grey + (tint if channels > 1 else 0), 0, 1)


def _slow(rng: Generator, sigma: float) -> Image:
    """Slow differences, of mean 0 and variance 1."""
    step = 8
    field = gaussian_filter(
        rng.standard_normal((_SIDE // step + 1,) * 2), sigma / step, mode="wrap"
    )
    field = (field - field.mean()) / max(field.std(), 1e-6)
    line = np.arange(_SIDE) / step
    low = line.astype(int)
    part = line - low
    field = field[low] * (1 - part)[:, None] + field[low + 1] * part[:, None]
    field = field[:, low] * (1 - part) + field[:, low + 1] * part
    return np.asarray(field, dtype=np.float32)


def _shade(rng: Generator) -> Image:
    return 0.5 + 0.25 * _slow(rng, rng.uniform(24, 120))


def _waves(rng: Generator) -> Image:
    """Waves of 2 to 20 pixels, bent, round or square, sometimes crossed."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    bend = _slow(rng, rng.uniform(30, 90)) * rng.uniform(0, 4)
    period = np.exp(rng.uniform(np.log(2.1), np.log(20))) * _OVERSAMPLING
    angle = rng.uniform(0, np.pi)
    hardness = rng.choice([0.0, 2.0, 8.0])
    pattern = np.zeros((_SIDE, _SIDE), np.float32)
    crossed = rng.random() < 0.35
    for turn in (angle, angle + np.pi / 2) if crossed else (angle,):
        along = rows * np.cos(turn) + columns * np.sin(turn)
        wave = np.sin(2 * np.pi * along / period + bend)
        if hardness:
            wave = np.tanh(hardness * wave)
        pattern += wave
    return np.asarray(0.5 + pattern / (4 if crossed else 2), dtype=np.float32)


def _grain(rng: Generator) -> Image:
    """Random texture, fine or coarse, often drawn out in one direction."""
    sigma = np.exp(rng.uniform(np.log(0.8), np.log(6), 2))
    field = gaussian_filter(rng.standard_normal((_SIDE, _SIDE)), sigma, mode="wrap")
    field = field / max(field.std(), 1e-6)
    return np.asarray(0.5 + 0.2 * field, dtype=np.float32)


def _text(rng: Generator) -> Image:
    """Lines of random words, letters of 7 to 28 pixels."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    page = Pillow.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(page)
    size = int(np.exp(rng.uniform(np.log(7), np.log(28))) * _OVERSAMPLING)
    font = ImageFont.load_default(size)
    letters = list(_LETTERS)
    for top in range(int(rng.integers(-size, 1)), _SIDE, int(size * 1.3)):
        words = (
            "".join(rng.choice(letters, rng.integers(1, 10)))
            for _ in range(1 + 2 * _SIDE // (5 * size))
        )
        left = float(rng.integers(-size, 1))
        draw.text((left, top), " ".join(words), fill=255, font=font)
    page = page.rotate(float(rng.choice([0, 0, 0, 90, rng.uniform(0, 360)])))
    return np.asarray(page, np.float32) / np.float32(255)

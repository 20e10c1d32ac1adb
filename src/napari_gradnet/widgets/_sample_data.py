"""Sample data: a photo and a fluorescence stack, noisy and clean, made offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.values import cast_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fluorescence_stack", "photo"]

_SEED = 20200614
#: White Gaussian noise of the photo, levels of 255.
PHOTO_SIGMA = 25.0
#: Planes, rows, columns of the stack.
STACK_SHAPE = (12, 256, 256)
#: Size of its voxels, micrometres.
VOXEL_SIZE = (0.5, 0.11, 0.11)
#: Camera: counts per photo-electron, counts of no light, read noise in counts.
GAIN, OFFSET, READ_NOISE = 2.0, 100.0, 6.0

LayerData = tuple["NDArray[Any]", dict[str, Any], str]


def photo() -> list[LayerData]:
    """Make a colour photo with white Gaussian noise, and the clean one.

    Returns
    -------
    list of (ndarray, dict, str)
        Two RGB layers of shape (300, 451, 3), uint8.
    """
    from skimage.data import chelsea

    clean = chelsea()
    rng = np.random.default_rng(_SEED)
    noisy = cast_values(rng.normal(clean, PHOTO_SIGMA), clean.dtype)
    return [
        (clean, {"name": "photo, clean", "rgb": True, "visible": False}, "image"),
        (noisy, {"name": "photo, noisy", "rgb": True}, "image"),
    ]


def fluorescence_stack() -> list[LayerData]:
    """Make a stack of filaments and spots with camera noise, and the clean one.

    Returns
    -------
    list of (ndarray, dict, str)
        Two layers of shape (12, 256, 256), uint16, in camera counts, with the size of
        the voxels in micrometres.
    """
    rng = np.random.default_rng(_SEED)
    electrons = _scene(rng)
    clean = cast_values(electrons * GAIN + OFFSET, np.dtype(np.uint16))
    counts = rng.poisson(electrons) * GAIN + OFFSET
    noisy = cast_values(rng.normal(counts, READ_NOISE), np.dtype(np.uint16))
    shared = {
        "scale": VOXEL_SIZE,
        "units": ("micrometer",) * 3,
        "axis_labels": ("z", "y", "x"),
        "colormap": "green",
        "contrast_limits": (OFFSET, float(np.percentile(clean, 99.9))),
    }
    return [
        (clean, {"name": "cells, clean", "visible": False, **shared}, "image"),
        (noisy, {"name": "cells, noisy", **shared}, "image"),
    ]


def _scene(rng: np.random.Generator) -> NDArray[np.float64]:
    """Mean photo-electrons: wandering filaments and spots, blurred by a microscope."""
    from scipy.ndimage import gaussian_filter

    scene = np.zeros(STACK_SHAPE)
    size = np.array(STACK_SHAPE)
    for _ in range(28):
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.05, 500))
        rise = np.cumsum(rng.normal(0, 0.02, 500))
        steps = np.stack([rise, np.sin(angle), np.cos(angle)], 1)
        steps[:, 1:] = np.cumsum(steps[:, 1:], 0)
        points = np.rint(rng.uniform(0, 1, 3) * size + steps).astype(int)
        inside = ((points >= 0) & (points < size)).all(1)
        scene[tuple(points[inside].T)] += rng.uniform(0.5, 1.5)
    spots = rng.integers(0, size, (60, 3))
    scene[tuple(spots.T)] += rng.uniform(4, 12, len(spots))
    blurred = gaussian_filter(scene, (0.8, 1.3, 1.3), mode="constant")
    return 2 + 400 * blurred

"""From folders, files and globs to decoded training images."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import ConfigError
from napari_gradnet.io import open_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["IMAGE_SUFFIXES", "LUMA", "expand_paths", "read_image", "to_channels"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
#: Weights of red, green and blue in grey (ITU-R BT.601, as the field's grey test sets).
LUMA = np.array([0.299, 0.587, 0.114])


def expand_paths(patterns: Iterable[str]) -> list[Path]:
    """List the image files that folders, files and globs name, sorted, each once.

    Raises
    ------
    ConfigError
        A pattern names nothing.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES
            )
        elif path.is_file():
            matches = [path]
        else:
            names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - absolute patterns
            matches = [
                Path(n) for n in names if Path(n).suffix.lower() in IMAGE_SUFFIXES
            ]
        if not matches:
            msg = f"{pattern!r} names no image ({', '.join(sorted(IMAGE_SUFFIXES))})"
            raise ConfigError(msg)
        found.update(dict.fromkeys(matches))
    return list(found)


def to_channels(plane: NDArray[Any], channels: int) -> NDArray[Any]:
    """Bring a YX(S) plane to (C, Y, X) with the channels a network wants.

    Raises
    ------
    ConfigError
        Samples of other meaning than grey, RGB or RGBA.
    """
    if plane.ndim == 3 and plane.shape[-1] == 4:
        plane = plane[..., :3]  # alpha is no intensity
    if plane.ndim == 2:
        return np.broadcast_to(plane, (channels, *plane.shape))
    if channels == plane.shape[-1]:
        return plane.transpose(2, 0, 1)
    if channels == 1:
        grey = (plane.astype(np.float64) @ LUMA)[None]
        return np.rint(grey).astype(plane.dtype) if plane.dtype.kind in "iu" else grey
    msg = f"an image with {plane.shape[-1]} samples cannot feed {channels} channels"
    raise ConfigError(msg)


def read_image(path: Path, channels: int) -> list[NDArray[Any]]:
    """Read every plane of a file as a (C, Y, X) array.

    Grey planes are repeated for a colour network; colour ones turned to luma for a grey
    network.

    Raises
    ------
    GradNetError
        The file cannot be read.
    """
    with open_image(path) as source:
        return [to_channels(plane, channels) for plane in source.iter_planes()]

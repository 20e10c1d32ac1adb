"""Images in memory as files, for a training in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tifffile

from napari_gradnet.errors import FileFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["write_plane"]


def write_plane(path: Path, plane: NDArray[Any]) -> None:
    """Write one plane as a TIFF file, for a training to read.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    plane : ndarray, shape (Y, X) or (Y, X, 3)
        uint8, or float32 in [0, 1].

    Raises
    ------
    FileFormatError
        The disk is full or refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, plane, photometric="rgb" if plane.ndim == 3 else None)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}; free some space"
        raise FileFormatError(msg) from error

"""Open an image file by its content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import _jpeg, _png
from napari_gradnet.io._tiff_read import TiffSource

if TYPE_CHECKING:
    import os

    from napari_gradnet.io._base import ImageSource

__all__ = ["open_image"]

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_image(path: str | os.PathLike[str], *, axes: str | None = None) -> ImageSource:
    """Open a TIFF, PNG, JPEG or OME-Zarr, told by its content and not by its name.

    Parameters
    ----------
    path : path
        The file, or the folder of an OME-Zarr (0.4 or 0.5) or of a zarr array.
    axes : str, optional
        One letter for each dimension, for example ``"TZCYX"``, where the file's own
        are missing or wrong. By default they come from the file, and what had to be
        guessed stands in ``message``.

    Returns
    -------
    ImageSource
        Open; use it as a context manager. Pixels are read by ``read_plane`` only.

    Raises
    ------
    FileFormatError
        The file is absent, damaged, or of a kind that is not understood.
    AxesError
        `axes` does not fit.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _open_folder(path, axes)
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise FileFormatError(msg) from error
    if start[:4] in _TIFF_SIGNATURES:
        return TiffSource(path, axes)
    if start == _png.SIGNATURE:
        return _png.PngSource(path, axes)
    if start[:3] == _jpeg.SIGNATURE:
        return _jpeg.JpegSource(path, axes)
    msg = (
        f"{path} starts with the bytes {start.hex(' ') or 'of an empty file'}: "
        "a TIFF, PNG or JPEG file is needed"
    )
    raise FileFormatError(msg)


def _open_folder(path: Path, axes: str | None) -> ImageSource:
    from napari_gradnet.io._zarr_read import ZarrSource, is_zarr  # zarr loads slowly

    if not is_zarr(path):
        msg = (
            f"{path} is a folder without zarr.json, .zgroup or .zarray: name an image "
            "file or an OME-Zarr"
        )
        raise FileFormatError(msg)
    return ZarrSource(path, axes)

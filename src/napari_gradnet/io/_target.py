"""Formats that are written, by suffix, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._raster import RasterSource

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_gradnet.io._base import ImageSource

__all__ = ["OUTPUT_SUFFIXES", "check_target", "output_kind", "picture_axes"]

#: Output formats by suffix.
OUTPUT_SUFFIXES = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
}


def output_kind(path: Path) -> str:
    """Format that a suffix names.

    Raises
    ------
    FileFormatError
        It names none that is written plane by plane.
    """
    kind = OUTPUT_SUFFIXES.get(path.suffix.lower())
    if path.suffix.lower() == ".zarr":
        msg = (
            f"{path}: an OME-Zarr is not written plane by plane: use `gradnet batch` "
            "or api.denoise_files, with the format ome-zarr"
        )
        raise FileFormatError(msg)
    if kind is None:
        msg = (
            f"{path}: the suffix {path.suffix!r} names no format that can be written: "
            f"use one of {', '.join(OUTPUT_SUFFIXES)}"
        )
        raise FileFormatError(msg)
    return kind


def check_target(
    source: ImageSource, path: Path, kind: str, dtype: np.dtype[Any]
) -> None:
    """Refuse a name or a format that does not hold such an image.

    Parameters
    ----------
    source : ImageSource
        What was read.
    path : Path
        The output.
    kind : str
        See `output_kind`.
    dtype : numpy.dtype
        Of the pixels that are written.
    """
    problem = ""
    if source.kind.endswith("zarr") and source.num_planes > 1:
        problem = (
            f"the {source.num_planes} planes of a zarr store are written to an "
            "OME-Zarr only: use `gradnet batch` or api.denoise_files"
        )
    elif kind == "tiff":
        if path.stem.lower().endswith(".ome") and source.kind != "ome":
            problem = "the name promises OME-TIFF, the input is none: name it .tif"
    elif source.num_planes > 1 and not isinstance(source, RasterSource):
        problem = f"{kind.upper()} holds one plane, not {source.num_planes}: use .tif"
    elif kind == "png" and dtype.name not in ("uint8", "uint16"):
        problem = f"PNG holds uint8 and uint16, not {dtype.name}: use .tif"
    elif kind == "jpeg" and dtype.name != "uint8":
        problem = f"JPEG holds uint8, not {dtype.name}: use .tif (or .png for uint16)"
    elif kind == "jpeg" and picture_axes(source).shape[2:] == (4,):
        problem = "JPEG holds no alpha: use .png or .tif"
    if problem:
        msg = f"{path}: {problem}"
        raise FileFormatError(msg)


def picture_axes(source: ImageSource) -> ImageAxes:
    """Axes of a source that is one picture."""
    if isinstance(source, RasterSource):
        return source.axes
    return ImageAxes(source.axes.plane_axes, source.axes.plane_shape)

"""Write an image file like another."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.io import _jpeg, _png
from napari_gradnet.io._base import ImageSource, Sink, join_messages
from napari_gradnet.io._partial import PartialFile, explain_write_error
from napari_gradnet.io._raster import RasterSink, RasterSource
from napari_gradnet.io._tiff_plan import plan_like, plan_new
from napari_gradnet.io._tiff_read import TiffSource
from napari_gradnet.io._tiff_write import TiffSink

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from numpy.typing import DTypeLike, NDArray

__all__ = ["OUTPUT_SUFFIXES", "PlaneWriter", "create_like", "write_like"]

#: Output formats by suffix.
OUTPUT_SUFFIXES = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
}


class PlaneWriter:
    """Writes planes one after the other; the file appears when all have come.

    Made by `create_like`, used as a context manager. Leaving it with an exception, or
    with planes missing, leaves nothing behind.

    Attributes
    ----------
    path : Path
        The output.
    message : str
        What could not be kept, or empty.
    """

    def __init__(
        self,
        source: ImageSource,
        dtype: np.dtype[Any],
        partial: PartialFile,
        sink: Sink,
    ) -> None:
        self.path = partial.path
        self.message = sink.message
        self._shape = source.axes.plane_shape
        self._total = source.num_planes
        self._dtype = dtype
        self._partial = partial
        self._sink = sink
        self._done = 0

    def write_plane(self, plane: NDArray[Any]) -> None:
        """Write the next plane.

        Parameters
        ----------
        plane : ndarray, shape (Y, X) or (Y, X, S)
            Of the shape of the source's planes and of the dtype that was announced.

        Raises
        ------
        InputError
            Shape or dtype are others, or all planes are written already.
        FileFormatError
            The disk is full or refuses.
        """
        plane = np.asarray(plane)
        if self._done == self._total:
            msg = f"{self.path}: one plane more than the {self._total} of the stack"
            raise InputError(msg)
        if plane.shape != self._shape or plane.dtype != self._dtype:
            msg = (
                f"{self.path}: plane {self._done} has shape {plane.shape} and type "
                f"{plane.dtype}, expected were {self._shape} and {self._dtype}"
            )
            raise InputError(msg)
        with explain_write_error(self.path):
            self._sink.write_plane(plane)
        self._done += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            with contextlib.suppress(Exception):  # the first error is the one to see
                self._sink.close()
            self._partial.discard()

    def _commit(self) -> None:
        if self._done != self._total:
            msg = (
                f"{self.path}: {self._done} of {self._total} planes were written: "
                "nothing stands under this name"
            )
            raise InputError(msg)
        with explain_write_error(self.path):
            self._sink.finish()
            self._sink.close()
        self._partial.commit()


def create_like(
    source: ImageSource,
    path: str | os.PathLike[str],
    *,
    dtype: DTypeLike | None = None,
    record: Mapping[str, Any],
    overwrite: bool = False,
) -> PlaneWriter:
    """Start a file of the same kind, axes and metadata as `source`.

    A TIFF stays a TIFF of its kind (ImageJ, OME, BigTIFF, compressed, planar). The
    suffix of `path` decides between TIFF, PNG and JPEG.

    Parameters
    ----------
    source : ImageSource
        What was read; it must stay open until the writer is done.
    path : path
        The output. Its folder must exist.
    dtype : dtype, optional
        Type of the planes that will come; the source's by default.
    record : mapping
        What was done (``software``, ``version``, ``model``, ``hash``, ``options``...),
        stored in the file as its format allows.
    overwrite : bool
        Replace an existing file. The input itself is never replaced.

    Returns
    -------
    PlaneWriter
        To be used as a context manager.

    Raises
    ------
    FileFormatError
        `path` exists, cannot be written, or its format does not hold such an image.
    """
    path = Path(path)
    target = np.dtype(source.dtype if dtype is None else dtype).newbyteorder("=")
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
    _check_target(source, path, kind, target)
    partial = PartialFile(path, source.path, overwrite=overwrite)
    try:
        with explain_write_error(path):
            sink = _make_sink(source, path, partial.temporary, kind, target, record)
    except BaseException:
        partial.discard()
        raise
    return PlaneWriter(source, target, partial, sink)


def write_like(
    source: ImageSource,
    path: str | os.PathLike[str],
    planes: Iterable[NDArray[Any]],
    *,
    dtype: DTypeLike | None = None,
    record: Mapping[str, Any],
    overwrite: bool = False,
) -> str:
    """Write planes, taken one at a time, into a file like `source`.

    Parameters
    ----------
    source, path, dtype, record, overwrite
        See `create_like`.
    planes : iterable of ndarray
        All planes, in stack order.

    Returns
    -------
    str
        What could not be kept, or empty.

    Raises
    ------
    FileFormatError, InputError
        See `create_like` and `PlaneWriter.write_plane`.
    """
    with create_like(
        source, path, dtype=dtype, record=record, overwrite=overwrite
    ) as writer:
        for plane in planes:
            writer.write_plane(plane)
        return writer.message


def _check_target(
    source: ImageSource, path: Path, kind: str, dtype: np.dtype[Any]
) -> None:
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
    elif kind == "jpeg" and _picture_axes(source).shape[2:] == (4,):
        problem = "JPEG holds no alpha: use .png or .tif"
    if problem:
        msg = f"{path}: {problem}"
        raise FileFormatError(msg)


def _picture_axes(source: ImageSource) -> ImageAxes:
    """Axes of a source that is one picture."""
    if isinstance(source, RasterSource):
        return source.axes
    return ImageAxes(source.axes.plane_axes, source.axes.plane_shape)


def _make_sink(
    source: ImageSource,
    path: Path,
    temporary: Path,
    kind: str,
    dtype: np.dtype[Any],
    record: Mapping[str, Any],
) -> Sink:
    same = kind == source.kind
    icc = source.icc if isinstance(source, RasterSource) else None
    if kind == "tiff":
        if isinstance(source, TiffSource):
            return TiffSink(temporary, plan_like(source, path, dtype, record))
        note = f"of the {source.kind.upper()} only pixels and colour profile are kept"
        axes = _picture_axes(source)
        return TiffSink(temporary, plan_new(axes, dtype, record, icc, note))
    note = "" if same else "only pixels and colour profile are kept"
    if isinstance(source, TiffSource):
        icc = source.keyframe.tags.valueof(34675)
    text = json.dumps(dict(record), default=str)
    axes = _picture_axes(source)

    def encode(picture: NDArray[Any]) -> bytes:
        if kind == "png":
            chunks = source.chunks if isinstance(source, _png.PngSource) else []
            return _png.encode_png(picture, chunks, icc, {"Processing": text})
        segments = source.segments if isinstance(source, _jpeg.JpegSource) else []
        return _jpeg.encode_jpeg(picture, segments, icc, text)

    return RasterSink(temporary, axes, dtype, encode, join_messages(note))

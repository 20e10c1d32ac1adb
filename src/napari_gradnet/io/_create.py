"""Write an image file like another."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.io import _jpeg, _png
from napari_gradnet.io._alpha import is_premultiplied, separate
from napari_gradnet.io._base import ImageSource, Sink, join_messages
from napari_gradnet.io._exif import orientation_exif
from napari_gradnet.io._partial import PartialFile, explain_write_error
from napari_gradnet.io._raster import RasterSink, RasterSource
from napari_gradnet.io._target import check_target, output_kind, picture_axes
from napari_gradnet.io._tiff_plan import plan_like, plan_new
from napari_gradnet.io._tiff_read import TiffSource
from napari_gradnet.io._tiff_write import TiffSink
from napari_gradnet.io._white import find_black, invert

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from numpy.typing import DTypeLike, NDArray

__all__ = ["PlaneWriter", "check_like", "create_like", "write_like"]

_KEPT = "only pixels, colour profile and orientation are kept"


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


def check_like(
    source: ImageSource,
    path: str | os.PathLike[str],
    *,
    dtype: DTypeLike | None = None,
) -> None:
    """Refuse what `create_like` would refuse for its name or format.

    Meant to be called before long work; nothing is written.

    Parameters
    ----------
    source, path, dtype
        See `create_like`.

    Raises
    ------
    FileFormatError
        The format of `path` does not hold such an image.
    """
    path = Path(path)
    target = np.dtype(source.dtype if dtype is None else dtype).newbyteorder("=")
    kind = output_kind(path)
    check_target(source, path, kind, target)
    if kind == "tiff" and isinstance(source, TiffSource):
        plan_like(source, path, target, {})


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
    kind = output_kind(path)
    check_target(source, path, kind, target)
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
        note = f"of the {source.kind.upper()} {_KEPT}"
        return TiffSink(temporary, plan_new(source, dtype, record, icc, note))
    note = "" if same else _KEPT
    if isinstance(source, TiffSource):
        icc = source.keyframe.tags.valueof(34675)
    text = json.dumps(dict(record), default=str)
    axes = picture_axes(source)
    black, white_note = find_black(source, dtype)
    premultiplied = is_premultiplied(source)
    turned = source.orientation if source.orientation != 1 else 0

    def encode(picture: NDArray[Any]) -> bytes:
        if black is not None:
            picture = invert(picture, black)
        if premultiplied:
            picture = separate(picture)
        if kind == "png":
            chunks = [(b"eXIf", orientation_exif(turned))] if turned else []
            if isinstance(source, _png.PngSource):
                chunks = source.chunks
            return _png.encode_png(picture, chunks, icc, {"Processing": text})
        segments = [_jpeg.orientation_segment(turned)] if turned else []
        if isinstance(source, _jpeg.JpegSource):
            segments = source.segments
        return _jpeg.encode_jpeg(picture, segments, icc, text)

    return RasterSink(temporary, axes, dtype, encode, join_messages(note, white_note))

"""TIFF files, written plane by plane and of the kind that was read."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._imagej import SIGNED_OFFSET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes

__all__ = ["CLASSIC_LIMIT", "PageTags", "TiffPlan", "TiffSink"]

_NATIVE = "<" if sys.byteorder == "little" else ">"

#: Bytes of pixels that a classic TIFF holds, less room for directories and tags.
CLASSIC_LIMIT = 2**32 - 2**26


@dataclass
class PageTags:
    """What one page says besides its pixels.

    Parameters
    ----------
    description : bytes or None
        ImageDescription.
    software : bytes or bool
        Software; False for none.
    extra : list of tuple
        Other tags, as `tifffile.TiffWriter.write` takes ``extratags``.
    """

    description: bytes | None = None
    software: bytes | bool = False
    extra: list[tuple[int, int, int | None, bytes, bool]] = field(default_factory=list)


@dataclass
class TiffPlan:
    """How a stack is laid out in a TIFF file.

    Parameters
    ----------
    block_axes : ImageAxes
        Trailing axes that hold whole planes, in the file's order.
    page_shape : tuple of int
        Shape of one page, ``YX``, ``YXS`` or ``SYX``.
    num_pages : int
        Number of pages.
    dtype : numpy.dtype
        Of the pixels as stored, in native byte order.
    byteorder : str
        ``"<"`` or ``">"``.
    bigtiff : bool
        Whether offsets have 64 bits.
    contiguous : bool
        Whether all pixels lie one after the other, as ImageJ needs.
    single_directory : bool
        Whether only the first page is described (ImageJ beyond 4 GB).
    signed_offset : bool
        Whether signed 16-bit pixels are stored as unsigned ones (ImageJ).
    options : dict
        Arguments of `tifffile.TiffWriter.write` that are the same for all pages.
    tags : callable
        ``PageTags`` of a page, by its number.
    message : str
        What differs from the file that was read.
    """

    block_axes: ImageAxes
    page_shape: tuple[int, ...]
    num_pages: int
    dtype: np.dtype[Any]
    byteorder: str
    bigtiff: bool
    contiguous: bool
    single_directory: bool
    signed_offset: bool
    options: dict[str, Any]
    tags: Callable[[int], PageTags]
    message: str = ""


class TiffSink:
    """Takes planes and writes pages.

    Parameters
    ----------
    path : Path
        The temporary file, which exists and is empty.
    plan : TiffPlan
        The layout.
    """

    def __init__(self, path: Path, plan: TiffPlan) -> None:
        self.message = plan.message
        self._plan = plan
        self._inner = list(plan.block_axes.iter_planes())
        self._block = np.empty(plan.block_axes.shape, plan.dtype)
        self._filled = 0
        self._rest: NDArray[Any] = np.empty(0, plan.dtype)
        self._page = 0
        # ome and shaped are off: the description is ours to write
        self._tiff = tifffile.TiffWriter(
            path,
            bigtiff=plan.bigtiff,
            byteorder="<" if plan.byteorder == "<" else ">",
            ome=False,
            shaped=False,
        )
        self._raw = None
        if plan.contiguous:
            try:
                self._raw = self._reserve(path)
            except BaseException:
                self._tiff.close()
                raise

    def _arguments(self, number: int) -> dict[str, Any]:
        tags = self._plan.tags(number)
        return {
            **self._plan.options,
            "description": tags.description,
            "software": tags.software,
            "extratags": tags.extra,
            "metadata": None,
        }

    def _reserve(self, path: Path) -> Any:
        """Write the directories, and open the file where the pixels begin.

        With a single directory the pixels come last in the file and it simply grows.
        """
        plan = self._plan
        pages = 1 if plan.single_directory else plan.num_pages
        place = self._tiff.write(
            None,
            shape=(pages, *plan.page_shape),
            dtype=plan.dtype,
            returnoffset=True,
            **self._arguments(0),
        )
        self._tiff.close()
        if place is None:
            msg = f"{path}: tifffile gave no place for the pixels"
            raise FileFormatError(msg)
        handle = path.open("rb+")
        handle.seek(place[0])
        return handle

    def write_plane(self, plane: NDArray[Any]) -> None:
        """Take the next plane, and write what it completes."""
        block_axes = self._plan.block_axes
        if self._plan.signed_offset:
            plane = plane.view(np.uint16) ^ np.uint16(SIGNED_OFFSET)
        self._block[self._inner[self._filled]] = block_axes.from_plane(plane)
        self._filled += 1
        if self._filled == len(self._inner):
            self._filled = 0
            self._write_block()

    def _write_block(self) -> None:
        if self._raw is not None:
            block = self._block
            if self._plan.byteorder != _NATIVE:
                block = block.byteswap()
            self._raw.write(block.reshape(-1).view(np.uint8).data)
            return
        values = self._block.reshape(-1)
        if self._rest.size:
            values = np.concatenate([self._rest, values])
        size = int(np.prod(self._plan.page_shape))
        while values.size >= size:
            page, values = values[:size], values[size:]
            self._tiff.write(
                page.reshape(self._plan.page_shape), **self._arguments(self._page)
            )
            self._page += 1
        self._rest = values.copy()

    def finish(self) -> None:
        """Nothing is left to write: the last plane completed the last page."""

    def close(self) -> None:
        """Close the file."""
        # closing writes what is buffered, which may fail as any write does
        with contextlib.ExitStack() as stack:
            if self._raw is not None:
                stack.callback(self._raw.close)
            stack.callback(self._tiff.close)

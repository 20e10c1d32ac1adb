"""TIFF files, read plane by plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import AxesError, FileFormatError
from napari_gradnet.io._base import ImageSource, join_messages
from napari_gradnet.io._exif import ORIENTATION
from napari_gradnet.io._imagej import SIGNED_OFFSET, is_signed
from napari_gradnet.io._tiff_axes import name_dimensions
from napari_gradnet.io._tiff_check import (
    PALETTE,
    RGB,
    YCBCR,
    check_chain,
    check_pages,
    check_pixels,
    check_whole,
    damaged,
    enum_name,
    palette_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["TiffSource"]

#: Series of tifffile whose file keeps its kind on writing. All others come with private
#: metadata that only their makers write.
_KINDS = {
    "imagej": "imagej",
    "ome": "ome",
    "shaped": "shaped",
    "uniform": "plain",
    "generic": "plain",
}
#: Pages that are read for one plane, at most.
_MAX_PAGES_PER_PLANE = 4


class TiffSource(ImageSource):
    """The first image series of a TIFF file, at full resolution.

    Parameters
    ----------
    path : Path
        A file that starts as a TIFF does.
    axes : str, optional
        Letters for the dimensions, where the file's own are missing or wrong.

    Attributes
    ----------
    file : tifffile.TiffFile
        The open file.
    series : tifffile.TiffPageSeries
        The series that is read.
    keyframe : tifffile.TiffPage
        Its first page.
    stored_dtype : numpy.dtype
        Of the pixels in the file, in native byte order.
    signed : bool
        Whether stored unsigned pixels stand for signed ones (ImageJ).
    palette : ndarray, shape (colours, 3), dtype uint8, or None
        Colours of an indexed image, which is read as RGB.
    own_axes : str
        The letters that the file itself gives, with those that are assumed.
    block_axes : ImageAxes
        The trailing axes that hold whole planes, as they lie in the file.

    Raises
    ------
    FileFormatError
        The file is damaged, or holds what a denoiser cannot work on.
    AxesError
        `axes` does not fit.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        self._notes: list[str] = []
        self._cache: tuple[int, NDArray[Any]] | None = None
        with damaged(path, "its header"):
            self.file = tifffile.TiffFile(path)
        try:
            with damaged(path, "its directory"):
                self._open_series()
                self._set_dtype()
                self._check_extent()
            self._set_axes(axes)
        except BaseException:
            self.file.close()
            raise
        self.message = join_messages(*self._notes)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    # ------------------------------------------------------------ what is in it
    def _open_series(self) -> None:
        series = self.file.series
        if not series:
            msg = f"{self.path}: the file holds no image"
            raise FileFormatError(msg)
        self.series = series[0]
        if any(page is not None and page.parent is not self.file for page in series[0]):
            msg = (
                f"{self.path} is one part of an OME-TIFF spread over several files: "
                "save it as a single file first (for example from ImageJ or bfconvert)"
            )
            raise FileFormatError(msg)
        self.kind = _KINDS.get(self.series.kind, "shaped")
        # tifffile falls back to plain pages where OME-XML and pages do not agree
        if (self.file.is_ome and self.kind == "plain") or any(
            page is None for page in self.series
        ):
            msg = (
                f"{self.path}: its OME-XML names planes that are not in the file: it "
                "is damaged, or one part of several files"
            )
            raise FileFormatError(msg)
        self.keyframe = self.series.keyframe
        orientation = self.keyframe.tags.valueof(ORIENTATION, 1)
        self.orientation = int(orientation) if orientation in range(1, 9) else 1
        # tifffile falls back to plain pages where the header and the file do not agree;
        # other kinds, such as Micro-Manager's, may have an ImageJ header besides theirs
        if self.file.is_imagej and self.kind == "plain":
            msg = (
                f"{self.path}: its ImageJ header tells of more images than the file of "
                f"{self.file.filehandle.size:,} bytes holds: it is cut off or damaged"
            )
            raise FileFormatError(msg)
        if self.series.kind not in _KINDS:
            self._notes.append(
                f"private metadata of a TIFF of kind {self.series.kind} is not kept"
            )
        if len(series) > 1:
            self._notes.append(
                f"of {len(series)} image series only the first, of shape "
                f"{self.series.shape}, is read"
            )
        if len(self.series.levels) > 1:
            self._notes.append("the lower levels of the pyramid are left out")

    def _set_dtype(self) -> None:
        page = self.keyframe
        self.stored_dtype = check_pixels(self.path, page)
        self.dtype = self.stored_dtype
        self.signed = (
            self.kind == "imagej" and self.dtype == "u2" and is_signed(self.description)
        )
        if self.signed:
            self.dtype = np.dtype("i2")
        self.palette: NDArray[np.uint8] | None = None
        # in ImageJ files a colour map is a display setting, the pixels are intensities
        if int(page.photometric) == PALETTE and self.kind != "imagej":
            if page.colormap is None:
                msg = f"{self.path} is indexed, but its palette is missing"
                raise FileFormatError(msg)
            self.palette = palette_bytes(page.colormap).T
            self.dtype = np.dtype("u1")
            self._notes.append("palette colours are read and written as RGB")
        bits = int(np.max(page.bitspersample))
        if bits < 8 * self.stored_dtype.itemsize:
            self._notes.append(
                f"{bits}-bit pixels are written as {self.stored_dtype.name}"
            )

    def _check_extent(self) -> None:
        #: where the pixels start, if all of them lie one after the other
        self._offset = self.series.dataoffset
        size, itemsize = self.file.filehandle.size, self.stored_dtype.itemsize
        if self._offset is not None:
            nbytes = math.prod(self.series.shape) * itemsize
            check_whole(self.path, self._offset, nbytes, size)
        else:
            check_pages(self.path, self.series, itemsize, size)
        if self.series.kind in _KINDS:
            check_chain(self.path, self.file)

    @property
    def description(self) -> str:
        """The first page's description, as text."""
        return str(self.keyframe.description)

    @property
    def first_page(self) -> int:
        """Number of the series' first page in the file."""
        page = self.series[0]
        return 0 if page is None else int(page.index)

    @property
    def is_renamed(self) -> bool:
        """Whether the caller named the dimensions otherwise than the file does."""
        own = self.own_axes + ("S" if self.palette is not None else "")
        return self.axes.axes != own

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says about itself."""
        page = self.keyframe
        result: dict[str, Any] = {
            "kind": self.kind,
            "bigtiff": self.file.is_bigtiff,
            "compression": enum_name(page.compression),
            "description": self.description,
        }
        if self.kind == "imagej":
            result["imagej"] = self.file.imagej_metadata
        if self.resolution is not None:
            result["resolution"] = self.resolution
            result["resolution_unit"] = enum_name(page.resolutionunit)
        return result

    @property
    def resolution(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Pixels per unit in X and Y, each as a fraction, if the file says so."""
        x, y = (self.keyframe.tags.valueof(code) for code in (282, 283))
        for value in (x, y):
            if not isinstance(value, tuple) or len(value) != 2 or not all(value):
                return None
        return x, y

    # -------------------------------------------------------------------- axes
    def _set_axes(self, axes: str | None) -> None:
        letters = str(self.series.axes).upper()
        shape = tuple(map(int, self.series.shape))
        if letters.endswith("S") and shape[-1] == 1:
            letters, shape = letters[:-1], shape[:-1]
        if "S" in letters and not self._samples_are_colours(letters, shape):
            letters = letters.replace("S", "C" if "C" not in letters else "Q")
        self.own_axes = guess = name_dimensions(letters)
        if axes is not None:
            guess = axes.upper()
            if self.palette is not None:
                guess = guess.removesuffix("S")
        elif guess != letters:
            self._notes.append(
                f"the file does not name all its dimensions: {guess} is assumed for "
                f"the shape {shape}; give axes=... if wrong"
            )
        try:
            self.axes = raw = ImageAxes(guess, shape)
        except AxesError as error:
            msg = f"{self.path}: {error}"
            raise AxesError(msg) from None
        if self.palette is not None:
            self.axes = ImageAxes(raw.axes + "S", (*shape, 3))
        first = min(raw.axes.index(letter) for letter in raw.plane_axes)
        self.block_axes = ImageAxes(raw.axes[first:], shape[first:])
        self._inner = list(self.block_axes.iter_planes())
        self._block_size = math.prod(self.block_axes.shape)
        self._page_size = math.prod(self.keyframe.shape)
        self._check_blocks()

    def _samples_are_colours(self, letters: str, shape: tuple[int, ...]) -> bool:
        samples = shape[letters.index("S")]
        if int(self.keyframe.photometric) not in (RGB, YCBCR) or samples not in (3, 4):
            return False
        if samples == 4 and self.keyframe.extrasamples in ((), (0,)):
            self._notes.append(
                "the fourth sample, of unspecified meaning, is taken as alpha"
            )
        return True

    def _check_blocks(self) -> None:
        few, many = sorted((self._block_size, self._page_size))
        pages = self._block_size // self._page_size
        small = self._offset is not None or pages <= _MAX_PAGES_PER_PLANE
        if small and many % few == 0:
            return
        msg = (
            f"{self.path}: with axes {self.axes.axes} one plane lies across {pages} "
            "pages of the file: name the page's rows and columns Y and X"
        )
        raise FileFormatError(msg)

    # ----------------------------------------------------------------- reading
    def _read(self, index: int) -> NDArray[Any]:
        number, inner = divmod(index, len(self._inner))
        with damaged(self.path, f"plane {index} of {self.num_planes}"):
            block = self._block(number).reshape(self.block_axes.shape)
        plane = self.block_axes.to_plane(block[self._inner[inner]])
        if self.palette is not None:
            return self.palette[plane]
        if self.signed:
            flipped: NDArray[Any] = np.bitwise_xor(plane, np.uint16(SIGNED_OFFSET))
            return flipped.view(np.int16)
        if plane.base is None:
            return plane
        return np.array(plane, dtype=self.dtype, order="C")

    def _block(self, number: int) -> NDArray[Any]:
        start, size, page_size = number * self._block_size, self._block_size, 0
        if self._offset is not None:
            if len(self._inner) == 1:
                return self._from_offset(start, size)
            return self._cached(number, lambda: self._from_offset(start, size))
        page_size = self._page_size
        first, within = divmod(start, page_size)
        if size > page_size:
            pages = [self._page(first + k) for k in range(size // page_size)]
            return np.concatenate(pages)
        if size == page_size and len(self._inner) == 1:
            return self._page(first)
        page = self._cached(first, lambda: self._page(first))
        return page[within : within + size]

    def _cached(self, number: int, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Keep what several planes lie in, one such piece at a time."""
        if self._cache is None or self._cache[0] != number:
            self._cache = None  # free the old one before the new one comes
            self._cache = number, read()
        return self._cache[1]

    def _from_offset(self, start: int, size: int) -> NDArray[Any]:
        dtype = self.stored_dtype.newbyteorder(self.file.byteorder)
        offset = (self._offset or 0) + start * dtype.itemsize
        data = self.file.filehandle.read_array(dtype, size, offset)
        return data.astype(self.stored_dtype, copy=False)

    def _page(self, number: int) -> NDArray[Any]:
        page = self.series[number]
        if page is None:
            msg = "the page is missing"
            raise ValueError(msg)
        data = np.asarray(page.asarray())
        if data.size != self._page_size:
            msg = f"its shape is {data.shape}, not {self.keyframe.shape}"
            raise ValueError(msg)
        return data.reshape(-1)

"""What a TIFF file must fulfil before a pixel is read.

Headers are not believed: offsets, sizes and counts are held against the file's length
before memory is asked for.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gradnet.errors import FileFormatError, GradNetError
from napari_gradnet.io._base import check_expansion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import tifffile
    from numpy.typing import NDArray

__all__ = [
    "MINISWHITE",
    "PALETTE",
    "RGB",
    "YCBCR",
    "check_chain",
    "check_pages",
    "check_pixels",
    "check_whole",
    "damaged",
    "enum_name",
    "palette_bytes",
]

MINISWHITE, RGB, PALETTE, YCBCR = 0, 2, 3, 6
#: Photometric interpretations whose values are intensities: white is zero, black is
#: zero, RGB, a palette, and YCbCr where a codec turns it into RGB.
_PHOTOMETRIC = {0, 1, RGB, PALETTE, YCBCR}
_JPEG = {6, 7, 33007, 34892}


@contextlib.contextmanager
def damaged(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes the decoders raise into a sentence.

    Raises
    ------
    FileFormatError
        In place of the decoder's error, which stays as its cause.
    """
    try:
        yield
    except (GradNetError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        msg = f"{path}: {what} cannot be read, the file may be damaged ({reason})"
        raise FileFormatError(msg) from error


def enum_name(value: int) -> str:
    """Name of a TIFF constant, or its number where tifffile knows no name."""
    return str(getattr(value, "name", value))


def palette_bytes(colormap: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of a palette in 8 bits.

    Parameters
    ----------
    colormap : ndarray, shape (3, colours)
        Of the file. It should hold 0 to 65535, but some programs write 0 to 255:
        libtiff tells them apart by the largest number as well.

    Returns
    -------
    ndarray, shape (3, colours), dtype uint8
    """
    values = np.asarray(colormap)
    shift = 8 if values.max(initial=0) > 255 else 0
    return (values >> shift).astype(np.uint8)


def check_pixels(path: Path, page: tifffile.TiffPage) -> np.dtype[Any]:
    """Refuse pixels that a denoiser cannot work on.

    Returns
    -------
    numpy.dtype
        Type of the pixels as stored, in native byte order.
    """
    photometric, dtype = int(page.photometric), page.dtype
    if dtype is None or dtype.kind not in "uif":
        kind = "bool" if dtype is not None and dtype.kind == "b" else dtype
        msg = f"{path} has pixels of type {kind}: integers or floats are needed"
        raise FileFormatError(msg)
    problem = ""
    if photometric not in _PHOTOMETRIC or (
        photometric == YCBCR and int(page.compression) not in _JPEG
    ):
        problem = (
            f"colours of kind {enum_name(page.photometric)}: convert it to grey or RGB"
        )
    elif np.max(page.bitspersample) < 8:
        problem = f"{page.bitspersample} bits per pixel: convert it to 8 or 16 bits"
    elif page.samplesperpixel == 2 and page.extrasamples in ((1,), (2,)):
        problem = "grey with an alpha channel: save it as RGBA or without alpha"
    if problem:
        msg = f"{path} has {problem}"
        raise FileFormatError(msg)
    return dtype.newbyteorder("=")


def check_whole(path: Path, offset: int, nbytes: int, size: int) -> None:
    """Refuse pixels in one piece that end behind the file."""
    if offset + nbytes > size:
        msg = (
            f"{path} is cut off: {nbytes:,} bytes of pixels are expected from byte "
            f"{offset:,} on, the file has {size:,}"
        )
        raise FileFormatError(msg)


def check_pages(
    path: Path, series: tifffile.TiffPageSeries, itemsize: int, size: int
) -> None:
    """Refuse pages that end behind the file or claim more than they store.

    Parameters
    ----------
    path : Path
        The file, for messages.
    series : tifffile.TiffPageSeries
        The pages.
    itemsize : int
        Bytes of one pixel value.
    size : int
        Length of the file, in bytes.
    """
    key, total = series.keyframe, len(series)
    values = math.prod(key.shape)
    if total * values != math.prod(series.shape):
        msg = (
            f"{path}: {total} pages of {key.shape} pixels do not make the shape "
            f"{series.shape}: the file is cut off or its description is wrong"
        )
        raise FileFormatError(msg)
    plain = int(key.compression) == 1
    least = values * int(np.max(key.bitspersample)) // 8
    for number, page in enumerate(series):
        if page is None:
            continue
        what = f"page {number} of {total}"
        counts = page.databytecounts
        ends = [a + n for a, n in zip(page.dataoffsets, counts, strict=False) if n]
        if ends and max(ends) > size:
            msg = (
                f"{path} is cut off: {what} ends at byte {max(ends):,}, the file has "
                f"{size:,}"
            )
            raise FileFormatError(msg)
        stored = sum(counts)
        # tiles that are left out, with a count of 0, are blank
        if plain and all(counts) and stored < least:
            msg = (
                f"{path}: {what} claims {least:,} bytes of pixels, but stores "
                f"{stored:,}: the header is wrong or the file is damaged"
            )
            raise FileFormatError(msg)
        check_expansion(path, what, values * itemsize, stored)


def check_chain(path: Path, file: tifffile.TiffFile) -> None:
    """Refuse a file whose list of pages leads out of the file."""
    tiff, handle = file.tiff, file.filehandle
    order: Literal["little", "big"] = "little" if file.byteorder == "<" else "big"
    pages = len(file.pages)
    handle.seek(file.pages[pages - 1].offset)
    count = int.from_bytes(handle.read(tiff.tagnosize), order)
    handle.seek(count * tiff.tagsize, 1)
    following = int.from_bytes(handle.read(tiff.offsetsize), order)
    if following >= handle.size:
        msg = (
            f"{path} is cut off: page {pages} should follow at byte {following:,}, the "
            f"file has {handle.size:,}"
        )
        raise FileFormatError(msg)

"""Files in which 0 is white, written to formats in which 0 is always black."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.io._tiff_check import MINISWHITE
from napari_gradnet.io._tiff_read import TiffSource
from napari_gradnet.values import cast_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gradnet.io._base import ImageSource

__all__ = ["find_black", "invert"]


def find_black(source: ImageSource, dtype: np.dtype[Any]) -> tuple[int | None, str]:
    """Find the value of black in a file in which 0 is white.

    Parameters
    ----------
    source : ImageSource
        What was read.
    dtype : numpy.dtype
        Of the pixels that are written: integers were cut to its range.

    Returns
    -------
    int or None
        None where 0 is black, or where nothing tells how bright white is.
    str
        What is to be said of it; empty where 0 is black.
    """
    if not isinstance(source, TiffSource):
        return None, ""
    if int(source.keyframe.photometric) != MINISWHITE:
        return None, ""
    if source.dtype.kind != "u":
        return None, f"0 is white in the file: its {source.dtype.name} are not inverted"
    black = 2 ** int(np.max(source.keyframe.bitspersample)) - 1
    if dtype.kind != "f":
        black = min(black, int(np.iinfo(dtype).max))
    return black, f"0 is white in the file: values are written as {black} minus value"


def invert(image: NDArray[Any], black: int) -> NDArray[Any]:
    """Make 0 black; the dtype stays.

    Parameters
    ----------
    image : ndarray
        Of which 0 is white.
    black : int
        See `find_black`.
    """
    return cast_values(black - image.astype(np.float64), image.dtype)

"""Colours that are stored times their alpha, for formats that hold them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.io._tiff_read import TiffSource
from napari_gradnet.values import cast_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gradnet.io._base import ImageSource

__all__ = ["is_premultiplied", "separate"]

#: Of the TIFF tag ExtraSamples.
_ASSOCIATED = (1,)


def is_premultiplied(source: ImageSource) -> bool:
    """Whether the colours of an RGBA file are stored times alpha."""
    if not isinstance(source, TiffSource) or not source.axes.is_rgb:
        return False
    return tuple(source.keyframe.extrasamples) == _ASSOCIATED


def separate(picture: NDArray[Any]) -> NDArray[Any]:
    """Divide the colours of a picture by its alpha.

    Parameters
    ----------
    picture : ndarray of unsigned integers, shape (Y, X, 4)
        Its colours are stored times alpha; where alpha is 0 they stay.
    """
    alpha = picture[..., 3:].astype(np.float64)
    opaque = np.iinfo(picture.dtype).max
    factor = np.divide(opaque, alpha, out=np.ones_like(alpha), where=alpha > 0)
    result = picture.copy()
    result[..., :3] = cast_values(picture[..., :3] * factor, picture.dtype)
    return result

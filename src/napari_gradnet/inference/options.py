"""How an image is denoised, apart from the model."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from napari_gradnet.errors import InputError

__all__ = ["GuideKind", "NanPolicy", "StackOptions", "Vst"]

#: Guides that are made from the image.
GuideKind = Literal["bm3d", "noisy"]
NanPolicy = Literal["raise", "keep"]
Vst = bool | Literal["auto"]


@dataclass(frozen=True)
class StackOptions:
    """How an image is denoised, apart from the model.

    Parameters
    ----------
    tile : int, optional
        Largest side of a tile, pixels; from the free memory when not given.
    ensemble : bool, optional
        Average over 8 flips and rotations; as the model says when not given.
    vst : bool or "auto"
        Stabilise the variance of counts first; ``auto`` where the noise depends on the
        signal and the model was not trained on counts as they are (the packaged grey
        ones were, but for ``dncnn-gray``).
    nan : {"raise", "keep"}
        Refuse NaN and infinity, or fill them for the network and put them back.
    dtype : str
        ``same`` or a dtype's name.
    value_range : (float, float), optional
        Black and white, in the image's units; see `api.denoise` for the default.
    guide : {"bm3d", "noisy"}, optional
        Made from the image instead of the model's own.
    """

    tile: int | None = None
    ensemble: bool | None = None
    vst: Vst = "auto"
    nan: NanPolicy = "raise"
    dtype: str = "same"
    value_range: tuple[float, float] | None = None
    guide: GuideKind | None = None

    def __post_init__(self) -> None:
        if self.nan not in get_args(NanPolicy):
            msg = f"nan={self.nan!r} is unknown: use 'raise' or 'keep'"
            raise InputError(msg)
        if self.guide is not None and self.guide not in get_args(GuideKind):
            msg = (
                f"guide={self.guide!r} is unknown: give an array of the image's shape, "
                "'bm3d' or 'noisy'"
            )
            raise InputError(msg)
        vst: Any = self.vst
        if isinstance(vst, np.bool_):  # NumPy's True is not Python's
            object.__setattr__(self, "vst", bool(vst))
        elif not (isinstance(vst, bool) or vst == "auto"):
            msg = f"vst={vst!r} is unknown: use 'auto', True or False"
            raise InputError(msg)
        ensemble: Any = self.ensemble
        if isinstance(ensemble, np.bool_):
            object.__setattr__(self, "ensemble", bool(ensemble))
        elif not (isinstance(ensemble, bool) or ensemble is None):
            msg = f"ensemble={self.ensemble!r} is unknown: use True, False or None"
            raise InputError(msg)
        if self.tile is not None:
            object.__setattr__(self, "tile", _whole_tile(self.tile))
        if self.value_range is not None:
            object.__setattr__(self, "value_range", _black_white(self.value_range))


def _whole_tile(tile: Any) -> int:
    try:
        whole = operator.index(tile)
    except TypeError as error:
        msg = f"tile={tile!r} must be a whole number of pixels"
        raise InputError(msg) from error
    if whole < 1:
        msg = f"tile={tile} must be at least 1 pixel"
        raise InputError(msg)
    return whole


def _black_white(value_range: Any) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in value_range)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        msg = f"value_range={value_range}: give black first, then white"
        raise InputError(msg)
    return low, high

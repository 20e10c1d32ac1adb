"""From an image's units to [0, 1] and back, the variance stabilised where it helps.

What is settled here holds for all planes of one channel, never for a tile or a plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.noise.estimate import estimate_noise
from napari_gradnet.noise.stabilize import Stabilizer, needs_stabilization
from napari_gradnet.values import cast_values, in_parts, robust_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_gradnet.inference.options import StackOptions

__all__ = ["Scaling", "settle_scaling"]

#: Values that the camera's law is fitted to, of several planes where they are small.
ESTIMATE_VALUES = 1 << 22
#: Grey images of 8 bits whose white lies below are few photons; 255 is a photo's.
DIM_WHITE = 64.0
#: Shortest side for that, pixels.
SMALLEST_ESTIMATE = 8


@dataclass(frozen=True)
class Scaling:
    """Black, white and the variance stabilisation before them.

    Parameters
    ----------
    low, high : float
        Become 0 and 1; in the units of the image, or of the stabilised one.
    stabilizer : Stabilizer, optional
        Applied before scaling.
    """

    low: float
    high: float
    stabilizer: Stabilizer | None = None

    def forward(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Bring an image to [0, 1]; nothing is clipped."""
        scaled = np.empty(image.shape, np.float32)
        in_parts(self._scale, image, scaled)
        return scaled

    def _scale(self, image: NDArray[Any]) -> NDArray[np.float32]:
        if self.stabilizer is not None:
            image = self.stabilizer.forward(image)
        # float64 for the difference: 32-bit counts have more digits than float32
        scaled = (image.astype(np.float64) - self.low) / (self.high - self.low)
        with np.errstate(over="ignore"):  # told of when it spoils the result
            return scaled.astype(np.float32)

    def restore(self, scaled: NDArray[np.float32], out: NDArray[Any]) -> None:
        """Bring a result back to the image's units, cast to the dtype of `out`."""
        in_parts(lambda s: cast_values(self._unscale(s), out.dtype), scaled, out)

    def _unscale(self, scaled: NDArray[np.float32]) -> NDArray[Any]:
        image: NDArray[Any] = scaled.astype(np.float64)
        image = image * (self.high - self.low) + self.low
        return image if self.stabilizer is None else self.stabilizer.inverse(image)

    @property
    def record(self) -> dict[str, Any]:
        """For an image's history."""
        record: dict[str, Any] = {
            "black": self.low,
            "white": self.high,
            "variance_stabilised": self.stabilizer is not None,
        }
        if self.stabilizer is not None:
            for name in ("gain", "offset", "read_noise"):
                record[name] = getattr(self.stabilizer, name)
        return record


def settle_scaling(
    samples: Sequence[NDArray[Any]],
    dtype: np.dtype[Any],
    options: StackOptions,
    *,
    rgb: bool,
) -> Scaling:
    """Settle the scaling of one channel from planes that stand for it.

    Parameters
    ----------
    samples : sequence of ndarray, shape (Y, X) or (Y, X, 3)
        Without alpha.
    dtype : numpy.dtype
        Of the image.
    options : StackOptions
        `vst` and `value_range` count here.
    rgb : bool
        Whether planes are colour photos.

    Raises
    ------
    InputError
        The noise cannot be measured though `vst` is True, or the values span too much.
    """
    stabilizer = _settle_stabilizer(samples, options, rgb=rgb)
    low, high = _settle_range(samples, dtype, options, stabilizer, rgb=rgb)
    if not math.isfinite(high - low):
        msg = (
            f"values from {low:g} to {high:g} span more than float64 holds: divide the "
            "image first"
        )
        raise InputError(msg)
    return Scaling(low, high, stabilizer)


def _settle_stabilizer(
    samples: Sequence[NDArray[Any]], options: StackOptions, *, rgb: bool
) -> Stabilizer | None:
    if options.vst is False or (rgb and options.vst == "auto"):
        return None
    planes = [_finite(s) for s in samples if np.isfinite(s).any()]
    if not planes:
        return None
    sides = planes[0].shape[:2]
    if min(sides) < SMALLEST_ESTIMATE:
        if options.vst == "auto":
            return None
        msg = (
            f"vst=True: the noise of planes of {sides} pixels cannot be measured: use "
            "vst=False"
        )
        raise InputError(msg)
    estimate = estimate_noise(
        np.stack(_spread(planes)), channel_axis=-1 if rgb else None
    )
    if options.vst is True or needs_stabilization(estimate):
        return Stabilizer.from_estimate(estimate)
    return None


def _settle_range(
    samples: Sequence[NDArray[Any]],
    dtype: np.dtype[Any],
    options: StackOptions,
    stabilizer: Stabilizer | None,
    *,
    rgb: bool,
) -> tuple[float, float]:
    given = options.value_range
    if stabilizer is None:
        if given is not None:
            return given
        if dtype == np.uint8 and rgb:
            return 0.0, 255.0
        low, high = robust_range(samples)
        return (0.0, 255.0) if dtype == np.uint8 and high >= DIM_WHITE else (low, high)
    if given is None:
        return robust_range([stabilizer.forward(s[np.isfinite(s)]) for s in samples])
    low, high = stabilizer.forward(np.array(given, np.float64)).tolist()
    if low >= high:
        msg = (
            f"value_range={given} lies below the camera's dark level "
            f"{stabilizer.offset:g}: give another one or vst=False"
        )
        raise InputError(msg)
    return low, high


def _spread(planes: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """As many planes as a noise estimate needs, evenly spread."""
    count = min(max(1, ESTIMATE_VALUES // planes[0].size), len(planes))
    middles = (np.arange(count) + 0.5) * len(planes) / count
    return [planes[int(k)] for k in middles]


def _finite(plane: NDArray[Any]) -> NDArray[Any]:
    """Put the median in place of NaN and infinite values."""
    good = np.isfinite(plane)
    if good.all():
        return plane
    return np.where(good, plane, np.percentile(plane[good], 50, method="nearest"))

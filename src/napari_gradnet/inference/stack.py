"""Planes of one image, scaled alike: what is common to a stack is settled once."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_gradnet.errors import InputError, ModelError
from napari_gradnet.inference.plane import PlaneDenoiser
from napari_gradnet.noise.estimate import estimate_noise
from napari_gradnet.noise.stabilize import Stabilizer, needs_stabilization
from napari_gradnet.values import (
    cast_values,
    check_dtype,
    nonfinite_message,
    output_dtype,
    robust_range,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes
    from napari_gradnet.inference.models import Model

__all__ = ["NanPolicy", "StackDenoiser", "StackOptions", "Vst"]

NanPolicy = Literal["raise", "keep"]
Vst = bool | Literal["auto"]
#: Values that the camera's law is fitted to, of several planes where they are small.
ESTIMATE_VALUES = 1 << 22
#: Shortest side for that, and longest side below which no sigma is found, pixels.
SMALLEST_ESTIMATE = 8
SMALLEST_SIGMA = 3


@dataclass(frozen=True)
class StackOptions:
    """How an image is denoised, apart from the model.

    Parameters
    ----------
    tile : int, optional
        Largest side of a tile, pixels; from the free memory when not given.
    ensemble : bool
        Average over 8 flips and rotations.
    vst : bool or "auto"
        Stabilise the variance of counts first; ``auto`` where the noise depends on the
        signal.
    nan : {"raise", "keep"}
        Refuse NaN and infinity, or fill them for the network and put them back.
    dtype : str
        ``same`` or a dtype's name.
    value_range : (float, float), optional
        Black and white, in the image's units; see `api.denoise` for the default.
    """

    tile: int | None = None
    ensemble: bool = False
    vst: Vst = "auto"
    nan: NanPolicy = "raise"
    dtype: str = "same"
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.nan not in get_args(NanPolicy):
            msg = f"nan={self.nan!r} is unknown: use 'raise' or 'keep'"
            raise InputError(msg)
        vst: Any = self.vst
        if isinstance(vst, np.bool_):  # NumPy's True is not Python's
            object.__setattr__(self, "vst", bool(vst))
        elif not (isinstance(vst, bool) or vst == "auto"):
            msg = f"vst={vst!r} is unknown: use 'auto', True or False"
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


class StackDenoiser:
    """Denoises the planes of one image with one scaling.

    Parameters
    ----------
    model : Model
    axes : ImageAxes
        Of the image.
    dtype : numpy.dtype
        Of the image.
    samples : sequence of ndarray
        ``YX`` or ``YXS`` planes, or parts of them, that stand for the whole image.
    options : StackOptions

    Raises
    ------
    InputError
        The dtype holds no intensities.
    ModelError
        The model does not fit the image's channels.
    """

    def __init__(
        self,
        model: Model,
        axes: ImageAxes,
        dtype: np.dtype[Any],
        samples: Sequence[NDArray[Any]],
        options: StackOptions,
    ) -> None:
        self.model = model
        self.axes = axes
        self.options = options
        self.dtype = output_dtype(options.dtype, check_dtype(dtype))
        self.samples_used = self._check_channels()
        self.planes = PlaneDenoiser(model, tile=options.tile, ensemble=options.ensemble)
        intensities = [s[..., : self.samples_used] for s in samples]
        if not axes.is_rgb:
            intensities = list(samples)
        self.stabilizer = self._stabilizer(intensities)
        self.low, self.high = self._range(np.dtype(dtype), intensities)
        if not math.isfinite(self.high - self.low):
            msg = (
                f"values from {self.low:g} to {self.high:g} span more than float64 "
                "holds: divide the image first"
            )
            raise InputError(msg)

    def _check_channels(self) -> int:
        """Number of samples of a pixel that are intensities (alpha is none)."""
        samples = 3 if self.axes.is_rgb else 1
        channels = self.model.header.channels
        if channels not in (1, samples):
            msg = (
                f"model {self.model.header.name!r} wants {channels} channels, this "
                f"image (axes {self.axes.axes}) has {samples} sample a pixel: use a "
                "grey model, or name the RGB dimension S"
            )
            raise ModelError(msg)
        return samples

    def _stabilizer(self, samples: Sequence[NDArray[Any]]) -> Stabilizer | None:
        vst = self.options.vst
        if vst is False or (self.axes.is_rgb and vst == "auto"):
            return None
        planes = [_finite(s) for s in samples if np.isfinite(s).any()]
        if not planes:
            return None
        if min(self.axes.plane_shape[:2]) < SMALLEST_ESTIMATE:
            if vst == "auto":
                return None
            msg = (
                f"vst=True: the noise of planes of {self.axes.plane_shape[:2]} pixels "
                "cannot be measured: use vst=False"
            )
            raise InputError(msg)
        estimate = estimate_noise(
            np.stack(_spread(planes)),
            channel_axis=-1 if self.axes.is_rgb else None,
        )
        if vst is True or needs_stabilization(estimate):
            return Stabilizer.from_estimate(estimate)
        return None

    def _range(
        self, dtype: np.dtype[Any], samples: Sequence[NDArray[Any]]
    ) -> tuple[float, float]:
        given = self.options.value_range
        if self.stabilizer is None:
            if given is not None:
                return given
            if dtype == np.uint8:
                return 0.0, 255.0
            return robust_range(samples)
        if given is not None:
            ends = self.stabilizer.forward(np.array(given, np.float64))
            if ends[0] >= ends[1]:
                msg = (
                    f"value_range={given} lies below the camera's dark level "
                    f"{self.stabilizer.offset:g}: give another one or vst=False"
                )
                raise InputError(msg)
            return float(ends[0]), float(ends[1])
        return robust_range(
            [self.stabilizer.forward(s[np.isfinite(s)]) for s in samples]
        )

    @property
    def record(self) -> dict[str, Any]:
        """How the image is denoised, for its history."""
        record: dict[str, Any] = {
            **self.model.record,
            "black": self.low,
            "white": self.high,
            "ensemble": self.options.ensemble,
            "variance_stabilised": self.stabilizer is not None,
        }
        if self.stabilizer is not None:
            record |= {
                "gain": self.stabilizer.gain,
                "offset": self.stabilizer.offset,
                "read_noise": self.stabilizer.read_noise,
            }
        return record

    def count_tiles(self) -> int:
        """Steps that one plane takes."""
        rows, columns = self.axes.plane_shape[:2]
        passes = self.samples_used // self.model.header.channels
        return passes * self.planes.count_tiles((rows, columns))

    def iter_plane(
        self,
        plane: NDArray[Any],
        guide: NDArray[Any] | None = None,
        where: str = "",
    ) -> Generator[None, None, NDArray[Any]]:
        """Denoise a plane; yields after every tile.

        Parameters
        ----------
        plane : ndarray, shape (Y, X) or (Y, X, S)
            In the image's units and dtype.
        guide : ndarray, shape of `plane`, optional
            In the image's units; replaces the model's own guide.
        where : str
            Names the plane in errors, for example ``" of plane 3"``.

        Returns
        -------
        ndarray, shape of `plane`
            In the image's units and the output dtype. Alpha is as it was.

        Raises
        ------
        InputError
            There are NaN or infinite values and `nan` is ``"raise"``.
        """
        image = self._to_network(self._filled(plane, where))
        if guide is None:
            helper = self._own_guide(image)
        else:
            helper = self._to_network(self._filled(guide, f" of the guide{where}"))
        result = np.empty(image.shape, np.float32)
        step = self.model.header.channels
        for first in range(0, len(image), step):
            part = slice(first, first + step)
            result[part] = yield from self.planes.iter_plane(
                image[part], None if helper is None else helper[part]
            )
        if not np.isfinite(result).all():
            msg = (
                f"the network's result{where} is not finite: the image's values, "
                f"{np.nanmin(plane):g} to {np.nanmax(plane):g}, reach too far beyond "
                f"black {self.low:g} and white {self.high:g}: take outliers away or "
                "give another value_range"
            )
            raise InputError(msg)
        return self._from_network(result, plane)

    def _filled(self, plane: NDArray[Any], where: str) -> NDArray[Any]:
        bad = nonfinite_message(plane, where)
        if bad and self.options.nan == "raise":
            raise InputError(bad)
        return _fill(plane) if bad else plane

    def _to_network(self, plane: NDArray[Any]) -> NDArray[np.float32]:
        """(Y, X[, S]) in image units to (C, Y, X) in [0, 1]."""
        image = (
            plane[..., : self.samples_used].transpose(2, 0, 1)
            if plane.ndim == 3
            else plane[None]
        )
        if self.stabilizer is not None:
            image = self.stabilizer.forward(image)
        # float64 for the difference: 32-bit counts have more digits than float32
        scaled = (image.astype(np.float64) - self.low) / (self.high - self.low)
        with np.errstate(over="ignore"):  # told of when it spoils the result
            return scaled.astype(np.float32)

    def _from_network(
        self, result: NDArray[np.float32], plane: NDArray[Any]
    ) -> NDArray[Any]:
        image: NDArray[Any] = (
            result.astype(np.float64) * (self.high - self.low) + self.low
        )
        if self.stabilizer is not None:
            image = self.stabilizer.inverse(image)
        image = image[0] if plane.ndim == 2 else image.transpose(1, 2, 0)
        out = np.empty(plane.shape, self.dtype)
        out[..., : image.shape[-1]] = cast_values(image, self.dtype)
        if plane.ndim == 3 and plane.shape[-1] > self.samples_used:
            alpha = plane[..., self.samples_used :]
            if alpha.dtype != self.dtype:
                alpha = cast_values(alpha, self.dtype)
            out[..., self.samples_used :] = alpha
        if plane.dtype.kind == "f" and self.dtype.kind == "f":
            bad = ~np.isfinite(plane)
            out[bad] = plane[bad].astype(self.dtype)
        return out

    def _own_guide(self, image: NDArray[np.float32]) -> NDArray[np.float32] | None:
        kind = self.model.header.guide.kind if self.model.header.guide else "network"
        if kind == "network":
            return None
        if kind == "noisy":
            return image
        if kind == "bm3d" and max(image.shape[1:]) < SMALLEST_SIGMA:
            return image
        if kind == "bm3d":
            from napari_gradnet.naive import denoise_plane

            last = np.ascontiguousarray(image.transpose(1, 2, 0))
            rgb = len(image) == 3
            sigma = estimate_noise(last, channel_axis=-1).sigma
            naive = denoise_plane(last if rgb else last[..., 0], "bm3d", sigma)
            return naive.astype(np.float32).reshape(last.shape).transpose(2, 0, 1)
        msg = (
            f"model {self.model.header.name!r} was trained with the clean image as its "
            "guide (an upper bound, not a denoiser): give guide=..."
        )
        raise ModelError(msg)


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


def _fill(plane: NDArray[Any]) -> NDArray[Any]:
    """Replace NaN and infinite values by the nearest finite one."""
    from scipy.ndimage import distance_transform_edt

    bad = ~np.isfinite(plane)
    if bad.all():
        return np.zeros_like(plane)
    if plane.ndim == 3:
        layers = [_fill(plane[..., s]) for s in range(plane.shape[-1])]
        return np.stack(layers, -1)
    nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)
    filled: NDArray[Any] = plane[tuple(nearest)]
    return filled

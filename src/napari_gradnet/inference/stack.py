"""Planes of one image, scaled alike: what is common to a stack is settled once."""

from __future__ import annotations

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
        if self.vst not in ("auto", True, False):
            msg = f"vst={self.vst!r} is unknown: use 'auto', True or False"
            raise InputError(msg)
        if self.tile is not None and self.tile < 1:
            msg = f"tile={self.tile} must be at least 1 pixel"
            raise InputError(msg)
        if self.value_range is not None and not (
            np.isfinite(self.value_range).all()
            and self.value_range[1] > self.value_range[0]
        ):
            msg = f"value_range={self.value_range}: give black first, then white"
            raise InputError(msg)


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
        self.stabilizer = self._stabilizer(np.dtype(dtype), intensities)
        self.low, self.high = self._range(np.dtype(dtype), intensities)

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

    def _stabilizer(
        self, dtype: np.dtype[Any], samples: Sequence[NDArray[Any]]
    ) -> Stabilizer | None:
        vst = self.options.vst
        photo = self.axes.is_rgb and vst == "auto"
        if vst is False or photo or not samples:
            return None
        middle = samples[len(samples) // 2]
        finite = np.where(np.isfinite(middle), middle, np.nanmedian(middle))
        if min(finite.shape[:2]) < 8:
            return None
        estimate = estimate_noise(
            finite.astype(dtype, copy=False),
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
            return float(ends[0]), float(ends[1])
        return robust_range([self.stabilizer.forward(s) for s in samples])

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
        bad = nonfinite_message(plane, where)
        if bad and self.options.nan == "raise":
            raise InputError(bad)
        source = _fill(plane) if bad else plane
        image = self._to_network(source)
        helper = None if guide is None else self._to_network(guide)
        if helper is None:
            helper = self._own_guide(image)
        result = np.empty(image.shape, np.float32)
        step = self.model.header.channels
        for first in range(0, len(image), step):
            part = slice(first, first + step)
            result[part] = yield from self.planes.iter_plane(
                image[part], None if helper is None else helper[part]
            )
        return self._from_network(result, plane)

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
            out[..., self.samples_used :] = cast_values(alpha, self.dtype)
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

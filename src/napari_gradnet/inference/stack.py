"""Planes of one image, scaled alike: what is common to a stack is settled once."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError, ModelError
from napari_gradnet.inference.plane import PlaneDenoiser
from napari_gradnet.inference.scaling import settle_scaling
from napari_gradnet.noise.estimate import estimate_noise
from napari_gradnet.values import (
    cast_values,
    check_dtype,
    nonfinite_message,
    output_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes
    from napari_gradnet.inference.models import Model
    from napari_gradnet.inference.options import StackOptions
    from napari_gradnet.inference.scaling import Scaling
    from napari_gradnet.inference.statistics import PlaneStatistics

__all__ = ["StackDenoiser", "no_guide_message"]

#: Longest side below which no sigma is found, pixels.
SMALLEST_SIGMA = 3


def no_guide_message(model: Model) -> str:
    """Say that a model has no use for a guide."""
    return f"model {model.header.name!r} takes no guide: leave it out"


class StackDenoiser:
    """Denoises the planes of one image with one scaling.

    Parameters
    ----------
    model : Model
    axes : ImageAxes
        Of the image.
    dtype : numpy.dtype
        Of the image.
    samples : mapping of int to sequence of ndarray
        For each channel ``YX`` or ``YXS`` planes, or parts of them, that stand for it.
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
        samples: Mapping[int, Sequence[NDArray[Any]]],
        options: StackOptions,
    ) -> None:
        if options.vst == "auto" and not model.header.stabilise:
            options = dataclasses.replace(options, vst=False)
        self.model = model
        self.axes = axes
        self.options = options
        self.dtype = output_dtype(options.dtype, check_dtype(dtype))
        self.samples_used = self._check_channels()
        if options.guide is not None and not model.pipeline.is_guided:
            raise InputError(no_guide_message(model))
        self.planes = PlaneDenoiser(model, tile=options.tile, ensemble=options.ensemble)
        self.scalings = {
            channel: settle_scaling(
                [p[..., :3] if axes.is_rgb else p for p in planes],
                np.dtype(dtype),
                options,
                rgb=axes.is_rgb,
            )
            for channel, planes in samples.items()
        }

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

    @property
    def record(self) -> dict[str, Any]:
        """How the image is denoised, for its history."""
        scalings = [scaling.record for _, scaling in sorted(self.scalings.items())]
        record: dict[str, Any] = {
            **self.model.record,
            "ensemble": self.planes.views > 1,
        }
        if len(scalings) == 1:
            return record | scalings[0]
        return record | {"channels": scalings}

    def count_tiles(self) -> int:
        """Steps that one plane takes."""
        rows, columns = self.axes.plane_shape[:2]
        return len(self.passes) * self.planes.count_tiles((rows, columns))

    def iter_plane(
        self,
        plane: NDArray[Any],
        guide: NDArray[Any] | None = None,
        *,
        number: int = 0,
        statistics: PlaneStatistics | None = None,
    ) -> Generator[None, None, NDArray[Any]]:
        """Denoise a plane, or a part of one; yields after every tile.

        Parameters
        ----------
        plane : ndarray, shape (Y, X) or (Y, X, S)
            In the image's units and dtype.
        guide : ndarray, shape of `plane`, optional
            In the image's units; replaces the model's own guide.
        number : int
            Of the plane in the image, which says its channel.
        statistics : sequence, optional
            Of the whole plane, where `plane` is a part of it: see `iter_statistics`.

        Returns
        -------
        ndarray, shape of `plane`
            In the image's units and the output dtype. Alpha is as it was.

        Raises
        ------
        InputError
            There are NaN or infinite values and `nan` is ``"raise"``.
        """
        image, helper = self.prepare_part(plane, guide, number=number)
        result = np.empty(image.shape, np.float32)
        for turn, part in enumerate(self.passes):
            result[part] = yield from self.planes.iter_plane(
                image[part],
                None if helper is None else helper[part],
                None if statistics is None else statistics[turn],
            )
        return self.restore_part(result, plane, number=number)

    @property
    def guide_kind(self) -> str:
        """What guides where no image does: see `bundle.GuideHeader`."""
        header = self.model.header
        return self.options.guide or (header.guide.kind if header.guide else "network")

    @property
    def passes(self) -> list[slice]:
        """Channels of `prepare_part` that go through the network together."""
        step = self.model.header.channels
        return [slice(k, k + step) for k in range(0, self.samples_used, step)]

    def prepare_part(
        self,
        plane: NDArray[Any],
        guide: NDArray[Any] | None = None,
        *,
        number: int = 0,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Make what the network sees of a plane, or of a part of one.

        Parameters
        ----------
        plane, guide, number
            See `iter_plane`.

        Returns
        -------
        image : ndarray, shape (C, Y, X)
            Scaled, without alpha.
        guide : ndarray, shape of `image`, or None
            None where the network makes its own or takes none.

        Raises
        ------
        InputError
            See `iter_plane`.
        """
        where = self._name_plane(number)
        scaling = self.scalings[self.axes.channel_of(number)]
        image = scaling.forward(self._channels_first(self._filled(plane, where)))
        if guide is None:
            return image, self._own_guide(image)
        filled = self._filled(guide, f" of the guide{where}")
        return image, scaling.forward(self._channels_first(filled))

    def restore_part(
        self, result: NDArray[np.float32], plane: NDArray[Any], *, number: int = 0
    ) -> NDArray[Any]:
        """Bring what the network gave back to the image's units and layout.

        Parameters
        ----------
        result : ndarray, shape (C, Y, X)
            Scaled as `prepare_part` did.
        plane : ndarray
            The noisy plane or part: alpha and what is not finite come from it.
        number : int
            See `iter_plane`.

        Returns
        -------
        ndarray, shape of `plane`
            Of the output dtype.

        Raises
        ------
        InputError
            The result is not finite.
        """
        scaling = self.scalings[self.axes.channel_of(number)]
        if not np.isfinite(result).all():
            where = self._name_plane(number)
            msg = (
                f"the network's result{where} is not finite: the image's values, "
                f"{np.nanmin(plane):g} to {np.nanmax(plane):g}, reach too far beyond "
                f"black and white ({scaling.low:g}, {scaling.high:g}): take outliers "
                "away or give another value_range"
            )
            raise InputError(msg)
        return self._merge(result, plane, scaling)

    def with_model(self, model: Model) -> StackDenoiser:
        """The same with another copy of the network, for another thread."""
        own = copy.copy(self)
        own.model = model
        own.planes = copy.copy(self.planes)
        own.planes.model = model
        return own

    def _name_plane(self, number: int) -> str:
        return f" of plane {number}" if self.axes.num_planes > 1 else ""

    def _filled(self, plane: NDArray[Any], where: str) -> NDArray[Any]:
        bad = nonfinite_message(plane, where)
        if bad and self.options.nan == "raise":
            raise InputError(bad)
        return _fill(plane) if bad else plane

    def _channels_first(self, plane: NDArray[Any]) -> NDArray[Any]:
        """(Y, X[, S]) to (C, Y, X), without alpha."""
        if plane.ndim == 2:
            return plane[None]
        return plane[..., : self.samples_used].transpose(2, 0, 1)

    def _merge(
        self, result: NDArray[np.float32], plane: NDArray[Any], scaling: Scaling
    ) -> NDArray[Any]:
        """Restore a result (C, Y, X) and put back what is none of its business."""
        image = result[0] if plane.ndim == 2 else result.transpose(1, 2, 0)
        out = np.empty(plane.shape, self.dtype)
        scaling.restore(image, out[..., : image.shape[-1]])
        if plane.ndim == 3 and plane.shape[-1] > self.samples_used:
            alpha = plane[..., self.samples_used :]
            if alpha.dtype != self.dtype:
                if self.dtype.kind != "f" and not np.isfinite(alpha).all():
                    alpha = _fill(alpha)
                alpha = cast_values(alpha, self.dtype)
            out[..., self.samples_used :] = alpha
        if plane.dtype.kind == "f" and self.dtype.kind == "f":
            bad = ~np.isfinite(plane)
            out[bad] = plane[bad].astype(self.dtype)
        return out

    def _own_guide(self, image: NDArray[np.float32]) -> NDArray[np.float32] | None:
        kind = self.guide_kind
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

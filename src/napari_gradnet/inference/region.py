"""A part of an image, denoised as it is in the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.events import drain
from napari_gradnet.inference.denoise import (
    as_array,
    check_guide,
    check_out,
    prepare_stack,
    run_stack,
)
from napari_gradnet.inference.models import Model, choose_model, open_model
from napari_gradnet.inference.options import StackOptions
from napari_gradnet.inference.samples import sample_planes
from napari_gradnet.region import check_region, inner, widen

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.events import Event, OnEvent
    from napari_gradnet.inference.options import NanPolicy, Vst
    from napari_gradnet.inference.precision import Precision
    from napari_gradnet.region import Region

__all__ = ["denoise_region", "iter_denoise_region"]


def iter_denoise_region(  # noqa: PLR0913 - the options of `denoise`
    image: Any,
    region: Sequence[slice],
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool = False,
    guide: Any = None,
    dtype: str = "same",
    vst: Vst = "auto",
    nan: NanPolicy = "raise",
    value_range: tuple[float, float] | None = None,
    out: NDArray[Any] | None = None,
) -> Generator[Event, None, NDArray[Any]]:
    """Do the work of `denoise_region` as a generator of `Progress` events."""
    array = as_array(image)
    whole, _ = resolve_axes(array.shape, axes)
    region = check_region(region, whole.shape)
    kind: Any = guide if isinstance(guide, str) else None
    guide = None if kind else guide
    options = StackOptions(tile, ensemble, vst, nan, dtype, value_range, kind)
    if not isinstance(model, Model):
        if model == "auto":
            model = choose_model(rgb=whole.is_rgb)
        model = open_model(model, device=device, precision=precision)
    helper = None if guide is None else check_guide(guide, array, model)
    pipeline = model.pipeline
    margin = widen(region, whole, pipeline.receptive_radius, pipeline.alignment)
    kept = inner(region, margin)
    part = ImageAxes(whole.axes, _lengths(margin))
    samples = _sample_channels(array, whole, region)
    stack, _ = prepare_stack(
        part, np.dtype(array.dtype), samples, model, options=options
    )
    target = ImageAxes(whole.axes, _lengths(region))
    result = check_out(out, target.shape, stack)
    sources = [_moved(index, margin) for index in part.iter_planes()]
    goals = list(target.iter_planes())
    frame = tuple(s for s, a in zip(kept, whole.axes, strict=True) if a in "YXS")

    def read(number: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        index = sources[number]
        plane = part.to_plane(np.asarray(array[index]))
        if helper is None:
            return plane, None
        return plane, part.to_plane(np.asarray(helper[index]))

    def write(number: int, plane: NDArray[Any]) -> None:
        result[goals[number]] = part.from_plane(plane)[frame]

    yield from run_stack(stack, read, write)
    return result


def _lengths(region: Region) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in region)


def _moved(index: tuple[int | slice, ...], region: Region) -> tuple[int | slice, ...]:
    """Index into the whole image for one into a part of it."""
    return tuple(
        part.start + i if isinstance(i, int) else part
        for i, part in zip(index, region, strict=True)
    )


def _sample_channels(
    array: Any, axes: ImageAxes, region: Region
) -> dict[int, list[NDArray[Any]]]:
    """Planes of the whole image that stand for the channels of a part of it."""
    at = axes.axes.find("C")
    window = tuple(
        region[d] if d == at else slice(0, n) for d, n in enumerate(axes.shape)
    )
    part = ImageAxes(axes.axes, _lengths(window))
    indices = [_moved(index, window) for index in part.iter_planes()]
    return sample_planes(
        lambda number: part.to_plane(np.asarray(array[indices[number]])), part
    )


def denoise_region(  # noqa: PLR0913 - the options of `denoise`
    image: Any,
    region: Sequence[slice],
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool = False,
    guide: Any = None,
    dtype: str = "same",
    vst: Vst = "auto",
    nan: NanPolicy = "raise",
    value_range: tuple[float, float] | None = None,
    out: NDArray[Any] | None = None,
    on_event: OnEvent | None = None,
) -> NDArray[Any]:
    """Denoise a part of an image as `denoise` would in the whole.

    The network sees a margin around the part; black, white and the noise are those of
    the whole image. Networks with channel attention take their statistics from the
    part.

    Parameters
    ----------
    image : array, 2 to 5 dimensions
        The whole image: numpy, dask or zarr. No more of it is read than a few planes
        that stand for all, and the part.
    region : sequence of slice
        One a dimension of `image`.
    model, axes, device, precision, tile, ensemble, dtype, vst, nan, value_range
        See `denoise`.
    guide : array, shape of `image`, or str, optional
        See `denoise`.
    out : ndarray, shape of the part, optional
        Takes the result plane by plane; what is finished survives a cancellation.
    on_event : callable, optional
        Called with a `Progress` event after every tile. An exception that it raises
        cancels the work.

    Returns
    -------
    ndarray, shape of the part
        In the units of `image`.

    Raises
    ------
    InputError, ModelError, DeviceError
        As `denoise`; also when `region` is no part of the image.
    """
    work = iter_denoise_region(
        image,
        region,
        model,
        axes=axes,
        device=device,
        precision=precision,
        tile=tile,
        ensemble=ensemble,
        guide=guide,
        dtype=dtype,
        vst=vst,
        nan=nan,
        value_range=value_range,
        out=out,
    )
    return drain(work, on_event)

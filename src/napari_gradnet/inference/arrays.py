"""Arrays of 2 to 5 dimensions, whole or a part of one, plane by plane."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.errors import InputError
from napari_gradnet.inference.run import run_stack
from napari_gradnet.inference.stack import StackDenoiser, no_guide_message
from napari_gradnet.region import check_region, inner, widen
from napari_gradnet.samples import sample_planes
from napari_gradnet.values import check_dtype

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.events import Event
    from napari_gradnet.inference.models import Model
    from napari_gradnet.inference.options import StackOptions
    from napari_gradnet.inference.run import Guided, ModelChoice
    from napari_gradnet.region import Region
    from napari_gradnet.samples import Samples

__all__ = ["iter_denoise_array"]

logger = logging.getLogger(__name__)


def iter_denoise_array(
    image: Any,
    model: ModelChoice,
    options: StackOptions,
    *,
    region: Sequence[slice] | None = None,
    axes: str | None = None,
    guide: Any = None,
    out: NDArray[Any] | None = None,
) -> Generator[Event, None, NDArray[Any]]:
    """Denoise an array, or a part of it as it is in the whole.

    Parameters
    ----------
    image : array, 2 to 5 dimensions
        The whole image.
    model : ModelChoice
        Opened here.
    options : StackOptions
        Its `guide` gives way to the argument where that is a text.
    region : sequence of slice, optional
        The part that is wanted; see `denoise_region`.
    axes, guide, out
        See `denoise`.

    Yields
    ------
    Progress
        One a tile.

    Returns
    -------
    ndarray, shape of the part
    """
    array = as_array(image)
    whole, guessed = resolve_axes(array.shape, axes)
    if guessed:
        logger.warning("%s", guessed)
    wanted = check_region(
        [slice(None)] * len(whole.shape) if region is None else region, whole.shape
    )
    dtype = check_dtype(array.dtype)
    if isinstance(guide, str):
        kind: Any = guide
        options, guide = dataclasses.replace(options, guide=kind), None
    opened, chosen = model.open(whole, dtype)
    helper = None if guide is None else check_guide(guide, array, opened)
    pipeline = opened.pipeline
    margin = widen(wanted, whole, pipeline.receptive_radius, pipeline.alignment)
    part = ImageAxes(whole.axes, _lengths(margin))
    target = ImageAxes(whole.axes, _lengths(wanted))
    samples = _sample_channels(array, whole, wanted)
    stack = StackDenoiser(opened, part, dtype, samples, options)
    del samples
    result = check_out(out, target.shape, stack)
    sources = [_moved(index, margin) for index in part.iter_planes()]
    goals = list(target.iter_planes())
    kept = inner(wanted, margin)
    frame = tuple(s for s, a in zip(kept, whole.axes, strict=True) if a in "YXS")

    def read_at(index: tuple[int | slice, ...]) -> Guided:
        plane = part.to_plane(np.asarray(array[index]))
        if helper is None:
            return plane, None
        return plane, part.to_plane(np.asarray(helper[index]))

    def read(number: int) -> Guided:
        return read_at(sources[number])

    windows = _windows(stack, part, whole, guided=helper is not None)

    def read_windows(number: int) -> list[Guided]:
        at = [whole.axes.index(letter) for letter in "YX"]
        places = []
        for window in windows:
            place = list(sources[number])
            for dimension, side in zip(at, window, strict=True):
                place[dimension] = side
            places.append(tuple(place))
        return [read_at(place) for place in places]

    def write(number: int, plane: NDArray[Any]) -> None:
        result[goals[number]] = part.from_plane(plane)[frame]

    message = "; ".join(m for m in (guessed, chosen) if m)
    shared = read_windows if windows else None
    yield from run_stack(stack, read, write, message, shared)
    return result


def _windows(
    stack: StackDenoiser, part: ImageAxes, whole: ImageAxes, *, guided: bool
) -> list[tuple[slice, slice]]:
    """Windows of a plane whose statistics its parts share.

    None for a whole plane, nor where BM3D makes the guide: it would have to see it.
    """
    bm3d = stack.guide_kind == "bm3d" and not guided
    if bm3d or part.plane_shape == whole.plane_shape:
        return []
    rows, columns = whole.plane_shape[:2]
    return stack.planes.statistics_windows((rows, columns))


class ArrayLike(Protocol):
    """What an image must have: numpy, dask and zarr arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""

    @property
    def dtype(self) -> Any:
        """Kind of the values."""

    def __getitem__(self, index: Any) -> Any:
        """Part of the array."""


def as_array(image: Any) -> ArrayLike:
    """Check that an image is an array of numbers; nothing is copied or read."""
    if not (hasattr(image, "shape") and hasattr(image, "dtype")):
        try:
            return np.asarray(image)
        except ValueError as error:
            msg = f"a {type(image).__name__} that is no array of numbers: {error}"
            raise InputError(msg) from error
    try:
        np.dtype(image.dtype)
    except TypeError as error:
        msg = (
            f"the image is a {type(image).__name__} of {image.dtype}: give a numpy, "
            "dask or zarr array"
        )
        raise InputError(msg) from error
    return image


def check_guide(guide: Any, array: ArrayLike, model: Model) -> ArrayLike:
    """Check that a guide fits an image and its model."""
    if not model.pipeline.is_guided:
        raise InputError(no_guide_message(model))
    helper = as_array(guide)
    try:
        check_dtype(helper.dtype)
    except InputError as error:
        msg = f"the guide: {error}"
        raise InputError(msg) from error
    if tuple(helper.shape) != tuple(array.shape):
        msg = (
            f"the guide has shape {tuple(helper.shape)}, the image "
            f"{tuple(array.shape)}: give one guide pixel for each image pixel"
        )
        raise InputError(msg)
    return helper


def check_out(
    out: NDArray[Any] | None, shape: tuple[int, ...], stack: StackDenoiser
) -> NDArray[Any]:
    """Check the array for the result, or make one."""
    if out is None:
        return np.empty(shape, stack.dtype)
    if out.shape != shape or out.dtype != stack.dtype:
        msg = (
            f"out has shape {out.shape} and dtype {out.dtype}, the result will have "
            f"{shape} and {stack.dtype}"
        )
        raise InputError(msg)
    return out


def _lengths(region: Region) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in region)


def _moved(index: tuple[int | slice, ...], region: Region) -> tuple[int | slice, ...]:
    """Index into the whole image for one into a part of it."""
    return tuple(
        part.start + i if isinstance(i, int) else part
        for i, part in zip(index, region, strict=True)
    )


def _sample_channels(array: Any, axes: ImageAxes, region: Region) -> Samples:
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

"""Arrays of 2 to 5 dimensions, plane by plane."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.errors import InputError
from napari_gradnet.events import Event, OnEvent, Progress, drain
from napari_gradnet.inference.models import Model, choose_model, open_model
from napari_gradnet.inference.options import StackOptions
from napari_gradnet.inference.samples import sample_planes
from napari_gradnet.inference.stack import StackDenoiser, no_guide_message
from napari_gradnet.values import check_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.inference.options import NanPolicy, Vst
    from napari_gradnet.inference.precision import Precision
    from napari_gradnet.inference.samples import Samples

    ReadPlane = Callable[[int], tuple[NDArray[Any], NDArray[Any] | None]]

__all__ = [
    "as_array",
    "check_guide",
    "check_out",
    "denoise",
    "iter_denoise",
    "prepare_stack",
    "run_stack",
]

logger = logging.getLogger(__name__)


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


def prepare_stack(
    axes: ImageAxes,
    dtype: np.dtype[Any],
    samples: Samples,
    model: str | Path | Model,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    options: StackOptions,
) -> tuple[StackDenoiser, str]:
    """Open the model and settle the scaling.

    Returns
    -------
    StackDenoiser
    str
        A sentence about a model that was chosen; empty when it was named.
    """
    check_dtype(dtype)
    message = ""
    if isinstance(model, str) and model == "auto":
        model = choose_model(rgb=axes.is_rgb)
        kind = "colour" if axes.is_rgb else "grey"
        message = f"model {model!r} chosen for {kind} images"
    if not isinstance(model, Model):
        model = open_model(model, device=device, precision=precision)
    return StackDenoiser(model, axes, dtype, samples, options), message


def run_stack(
    stack: StackDenoiser,
    read: ReadPlane,
    write: Callable[[int, NDArray[Any]], None],
    message: str = "",
) -> Generator[Progress, None, None]:
    """Denoise all planes of an image, one after the other.

    Parameters
    ----------
    stack : StackDenoiser
        The model and the scaling.
    read : callable
        Plane number to the plane and its guide (or None), both in ``YX(S)`` order.
    write : callable
        Takes a plane's number and the denoised plane.
    message : str
        For the first event.

    Yields
    ------
    Progress
        One a tile.
    """
    count = stack.axes.num_planes
    total = count * stack.count_tiles()
    done = 0
    yield Progress(0, total, "tile", message)
    for number in range(count):
        work = stack.iter_plane(*read(number), number=number)
        while True:
            try:
                next(work)
            except StopIteration as stop:
                write(number, stop.value)
                break
            done += 1
            # tiles that were halved for want of memory count for one
            yield Progress(min(done, total), total, "tile")


def iter_denoise(  # noqa: PLR0913 - the options of `denoise`
    image: Any,
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
    """Do the work of `denoise` as a generator of `Progress` events, one a tile.

    Closing the generator cancels the work within one tile. Planes that are finished
    stand in `out` by then.
    """
    array = as_array(image)
    checked, guessed = resolve_axes(array.shape, axes)
    kind: Any = guide if isinstance(guide, str) else None
    guide = None if kind else guide
    options = StackOptions(tile, ensemble, vst, nan, dtype, value_range, kind)
    indices = list(checked.iter_planes())
    samples = sample_planes(
        lambda number: checked.to_plane(np.asarray(array[indices[number]])), checked
    )
    stack, chosen = prepare_stack(
        checked,
        np.dtype(array.dtype),
        samples,
        model,
        device=device,
        precision=precision,
        options=options,
    )
    message = "; ".join(m for m in (guessed, chosen) if m)
    if guessed:
        logger.warning("%s", guessed)
    del samples
    helper = None if guide is None else check_guide(guide, array, stack.model)
    result = check_out(out, checked.shape, stack)

    def read(number: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        index = indices[number]
        plane = checked.to_plane(np.asarray(array[index]))
        if helper is None:
            return plane, None
        return plane, checked.to_plane(np.asarray(helper[index]))

    def write(number: int, plane: NDArray[Any]) -> None:
        result[indices[number]] = checked.from_plane(plane)

    yield from run_stack(stack, read, write, message)
    return result


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


def denoise(  # noqa: PLR0913 - one option a line, all but two by name
    image: Any,
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
    """Denoise an image or a stack with a trained network.

    Parameters
    ----------
    image : array, 2 to 5 dimensions
        numpy, dask or zarr; integers or floating point, any units. Planes are read one
        at a time.
    model : str or Path
        ``"auto"`` (by colour or grey), a packaged model's name (`list_models`) or a
        model file.
    axes : str, optional
        One letter a dimension, for example ``"TZCYX"`` or ``"YXS"`` (S: the samples of
        RGB or RGBA). Guessed from the shape when not given, and said so.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of the convolutions. ``auto`` takes a 16-bit type where the hardware gains from
        it and the model's header records a loss below 0.01 dB.
    tile : int, optional
        Largest side of a tile, pixels; from the free memory when not given. The result
        does not depend on it.
    ensemble : bool
        Average the results of 8 flips and rotations: a little better, 8 times slower.
    guide : array, shape of `image`, or {"bm3d", "noisy"}, optional
        In the units of `image`. The gradient of this image is fused instead of that of
        the model's own naive denoiser. ``"bm3d"`` denoises with BM3D, ``"noisy"`` takes
        the image as it is.
    dtype : str
        ``"same"`` rounds and saturates to the input's dtype; ``"float32"`` keeps all.
    vst : bool or "auto"
        Stabilise the variance of counts with the generalised Anscombe transform before
        the network, and invert it exactly; ``auto`` where the noise depends on the
        signal. Colour photos are left as they are by ``auto``.
    nan : {"raise", "keep"}
        Refuse NaN and infinity, or fill them from the nearest pixel for the network and
        put them back.
    value_range : (float, float), optional
        Black and white in the units of `image`. By default 0 and 255 for uint8, else
        the percentiles 0.1 and 99.9 of the whole image. Nothing is clipped to it.
    out : ndarray, shape of `image`, optional
        Takes the result plane by plane; what is finished survives a cancellation.
    on_event : callable, optional
        Called with a `Progress` event after every tile. An exception that it raises
        cancels the work.

    Returns
    -------
    ndarray, shape of `image`
        In the units of `image`.

    Raises
    ------
    InputError
        The image is empty, has fewer than 2 dimensions, holds NaN, or an option is
        wrong.
    ModelError
        The model is unknown, damaged or does not fit the image's channels.
    DeviceError
        The device is absent or out of memory.

    References
    ----------
    Y. Liu, S. Anwar, L. Zheng, Q. Tian, "GradNet Image Denoising", CVPR Workshops 2020.
    """
    work = iter_denoise(
        image,
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

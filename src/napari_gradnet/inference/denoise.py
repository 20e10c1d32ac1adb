"""What users call: every option by name. `arrays` does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.events import drain
from napari_gradnet.inference.arrays import iter_denoise_array
from napari_gradnet.inference.options import StackOptions
from napari_gradnet.inference.run import ModelChoice

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.events import Event, OnEvent
    from napari_gradnet.inference.models import Model
    from napari_gradnet.inference.options import NanPolicy, Vst
    from napari_gradnet.inference.precision import Precision

__all__ = ["denoise", "denoise_region", "iter_denoise", "iter_denoise_region"]


def denoise(  # noqa: PLR0913 - one option a line, all but two by name
    image: Any,
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool | None = None,
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
    model : str, Path or Model
        ``"auto"`` (by colour, grey or counts), a packaged model's name (`list_models`),
        a model file, or what `open_model` gave.
    axes : str, optional
        One letter a dimension, for example ``"TZCYX"`` or ``"YXS"`` (S: the samples of
        RGB or RGBA). Guessed from the shape when not given, and said so.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Of the convolutions. ``auto`` takes a 16-bit type where the hardware gains from
        it and the model's header records a loss below 0.02 dB.
    tile : int, optional
        Largest side of a tile, pixels; from the free memory when not given. The result
        does not depend on it.
    ensemble : bool, optional
        Average the results of 8 flips and rotations: 0.1 dB better, 8 times slower.
        As the model says when not given: ``gradnet-color`` does so.
    guide : array, shape of `image`, or {"bm3d", "noisy"}, optional
        In the units of `image`. The gradient of this image is fused instead of that of
        the model's own naive denoiser. ``"bm3d"`` denoises with BM3D, ``"noisy"`` takes
        the image as it is.
    dtype : str
        ``"same"`` rounds and saturates to the input's dtype; ``"float32"`` keeps all.
    vst : bool or "auto"
        Stabilise the variance of counts with the generalised Anscombe transform before
        the network, and invert it exactly; ``auto`` where the noise depends on the
        signal and the model was not trained on counts as they are (the packaged grey
        ones were, but for ``dncnn-gray``). ``auto`` leaves colour photos as they are.
    nan : {"raise", "keep"}
        Refuse NaN and infinity, or fill them from the nearest pixel for the network and
        put them back.
    value_range : (float, float), optional
        Black and white in the units of `image`. By default 0 and 255 for uint8, but
        for grey images that hardly reach 64, else the percentiles 0.1 and 99.9 of the
        whole image. Nothing is clipped to it.
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
    work = iter_denoise_array(
        image,
        ModelChoice(model, device, precision),
        StackOptions(tile, ensemble, vst, nan, dtype, value_range),
        axes=axes,
        guide=guide,
        out=out,
    )
    return drain(work, on_event)


def iter_denoise(  # noqa: PLR0913 - the options of `denoise`
    image: Any,
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool | None = None,
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
    return (
        yield from iter_denoise_array(
            image,
            ModelChoice(model, device, precision),
            StackOptions(tile, ensemble, vst, nan, dtype, value_range),
            axes=axes,
            guide=guide,
            out=out,
        )
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
    ensemble: bool | None = None,
    guide: Any = None,
    dtype: str = "same",
    vst: Vst = "auto",
    nan: NanPolicy = "raise",
    value_range: tuple[float, float] | None = None,
    out: NDArray[Any] | None = None,
    on_event: OnEvent | None = None,
) -> NDArray[Any]:
    """Denoise a part of an image as `denoise` would in the whole.

    The network sees a margin around the part; black, white, the noise and the
    statistics of channel attention are those of the whole image. A guide by BM3D sees
    the part alone.

    Parameters
    ----------
    image : array, 2 to 5 dimensions
        The whole image: numpy, dask or zarr. No more of it is read than a few planes
        that stand for all, and the part; for channel attention also its plane, or parts
        of that where it is larger than 2**20 pixels.
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
    work = iter_denoise_array(
        image,
        ModelChoice(model, device, precision),
        StackOptions(tile, ensemble, vst, nan, dtype, value_range),
        region=region,
        axes=axes,
        guide=guide,
        out=out,
    )
    return drain(work, on_event)


def iter_denoise_region(  # noqa: PLR0913 - the options of `denoise`
    image: Any,
    region: Sequence[slice],
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool | None = None,
    guide: Any = None,
    dtype: str = "same",
    vst: Vst = "auto",
    nan: NanPolicy = "raise",
    value_range: tuple[float, float] | None = None,
    out: NDArray[Any] | None = None,
) -> Generator[Event, None, NDArray[Any]]:
    """Do the work of `denoise_region` as a generator of `Progress` events."""
    return (
        yield from iter_denoise_array(
            image,
            ModelChoice(model, device, precision),
            StackOptions(tile, ensemble, vst, nan, dtype, value_range),
            region=region,
            axes=axes,
            guide=guide,
            out=out,
        )
    )

"""Files in, files out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_gradnet.batch.operations import plane_gradient
from napari_gradnet.events import OnEvent, drain
from napari_gradnet.inference.files import iter_denoise_file, iter_map_file
from napari_gradnet.inference.naive import naive_denoise
from napari_gradnet.inference.options import NanPolicy, StackOptions, Vst
from napari_gradnet.naive import settle_channels
from napari_gradnet.noise.stabilize import Stabilizer
from napari_gradnet.samples import sample_planes
from napari_gradnet.values import output_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.gradient import GradientKind
    from napari_gradnet.inference.models import Model
    from napari_gradnet.inference.precision import Precision
    from napari_gradnet.io import ImageSource

    AnyPath = str | os.PathLike[str]

__all__ = ["denoise_file", "gradient_file", "naive_denoise_file"]


def denoise_file(  # noqa: PLR0913 - one option a line, all but three by name
    path: AnyPath,
    output: AnyPath,
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool | None = None,
    dtype: str = "same",
    vst: Vst = "auto",
    nan: NanPolicy = "raise",
    value_range: tuple[float, float] | None = None,
    overwrite: bool = False,
    on_event: OnEvent | None = None,
) -> str:
    """Denoise an image file, plane by plane, into a file of the same kind.

    Axes, pixel size, units, channel names, colours and time steps are kept, and what
    was done is recorded in the file. It appears under its name only when it is whole.

    Parameters
    ----------
    path, output : path
        TIFF (ImageJ, OME, BigTIFF, ...), PNG or JPEG.
    model, axes, device, precision, tile, ensemble, dtype, vst, nan, value_range
        See `denoise`.
    overwrite : bool
        Replace an existing output (never the input).
    on_event : callable, optional
        Called with a `Progress` event after every tile; raising in it cancels.

    Returns
    -------
    str
        What was guessed or left out on reading, and what could not be kept in the
        output; mostly empty.

    Raises
    ------
    FileFormatError
        The input cannot be read or the output not be written.
    InputError, ModelError, DeviceError
        See `denoise`.
    """
    work = iter_denoise_file(
        path,
        output,
        model,
        axes=axes,
        device=device,
        precision=precision,
        options=StackOptions(tile, ensemble, vst, nan, dtype, value_range),
        overwrite=overwrite,
    )
    return drain(work, on_event)


def naive_denoise_file(
    path: AnyPath,
    output: AnyPath,
    method: str = "bm3d",
    *,
    axes: str | None = None,
    dtype: Literal["same", "float32"] = "same",
    overwrite: bool = False,
    on_event: OnEvent | None = None,
    **options: Any,
) -> str:
    """Denoise a file with a classical method, plane by plane.

    The noise of each channel is estimated once, from at most 16 of its planes.

    Parameters
    ----------
    path, output, axes, overwrite, on_event
        See `denoise_file`.
    method : str
        See `naive_denoise`.
    dtype : {"same", "float32"}
        Of the output.
    **options
        Other options of `naive_denoise`: `sigma`, `sigma_factor`, `vst`, `workers`.

    Returns
    -------
    str
        What was guessed or left out on reading, and what could not be kept in the
        output; mostly empty.
    """

    def make_function(source: ImageSource) -> Callable[..., NDArray[Any]]:
        axes = source.axes
        noise = _channel_noise(source, options)

        def function(plane: NDArray[Any], number: int) -> NDArray[Any]:
            known = noise.get(axes.channel_of(number), {})
            return naive_denoise(
                plane,
                method,
                axes=axes.plane_axes,
                dtype=dtype,
                **{**options, **known},
            )

        return function

    work = iter_map_file(
        path,
        output,
        make_function,
        dtype=None if dtype == "same" else output_dtype(dtype, "float32"),
        record={"operation": "naive_denoise", "method": method, **options},
        axes=axes,
        overwrite=overwrite,
    )
    return drain(work, on_event)


def _channel_noise(
    source: ImageSource, options: Mapping[str, Any]
) -> dict[int, dict[str, Any]]:
    """Estimate each channel's noise once for the whole file, unless sigma is given."""
    vst = options.get("vst", "auto")
    if options.get("sigma") is not None or isinstance(vst, Stabilizer):
        return {}
    samples = sample_planes(source.read_plane, source.axes)
    return settle_channels(samples, rgb=source.axes.is_rgb, vst=vst)


def gradient_file(
    path: AnyPath,
    output: AnyPath,
    kind: GradientKind = "magnitude",
    *,
    axes: str | None = None,
    overwrite: bool = False,
    on_event: OnEvent | None = None,
) -> str:
    """Write the Sobel gradient of every plane of a file, as float32.

    Alpha passes through.

    Parameters
    ----------
    path, output, axes, overwrite, on_event
        See `denoise_file`. The output must be a TIFF.
    kind : {"magnitude", "horizontal", "vertical", "orientation"}
        See `gradient`.

    Returns
    -------
    str
        What was guessed or left out on reading, and what could not be kept in the
        output; mostly empty.
    """

    def function(plane: NDArray[Any], _: int) -> NDArray[Any]:
        return plane_gradient(plane, kind)

    work = iter_map_file(
        path,
        output,
        lambda _: function,
        dtype="float32",
        record={"operation": "gradient", "kind": kind},
        axes=axes,
        overwrite=overwrite,
    )
    return drain(work, on_event)

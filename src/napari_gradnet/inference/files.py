"""Image files: read plane by plane, denoise, write under a temporary name, rename."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.events import Event, Progress
from napari_gradnet.inference.record import processing_record
from napari_gradnet.inference.run import ModelChoice, run_stack
from napari_gradnet.inference.stack import StackDenoiser
from napari_gradnet.io import ImageSource, create_like, join_messages, open_image
from napari_gradnet.samples import sample_planes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.inference.models import Model
    from napari_gradnet.inference.options import StackOptions
    from napari_gradnet.inference.precision import Precision

    MapPlane = Callable[[NDArray[Any], int], NDArray[Any]]

__all__ = ["iter_denoise_file", "iter_map_file"]


def iter_denoise_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | Path | Model = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    options: StackOptions,
    overwrite: bool = False,
) -> Generator[Event, None, str]:
    """Denoise a file into another one of the same kind.

    Parameters
    ----------
    path, output : path
        TIFF, PNG or JPEG. The suffix of `output` decides between them.
    model : str, Path or Model
        See `denoise`, also for the other options.
    axes : str, optional
        Where the file's own are missing or wrong.
    device, precision : str
        See `denoise`.
    options : StackOptions
        The rest of `denoise`'s options.
    overwrite : bool
        Replace an existing output.

    Yields
    ------
    Progress
        One a tile.

    Returns
    -------
    str
        What was guessed or left out on reading, and what could not be kept; mostly
        empty.

    Raises
    ------
    GradNetError
        Input, model or output cannot be used; nothing stands under `output` then.
    """
    with open_image(path, axes=axes) as source:
        samples = sample_planes(source.read_plane, source.axes)
        opened, chosen = ModelChoice(model, device, precision).open(
            source.axes, source.dtype
        )
        stack = StackDenoiser(opened, source.axes, source.dtype, samples, options)
        del samples
        record = processing_record(operation="denoise", **stack.record)
        writer = create_like(
            source, output, dtype=stack.dtype, record=record, overwrite=overwrite
        )

        def read(number: int) -> tuple[NDArray[Any], None]:
            return source.read_plane(number), None

        def write(_: int, plane: NDArray[Any]) -> None:
            out.write_plane(plane)

        message = join_messages(source.message, chosen)
        with writer as out:
            yield from run_stack(stack, read, write, message)
        return join_messages(source.message, out.message)


def iter_map_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    make_function: Callable[[ImageSource], MapPlane],
    *,
    dtype: Any,
    record: dict[str, Any],
    axes: str | None = None,
    overwrite: bool = False,
) -> Generator[Event, None, str]:
    """Apply a function to every plane of a file; otherwise as `iter_denoise_file`.

    `make_function` gets the open file and gives a function of a plane and its number.
    """
    with open_image(path, axes=axes) as source:
        function = make_function(source)
        writer = create_like(
            source,
            output,
            dtype=source.dtype if dtype is None else dtype,
            record=processing_record(**record),
            overwrite=overwrite,
        )
        with writer as out:
            yield Progress(0, source.num_planes, "plane", source.message)
            for number in range(source.num_planes):
                out.write_plane(function(source.read_plane(number), number))
                yield Progress(number + 1, source.num_planes, "plane")
        return join_messages(source.message, out.message)

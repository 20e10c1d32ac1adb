"""The model that is asked for, and its way over the planes of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from napari_gradnet.events import Progress
from napari_gradnet.inference.models import (
    AUTO_COUNTS,
    AUTO_GRAY,
    Model,
    choose_model,
    open_model,
)
from napari_gradnet.inference.statistics import iter_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from napari_gradnet.axes import ImageAxes
    from napari_gradnet.inference.precision import Precision
    from napari_gradnet.inference.stack import StackDenoiser

    Guided = tuple[NDArray[Any], NDArray[Any] | None]
    ReadPlane = Callable[[int], Guided]
    ReadWindows = Callable[[int], Sequence[Guided]]

__all__ = ["ModelChoice", "run_stack"]

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ModelChoice:
    """Which model denoises, where it runs and how exactly.

    Parameters
    ----------
    model : str, Path or Model
        See `denoise`. One that is open is taken as it is.
    device, precision : str
        See `denoise`.
    """

    model: str | Path | Model = "auto"
    device: str = "auto"
    precision: Precision = "auto"

    def open(self, axes: ImageAxes, dtype: DTypeLike) -> tuple[Model, str]:
        """Open the model for an image.

        Parameters
        ----------
        axes, dtype
            Of the image.

        Returns
        -------
        Model
        str
            A sentence about a model that was chosen; empty when it was named.
        """
        name, message = self.model, ""
        if isinstance(name, Model):
            return name, message
        if name == "auto":
            name, kind = choose_model(rgb=axes.is_rgb, dtype=dtype)
            message = f"model {name!r} chosen for {kind}"
            if name in AUTO_COUNTS:
                message += f": take {AUTO_GRAY[0]!r} for what is no fluorescence"
        model = open_model(name, device=self.device, precision=self.precision)
        return model, message


def run_stack(
    stack: StackDenoiser,
    read: ReadPlane,
    write: Callable[[int, NDArray[Any]], None],
    message: str = "",
    read_windows: ReadWindows | None = None,
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
    read_windows : callable, optional
        Where `read` gives parts of planes: the `statistics_windows` of a plane and of
        its guide.

    Yields
    ------
    Progress
        One a tile.
    """
    count = stack.axes.num_planes
    before = 0 if read_windows is None else len(stack.passes) * stack.planes.views
    steps = before + stack.count_tiles()
    total = count * steps
    yield Progress(0, total, "tile", message)
    for number in range(count):
        done = number * steps
        shared = None
        if read_windows is not None:
            gather = iter_statistics(stack, read_windows(number), number=number)
            shared = yield from _counted(gather, done, total)
        plane, guide = read(number)
        work = stack.iter_plane(plane, guide, number=number, statistics=shared)
        write(number, (yield from _counted(work, done + before, total)))


def _counted(
    work: Generator[None, None, _Result], done: int, total: int
) -> Generator[Progress, None, _Result]:
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: _Result = stop.value
            return result
        done += 1
        # tiles that were halved for want of memory count for one
        yield Progress(min(done, total), total, "tile")

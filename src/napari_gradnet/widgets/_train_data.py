"""Training images: layers written as files, or folders looked through. No Qt here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError, InputError
from napari_gradnet.events import Event, Progress
from napari_gradnet.values import check_dtype, nonfinite_message, robust_range

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

__all__ = ["FolderChoice", "LayerChoice", "TrainingImages", "collect_images"]

#: Values that are written at most; of a larger layer, planes evenly spread.
LARGEST = 1 << 28
#: Images that a training wants at least: it holds a quarter of them out.
WANTED = 8


@dataclass(frozen=True)
class LayerChoice:
    """Layers to train on.

    Parameters
    ----------
    clean, noisy : array or None
        numpy, dask or zarr; `noisy` of the same shape.
    axes : str
        One letter a dimension.
    """

    clean: Any
    axes: str
    noisy: Any = None


@dataclass(frozen=True)
class FolderChoice:
    """Folders to train on; their files belong together in sorted order."""

    clean: str
    noisy: str = ""


@dataclass(frozen=True)
class TrainingImages:
    """What a training configuration says about the images.

    Parameters
    ----------
    source : dict
        The entries ``clean``, ``noisy`` and ``intensity`` of `SourceConfig`.
    channels : int
        1 or 3.
    count : int
        Images, counting each plane of a stack.
    message : str
        What the user should know about them.
    """

    source: dict[str, Any] = field(default_factory=dict)
    channels: int = 1
    count: int = 0
    message: str = ""


def collect_images(
    choice: LayerChoice | FolderChoice, folder: Path, patch_size: int
) -> Generator[Event, None, TrainingImages]:
    """Get the images ready for a process of its own.

    Parameters
    ----------
    choice : LayerChoice or FolderChoice
        What the form says.
    folder : Path
        Layers are written below it.
    patch_size : int
        Pixels; a few large planes are cut into parts no smaller than this, so that
        some of them can be held out.

    Raises
    ------
    InputError
        The layers do not fit or cannot be used.
    GradNetError
        There is no image in a folder, or the disk is full.
    """
    if isinstance(choice, FolderChoice):
        return (yield from _look_through(choice))
    return (yield from _write_layers(choice, folder, patch_size))


def _look_through(choice: FolderChoice) -> Generator[Event, None, TrainingImages]:
    from napari_gradnet import api
    from napari_gradnet.data.files import expand_paths

    files = expand_paths([choice.clean])
    source: dict[str, Any] = {"clean": [str(Path(choice.clean).resolve())]}
    if choice.noisy:
        partners = expand_paths([choice.noisy])
        if len(partners) != len(files):
            msg = (
                f"{choice.noisy} has {len(partners)} images and {choice.clean} "
                f"{len(files)}: each noisy image needs its clean one, of the same name "
                "or at the same place in the sorted order"
            )
            raise InputError(msg)
        source["noisy"] = [str(Path(choice.noisy).resolve())]
    count, channels, deep = 0, 1, False
    for done, path in enumerate(files):
        yield Progress(done, len(files), "file")
        with (
            contextlib.suppress(GradNetError),  # the training tells of it
            api.open_image(path) as image,
        ):
            count += image.num_planes
            channels = 3 if image.axes.is_rgb else channels
            deep = deep or image.dtype != np.uint8
    # as in use: 8-bit images have a scale of their own, others have none
    source["intensity"] = "percentile" if deep else "dtype"
    return TrainingImages(source, channels, count)


def _write_layers(
    choice: LayerChoice, folder: Path, patch_size: int
) -> Generator[Event, None, TrainingImages]:
    from napari_gradnet.data.write import write_plane

    layers = _Layers(choice)
    axes = layers.axes
    most = max(1, LARGEST // int(np.prod(axes.plane_shape)) // axes.length("C"))
    chosen = sorted(n for channel in axes.spread_planes(most).values() for n in channel)
    grid = _grid(len(chosen), axes.plane_shape[:2], patch_size)
    layers.settle_scale()
    for done, number in enumerate(chosen):
        yield Progress(done, len(chosen), "plane")
        for kind in layers.arrays:
            parts = _parts(layers.scaled(kind, number), grid)
            for place, part in enumerate(parts):
                write_plane(folder / kind / f"{number:05d}-{place:02d}.tif", part)
    message = ""
    if len(chosen) < axes.num_planes:
        message = f"{len(chosen)} of {axes.num_planes} planes are used, evenly spread."
    count = len(chosen) * grid[0] * grid[1]
    if count < 4:
        message += " The images are too few to hold one out: no PSNR is measured."
    source = {kind: [str((folder / kind).resolve())] for kind in layers.arrays}
    return TrainingImages(
        {**source, "intensity": "dtype"},
        3 if axes.is_rgb else 1,
        count,
        message.strip(),
    )


class _Layers:
    """Planes of the clean layer and its partner, scaled as in use."""

    def __init__(self, choice: LayerChoice) -> None:
        self.axes = ImageAxes(choice.axes, tuple(choice.clean.shape))
        self.arrays = {"clean": choice.clean}
        if choice.noisy is not None:
            self.arrays["noisy"] = choice.noisy
            _check_partner(choice)
        for array in self.arrays.values():
            check_dtype(array.dtype)
        self._planes = list(self.axes.iter_planes())
        self._ranges: dict[int, tuple[float, float]] = {}

    def _read(self, kind: str, number: int) -> NDArray[Any]:
        part = np.asarray(self.arrays[kind][self._planes[number]])
        plane = self.axes.to_plane(part)
        return plane[..., :3] if self.axes.is_rgb else plane  # alpha is no light

    def settle_scale(self) -> None:
        """Settle black and white: those of the noisy image, all that is known in use.

        8-bit images have a scale of their own.
        """
        from napari_gradnet.samples import sample_planes

        if all(array.dtype == np.uint8 for array in self.arrays.values()):
            return
        known = "noisy" if "noisy" in self.arrays else "clean"
        samples = sample_planes(lambda number: self._read(known, number), self.axes)
        self._ranges = {c: robust_range(seen) for c, seen in samples.items()}

    def scaled(self, kind: str, number: int) -> NDArray[Any]:
        """Read a plane and check and scale it."""
        plane = self._read(kind, number)
        if bad := nonfinite_message(plane):
            msg = f"the {kind} layer, plane {number}: {bad.partition(': repair')[0]}"
            raise InputError(msg)
        if not self._ranges:
            return plane
        low, high = self._ranges[self.axes.channel_of(number)]
        return ((plane - np.float64(low)) / (high - low)).astype(np.float32)


def _check_partner(choice: LayerChoice) -> None:
    if choice.noisy.shape != choice.clean.shape:
        msg = (
            f"the noisy layer has the shape {tuple(choice.noisy.shape)}, the clean one "
            f"{tuple(choice.clean.shape)}: choose two layers of the same scene and size"
        )
        raise InputError(msg)
    if choice.noisy is choice.clean:
        msg = "the noisy and the clean layer are the same: choose two"
        raise InputError(msg)


def _grid(planes: int, shape: tuple[int, ...], patch_size: int) -> tuple[int, int]:
    """Rows and columns into which planes are cut, so that there are enough images."""
    rows = columns = 1
    while planes * rows * columns < WANTED:
        tall, wide = shape[0] // (rows + 1), shape[1] // (columns + 1)
        if max(tall, wide) < patch_size:
            break
        if tall >= wide:
            rows += 1
        else:
            columns += 1
    return rows, columns


def _parts(plane: NDArray[Any], grid: tuple[int, int]) -> Iterator[NDArray[Any]]:
    for rows in np.array_split(plane, grid[0], axis=0):
        yield from np.array_split(rows, grid[1], axis=1)

"""How an output OME-Zarr is laid out: axes, levels, metadata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.io._base import join_messages
from napari_gradnet.io._white import find_black
from napari_gradnet.io._zarr_calibration import Calibration, read_calibration
from napari_gradnet.io._zarr_layout import (
    MAX_LEVELS,
    ZarrLayout,
    choose_chunks,
    flatten_chunks,
    given_shards,
    new_chunks,
)
from napari_gradnet.io._zarr_meta import (
    OmeImage,
    build_attributes,
    processed_attributes,
)
from napari_gradnet.io._zarr_read import ZarrSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gradnet.io._base import ImageSource

__all__ = [
    "LevelPlan",
    "VolumePlan",
    "plan_empty",
    "plan_volume",
]

#: A pyramid of an input without one ends at this many pixels along its longer side.
_SMALLEST_LEVEL = 256


@dataclass(frozen=True)
class LevelPlan:
    """One resolution.

    Parameters
    ----------
    path : str
        Its folder.
    shape, chunks : tuple of int
    shards : tuple of int or None
    """

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None

    @property
    def grid(self) -> tuple[int, ...]:
        """Pixels that one file holds: what is written at once."""
        return self.shards or self.chunks


@dataclass(frozen=True)
class VolumePlan:
    """An output OME-Zarr, before it is made.

    Parameters
    ----------
    version : {"0.4", "0.5"}
    letters : str
        Axes of the output, ``C`` for colours as well.
    order : tuple of int
        For each of them the place of the input's axis.
    dtype : numpy.dtype
    fill_value : int or float
        Of chunks that are not stored.
    levels : tuple of LevelPlan
        Finest first.
    attributes : dict
        Of the group, for `record`'s place see `processed_attributes`.
    array_attributes : dict
        Of the arrays.
    layout : ZarrLayout
    message : str
        What differs from the input, or empty.
    black : int or None
        The input's value of black where 0 is white there: see `find_black`.
    """

    version: str
    letters: str
    order: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: float
    levels: tuple[LevelPlan, ...]
    attributes: dict[str, Any]
    array_attributes: dict[str, Any]
    layout: ZarrLayout
    message: str
    black: int | None = None


def plan_volume(
    source: ImageSource,
    dtype: np.dtype[Any],
    layout: ZarrLayout,
    record: Mapping[str, Any],
    *,
    by_plane: bool = False,
) -> VolumePlan:
    """Plan an OME-Zarr for what is made of an image.

    Parameters
    ----------
    source : ImageSource
        The input.
    dtype : numpy.dtype
        Of the result.
    layout : ZarrLayout
        What the user wants.
    record : mapping
        What is done.
    by_plane : bool
        Whether whole planes are made at once: chunks that go through several of them
        are cut into planes, where those would be too much for the memory.

    Raises
    ------
    FileFormatError
        OME-Zarr has no such axes.
    InputError
        Chunks or shards do not fit.
    """
    letters, order = _output_axes(source)
    shape = tuple(source.shape[k] for k in order)
    image = _image(source, letters)
    chunks, shards, message = choose_chunks(
        source, letters, order, shape, dtype, layout
    )
    if by_plane:
        flat = flatten_chunks(chunks, shards, letters, shape, dtype, layout)
        if flat != (chunks, shards):
            (chunks, shards), message = (
                flat,
                "chunks are single planes, made as a whole",
            )
    if shards is not None and image.version == "0.4":
        msg = f"{source.path}: OME-Zarr 0.4 has no shards: leave them out"
        raise InputError(msg)
    count = layout.num_levels or _num_levels(source, letters, shape)
    names = list(image.paths) if source.kind == "ome-zarr" else []
    spare = (str(k) for k in range(MAX_LEVELS * 2) if str(k) not in names)
    paths = [*names[:count], *(next(spare) for _ in range(count - len(names)))]
    levels = _levels(letters, shape, chunks, shards, paths)
    steps = record.get("steps") or [record]
    black, note = None, ""
    if not any(step.get("operation") == "gradient" for step in steps):
        black, note = find_black(source, dtype)
    return VolumePlan(
        image.version,
        letters,
        order,
        dtype,
        _fill_value(source, dtype),
        levels,
        processed_attributes(image, [level.path for level in levels], record),
        _array_attributes(source, letters),
        layout,
        join_messages(message, note, _turned(source), _renamed(source, letters)),
        black,
    )


def _array_attributes(source: ImageSource, letters: str) -> dict[str, Any]:
    """The input's, with xarray's names of the dimensions in the order of the output."""
    if not isinstance(source, ZarrSource):
        return {}
    found = source.array.attributes
    if source.image is not None or "_ARRAY_DIMENSIONS" not in found:
        return found
    return {**found, "_ARRAY_DIMENSIONS": [letter.lower() for letter in letters]}


def _turned(source: ImageSource) -> str:
    if source.orientation == 1:
        return ""
    return (
        f"the file says that its pixels are to be turned (orientation "
        f"{source.orientation}), which OME-Zarr cannot: they stay as they are"
    )


def _renamed(source: ImageSource, letters: str) -> str:
    given = source.axes.axes.replace("S", "C")
    if not isinstance(source, ZarrSource) or source.image is None or given == letters:
        return ""
    return (
        f"the axes {source.axes.axes} are not written, since the store's own metadata "
        f"are kept: give them again where it is read (it says {letters})"
    )


def plan_empty(
    letters: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: ZarrLayout,
    name: str,
) -> VolumePlan:
    """Plan an OME-Zarr 0.5 that is made of nothing.

    Parameters
    ----------
    letters : str
        Its axes, in OME-Zarr's order.
    shape, dtype
        Of the full resolution.
    layout : ZarrLayout
        What the user wants.
    name : str
        Of the image.
    """
    image = build_attributes(letters, name, "0.5", Calibration())
    chunks = new_chunks(letters, shape, layout)
    shards = None
    if layout.shards is not None:
        shards = tuple(given_shards(letters, chunks, dtype, layout.shards))
    count = layout.num_levels or 1
    levels = _levels(
        letters, shape, tuple(chunks), shards, [str(k) for k in range(count)]
    )
    return VolumePlan(
        "0.5",
        letters,
        tuple(range(len(letters))),
        dtype,
        0,
        levels,
        processed_attributes(image, [level.path for level in levels], None),
        {},
        layout,
        "",
    )


def _levels(
    letters: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    paths: Sequence[str],
) -> tuple[LevelPlan, ...]:
    """Resolutions, each of half the rows and columns of the one before."""
    levels = []
    for path in paths:
        levels.append(LevelPlan(path, shape, chunks, shards))
        shape = tuple(
            -(-n // 2) if letter in "YX" else n
            for n, letter in zip(shape, letters, strict=True)
        )
    return tuple(levels)


def _output_axes(source: ImageSource) -> tuple[str, tuple[int, ...]]:
    """Axes in OME-Zarr's order, and where the input has them."""
    axes = source.axes.axes
    if isinstance(source, ZarrSource) and source.image is not None:
        return source.image.letters, tuple(range(len(axes)))
    if "S" in axes and "C" in axes:
        msg = (
            f"{source.path} has channels and colours (axes {axes}): OME-Zarr holds one "
            "of them"
        )
        raise FileFormatError(msg)
    others = [x for x in axes if x not in "TCSZYX"]
    if len(others) > 1 or (others and ("C" in axes or "S" in axes)):
        msg = (
            f"{source.path} has axes {axes}: OME-Zarr holds T, Z, Y, X and one more: "
            "name them with axes=..."
        )
        raise FileFormatError(msg)
    wanted = [x for x in ("T", "C", "S", *others, "Z", "Y", "X") if x in axes]
    letters = "".join("C" if x == "S" else x for x in wanted)
    return letters, tuple(axes.index(x) for x in wanted)


def _image(source: ImageSource, letters: str) -> OmeImage:
    if isinstance(source, ZarrSource):
        if source.image is not None:
            return source.image
        kept = {
            k: v for k, v in source.array.attributes.items() if k != "_ARRAY_DIMENSIONS"
        }
        name = source.path.name
        return build_attributes(
            letters, name, source.version, Calibration(), attributes=kept
        )
    return build_attributes(
        letters, Path(source.path).stem, "0.5", read_calibration(source)
    )


def _num_levels(source: ImageSource, letters: str, shape: tuple[int, ...]) -> int:
    if isinstance(source, ZarrSource) and source.image is not None:
        return min(len(source.image.paths), MAX_LEVELS)
    side = max(n for n, letter in zip(shape, letters, strict=True) if letter in "YX")
    return min(MAX_LEVELS, 1 + max(0, math.ceil(math.log2(side / _SMALLEST_LEVEL))))


def _fill_value(source: ImageSource, dtype: np.dtype[Any]) -> float:
    """The input's, where the output can hold it, else 0."""
    if not isinstance(source, ZarrSource):
        return 0
    value = source.array.array.fill_value
    if value is None or source.dtype != dtype or not np.isfinite(value):
        return 0
    number: float = np.asarray(value).astype(dtype).item()
    return number

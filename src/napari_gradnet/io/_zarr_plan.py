"""How an output OME-Zarr is laid out: axes, levels, chunks, shards, compression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.io._zarr_calibration import Calibration, read_calibration
from napari_gradnet.io._zarr_meta import (
    OmeImage,
    build_attributes,
    processed_attributes,
)
from napari_gradnet.io._zarr_read import ZarrSource
from napari_gradnet.io._zarr_store import MAX_CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gradnet.io._base import ImageSource

__all__ = [
    "Compression",
    "LevelPlan",
    "VolumePlan",
    "ZarrLayout",
    "plan_empty",
    "plan_volume",
]

#: Not gzip, whose files hold the time of writing: units must repeat byte for byte.
Compression = Literal["zstd", "blosc", "none"]
#: Rows and columns of a chunk, where the input has none.
_CHUNK_SIDE = 1024
#: A pyramid of an input without one ends at this many pixels along its longer side.
_SMALLEST_LEVEL = 256
_MAX_LEVELS = 24
#: Inputs in larger shards are written in smaller ones, as a shard is made in memory.
_MAX_SHARD_BYTES = 1 << 26


@dataclass(frozen=True)
class ZarrLayout:
    """How an OME-Zarr is stored.

    Parameters
    ----------
    chunks : mapping of str to int, optional
        Pixels of a chunk along axes, by letter: ``{"Y": 512, "X": 512}``. Axes that are
        not named keep the input's; without those, chunks are planes of at most
        1024 x 1024 pixels.
    shards : mapping of str to int, optional
        Pixels along axes that one file holds (OME-Zarr 0.5 only), multiples of the
        chunk. By default as the input, up to 64 MB.
    compression : {"zstd", "blosc", "none"}
        ``blosc`` is zstd with bits shuffled: smaller for 16-bit counts.
    level : int, optional
        Of the compression, 0..22 (zstd) or 0..9; 3, or 5 for blosc, if not
        given.
    num_levels : int, optional
        Resolutions, the full one included. By default as many as the input has; where
        it has no pyramid of its own, down to 256 pixels.

    Raises
    ------
    InputError
        A number is out of its range or a letter is no axis.
    """

    chunks: Mapping[str, int] | None = None
    shards: Mapping[str, int] | None = None
    compression: Compression = "zstd"
    level: int | None = None
    num_levels: int | None = None

    def __post_init__(self) -> None:
        if self.compression not in get_args(Compression):
            msg = (
                f"compression={self.compression!r} is unknown: use "
                f"{', '.join(get_args(Compression))}"
            )
            raise InputError(msg)
        largest = 22 if self.compression == "zstd" else 9
        if self.level is not None and not 0 <= self.level <= largest:
            msg = f"level={self.level}: {self.compression} has 0..{largest}"
            raise InputError(msg)
        if self.num_levels is not None and not 1 <= self.num_levels <= _MAX_LEVELS:
            msg = f"num_levels={self.num_levels}: use 1..{_MAX_LEVELS}"
            raise InputError(msg)
        for what in ("chunks", "shards"):
            for letter, size in (getattr(self, what) or {}).items():
                if len(letter) != 1 or not letter.isupper() or size < 1:
                    msg = (
                        f"{what}: {letter!r}: {size}: name an axis by its upper-case "
                        "letter and give 1 pixel or more"
                    )
                    raise InputError(msg)

    @property
    def record(self) -> dict[str, Any]:
        """All options, as JSON."""
        return {
            "chunks": None if self.chunks is None else dict(self.chunks),
            "shards": None if self.shards is None else dict(self.shards),
            "compression": self.compression,
            "level": self.level,
            "num_levels": self.num_levels,
        }


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
    chunks, shards, message = _chunks(source, letters, order, shape, dtype, layout)
    if by_plane:
        flat = _flatten(chunks, shards, letters, shape, dtype, layout)
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
    spare = (str(k) for k in range(_MAX_LEVELS * 2) if str(k) not in names)
    paths = [*names[:count], *(next(spare) for _ in range(count - len(names)))]
    levels = _levels(letters, shape, chunks, shards, paths)
    return VolumePlan(
        image.version,
        letters,
        order,
        dtype,
        _fill_value(source, dtype),
        levels,
        processed_attributes(image, [level.path for level in levels], record),
        source.array.attributes if isinstance(source, ZarrSource) else {},
        layout,
        message,
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
    chunks = [
        min(_CHUNK_SIDE, n) if letter in "YX" else 1
        for n, letter in zip(shape, letters, strict=True)
    ]
    _replace(chunks, letters, layout.chunks, "chunks")
    shards = None
    if layout.shards is not None:
        wanted = list(chunks)
        _replace(wanted, letters, layout.shards, "shards")
        _check_shards(wanted, chunks, dtype)
        shards = tuple(wanted)
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
        return min(len(source.image.paths), _MAX_LEVELS)
    side = max(n for n, letter in zip(shape, letters, strict=True) if letter in "YX")
    return min(_MAX_LEVELS, 1 + max(0, math.ceil(math.log2(side / _SMALLEST_LEVEL))))


def _chunks(
    source: ImageSource,
    letters: str,
    order: tuple[int, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: ZarrLayout,
) -> tuple[tuple[int, ...], tuple[int, ...] | None, str]:
    """Chunks and shards of the output, and what differs from the input."""
    message = ""
    if isinstance(source, ZarrSource):
        chunks = [source.array.chunks[k] for k in order]
        stored = source.array.shards
        shards = None if stored is None else [stored[k] for k in order]
    else:
        chunks = [
            min(_CHUNK_SIDE, n) if letter in "YX" else 1
            for n, letter in zip(shape, letters, strict=True)
        ]
        shards = None
    _replace(chunks, letters, layout.chunks, "chunks")
    size = math.prod(chunks) * dtype.itemsize
    if size > MAX_CHUNK_BYTES:
        msg = (
            f"chunks of {tuple(chunks)} pixels take {size:,} bytes of memory, at most "
            f"{MAX_CHUNK_BYTES:,} are allowed: give smaller ones"
        )
        raise InputError(msg)
    if layout.shards is not None:
        shards = list(chunks)
        _replace(shards, letters, layout.shards, "shards")
        _check_shards(shards, chunks, dtype)
    elif shards is not None:
        # a shard that holds no whole number of the new chunks is made to
        wanted = [max(1, s // c) for s, c in zip(shards, chunks, strict=True)]
        kept = _shrink(wanted, chunks, dtype)
        smaller = [c * k for c, k in zip(chunks, kept, strict=True)]
        if smaller != shards:
            message = (
                f"shards of {tuple(shards)} pixels are written as {tuple(smaller)}"
            )
        shards = smaller
    return tuple(chunks), None if shards is None else tuple(shards), message


def _flatten(
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    letters: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: ZarrLayout,
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Chunks and shards of one plane, if theirs together take much memory."""
    grid = shards or chunks
    covered = math.prod(
        n if letter in "YX" else min(g, n)
        for g, n, letter in zip(grid, shape, letters, strict=True)
    )
    named = {*(layout.chunks or {}), *(layout.shards or {})}
    if covered * dtype.itemsize <= _MAX_SHARD_BYTES:
        return chunks, shards

    def flat(sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(
            k if letter in "YX" or letter in named else 1
            for k, letter in zip(sizes, letters, strict=True)
        )

    return flat(chunks), shards and flat(shards)


def _replace(
    sizes: list[int], letters: str, given: Mapping[str, int] | None, what: str
) -> None:
    for letter, size in (given or {}).items():
        if letter in letters:
            sizes[letters.index(letter)] = size
        elif letter not in "TCZYX":
            msg = f"{what}: there is no axis {letter!r} in {letters}"
            raise InputError(msg)


def _check_shards(
    shards: Sequence[int], chunks: Sequence[int], dtype: np.dtype[Any]
) -> None:
    size = math.prod(shards) * dtype.itemsize
    if any(s % c for s, c in zip(shards, chunks, strict=True)):
        msg = f"shards of {tuple(shards)} pixels hold no whole chunks {tuple(chunks)}"
        raise InputError(msg)
    if size > MAX_CHUNK_BYTES:
        msg = (
            f"shards of {tuple(shards)} pixels take {size:,} bytes of memory, at most "
            f"{MAX_CHUNK_BYTES:,} are allowed: give smaller ones"
        )
        raise InputError(msg)


def _shrink(
    counts: Sequence[int], chunks: Sequence[int], dtype: np.dtype[Any]
) -> list[int]:
    """Halve the longest side of a shard until it is small enough."""
    counts = list(counts)
    size = math.prod(chunks) * dtype.itemsize
    while math.prod(counts) > 1 and math.prod(counts) * size > _MAX_SHARD_BYTES:
        longest = counts.index(max(counts))
        counts[longest] = -(-counts[longest] // 2)
    return counts


def _fill_value(source: ImageSource, dtype: np.dtype[Any]) -> float:
    """The input's, where the output can hold it, else 0."""
    if not isinstance(source, ZarrSource):
        return 0
    value = source.array.array.fill_value
    if value is None or source.dtype != dtype or not np.isfinite(value):
        return 0
    number: float = np.asarray(value).astype(dtype).item()
    return number

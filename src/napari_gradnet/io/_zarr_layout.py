"""How an output OME-Zarr is stored: chunks, shards, compression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_gradnet.errors import InputError
from napari_gradnet.io._zarr_read import ZarrSource
from napari_gradnet.io._zarr_store import MAX_CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from napari_gradnet.io._base import ImageSource

__all__ = [
    "MAX_LEVELS",
    "Compression",
    "ZarrLayout",
    "choose_chunks",
    "flatten_chunks",
    "given_shards",
    "new_chunks",
]

#: Not gzip, whose files hold the time of writing: units must repeat byte for byte.
Compression = Literal["zstd", "blosc", "none"]
MAX_LEVELS = 24
#: Rows and columns of a chunk, where the input has none.
_CHUNK_SIDE = 1024
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
        if self.num_levels is not None and not 1 <= self.num_levels <= MAX_LEVELS:
            msg = f"num_levels={self.num_levels}: use 1..{MAX_LEVELS}"
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


def new_chunks(letters: str, shape: Sequence[int], layout: ZarrLayout) -> list[int]:
    """Chunks of an image that had none: planes, of 1024 x 1024 pixels at most."""
    chunks = [
        min(_CHUNK_SIDE, n) if letter in "YX" else 1
        for n, letter in zip(shape, letters, strict=True)
    ]
    _replace(chunks, letters, layout.chunks, "chunks")
    return chunks


def choose_chunks(
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
        _replace(chunks, letters, layout.chunks, "chunks")
    else:
        chunks, shards = new_chunks(letters, shape, layout), None
    size = math.prod(chunks) * dtype.itemsize
    if size > MAX_CHUNK_BYTES:
        msg = (
            f"chunks of {tuple(chunks)} pixels take {size:,} bytes of memory, at most "
            f"{MAX_CHUNK_BYTES:,} are allowed: give smaller ones"
        )
        raise InputError(msg)
    if layout.shards is not None:
        shards = given_shards(letters, chunks, dtype, layout.shards)
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


def flatten_chunks(
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


def given_shards(
    letters: str,
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    given: Mapping[str, int],
) -> list[int]:
    """Shards that the user wants, which hold whole chunks."""
    shards = list(chunks)
    _replace(shards, letters, given, "shards")
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
    return shards


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

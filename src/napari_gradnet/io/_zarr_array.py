"""One zarr array on disk: checked before a chunk is read, then read by regions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._tiff_check import damaged
from napari_gradnet.io._zarr_store import (
    MAX_CHUNK_BYTES,
    GuardedStore,
    check_inside,
    read_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CheckedArray", "open_checked"]

#: Codecs that turn bytes into numbers and do nothing else. `pickle` and its like would
#: run what is in the file.
_CODECS = frozenset(
    (
        *("bytes", "transpose", "sharding_indexed", "astype"),
        *("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"),
        *("bitround", "delta", "fixedscaleoffset", "quantize", "shuffle"),
        *("adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"),
    )
)
#: Chunks of a shard; its index takes 16 bytes for each.
_MAX_SHARD_CHUNKS = 1 << 22
_MAX_AXES = 16
#: Chunks of more bytes are decoded one at a time.
_LARGE_CHUNK = 1 << 25


@dataclass(frozen=True)
class CheckedArray:
    """A zarr array that may be read.

    Parameters
    ----------
    path : Path
        Its folder.
    array : zarr.Array
        Open for reading.
    document : dict
        Its metadata, as stored (``zarr.json`` or ``.zarray``).
    attributes : dict
        Its attributes.
    zarr_format : int
        2 or 3.
    shape : tuple of int
    dtype : numpy.dtype
        In native byte order.
    chunks : tuple of int
        Smallest part that is read and decoded at once.
    shards : tuple of int or None
        Part that one file holds, where that is more than a chunk.
    """

    path: Path
    array: Any
    document: dict[str, Any]
    attributes: dict[str, Any]
    zarr_format: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read a block; only the chunks that it touches are decoded.

        Safe in several threads at once.

        Raises
        ------
        FileFormatError
            A chunk is damaged, or a file cannot be read.
        """
        block = np.empty([part.stop - part.start for part in region], self.dtype)
        for part in self._parts(region):
            inner = tuple(
                slice(p.start - r.start, p.stop - r.start)
                for p, r in zip(part, region, strict=True)
            )
            with damaged(self.path, f"the block {_name_region(part)}"):
                block[inner] = self.array[part]
        return block

    def _parts(self, region: tuple[slice, ...]) -> Iterator[tuple[slice, ...]]:
        """The region itself; where chunks are large, a part for each of them.

        zarr decodes ten chunks at once, whatever their size.
        """
        if math.prod(self.chunks) * self.dtype.itemsize <= _LARGE_CHUNK:
            yield region
            return
        sides = [
            [
                slice(max(start, part.start), min(start + chunk, part.stop))
                for start in range(part.start // chunk * chunk, part.stop, chunk)
            ]
            for part, chunk in zip(region, self.chunks, strict=True)
        ]
        yield from itertools.product(*sides)


def _name_region(region: tuple[slice, ...]) -> str:
    return "[" + ", ".join(f"{part.start}:{part.stop}" for part in region) + "]"


def open_checked(root: Path, path: Path) -> CheckedArray:
    """Check the metadata of an array and open it for reading.

    Parameters
    ----------
    root : Path
        The store: nothing outside of it is read.
    path : Path
        Folder of the array.

    Raises
    ------
    FileFormatError
        There is no array, it leads out of the store, or it holds what cannot be
        denoised or read within the memory.
    """
    check_inside(root, path)
    document = read_json(root, path / "zarr.json")
    zarr_format = 3
    if document is None:
        document = read_json(root, path / ".zarray")
        zarr_format = 2
    if document is None or (zarr_format == 3 and document.get("node_type") != "array"):
        msg = f"{path}: there is no zarr array: the store is incomplete"
        raise FileFormatError(msg)
    with damaged(path, "its array metadata"):
        shape, largest, codecs = _check_document(path, document, zarr_format)
        store = GuardedStore(
            path, within=root, chunk_bytes=largest, codecs=frozenset(codecs)
        )
        array = zarr.open_array(store, mode="r")
        dtype = np.dtype(array.dtype)
        chunks = tuple(int(k) for k in array.chunks)
        shards = array.shards and tuple(int(k) for k in array.shards)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        msg = f"{path} has pixels of type {dtype}: integers or floats are needed"
        raise FileFormatError(msg)
    _check_size(path, "chunk", chunks, dtype)
    attributes = (
        document.get("attributes")
        if zarr_format == 3
        else read_json(root, path / ".zattrs")
    )
    return CheckedArray(
        path,
        array,
        document,
        attributes if isinstance(attributes, dict) else {},
        zarr_format,
        shape,
        dtype.newbyteorder("="),
        chunks,
        shards,
    )


def _check_size(
    path: Path, what: str, chunk: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    size = math.prod(chunk) * dtype.itemsize
    if size > MAX_CHUNK_BYTES:
        msg = (
            f"{path}: one {what} of {chunk} pixels takes {size:,} bytes of memory, at "
            f"most {MAX_CHUNK_BYTES:,} are allowed: store it in smaller chunks first"
        )
        raise FileFormatError(msg)


def _whole_numbers(path: Path, what: str, values: Any, least: int) -> tuple[int, ...]:
    good = isinstance(values, list) and len(values) <= _MAX_AXES
    if not good or not all(
        isinstance(k, int) and not isinstance(k, bool) and least <= k < 1 << 62
        for k in values
    ):
        msg = f"{path}: {what} is {values!r:.200}: a list of pixels is needed"
        raise FileFormatError(msg)
    return tuple(values)


def _check_document(
    path: Path, document: dict[str, Any], zarr_format: int
) -> tuple[tuple[int, ...], int, set[str]]:
    """Check what zarr would believe; the shape, a chunk's bytes and the codecs."""
    shape = _whole_numbers(path, "its shape", document.get("shape"), 0)
    if zarr_format == 2:
        chunks = _whole_numbers(path, "its chunk", document.get("chunks"), 1)
        codecs = [document.get("compressor"), *(document.get("filters") or [])]
        names = _check_codecs(path, (c for c in codecs if c), "id")
        data_type = document.get("dtype")
    else:
        grid = document["chunk_grid"]
        chunks = _whole_numbers(
            path, "its chunk", grid["configuration"].get("chunk_shape"), 1
        )
        chunks, names = _inner_codecs(path, chunks, document["codecs"])
        data_type = document.get("data_type")
    if len(chunks) != len(shape):
        msg = f"{path}: chunks of {chunks} do not fit the shape {shape}"
        raise FileFormatError(msg)
    if not isinstance(data_type, str):
        msg = f"{path} has pixels of type {data_type!r:.200}: integers or floats needed"
        raise FileFormatError(msg)
    # no number that is accepted takes more than 8 bytes
    _check_size(path, "chunk", chunks, np.dtype("u1"))
    return shape, math.prod(chunks) * 8, names


def _inner_codecs(
    path: Path, outer: tuple[int, ...], codecs: Any
) -> tuple[tuple[int, ...], set[str]]:
    """Shape of what is decoded at once, through shards, and all codecs on the way."""
    names = _check_codecs(path, codecs, "name")
    for codec in codecs:
        if codec["name"].removeprefix("numcodecs.") != "sharding_indexed":
            continue
        settings = codec["configuration"]
        inner = _whole_numbers(
            path, "the chunk of its shards", settings.get("chunk_shape"), 1
        )
        _check_codecs(path, settings.get("index_codecs") or [], "name")
        nested = settings["codecs"]
        if any(c.get("name") == "sharding_indexed" for c in nested):
            msg = f"{path}: shards within shards are not read: store it anew"
            raise FileFormatError(msg)
        count = math.prod(-(-o // i) for o, i in zip(outer, inner, strict=True))
        if count > _MAX_SHARD_CHUNKS:
            msg = (
                f"{path}: a shard of {count:,} chunks, at most {_MAX_SHARD_CHUNKS:,} "
                "are allowed: store it in smaller shards first"
            )
            raise FileFormatError(msg)
        return inner, names | _check_codecs(path, nested, "name")
    return outer, names


def _check_codecs(path: Path, codecs: Iterable[Any], key: str) -> set[str]:
    names = {str(codec[key]).removeprefix("numcodecs.") for codec in codecs}
    unknown = sorted(names - _CODECS)
    if unknown:
        msg = (
            f"{path} is stored with the codec {unknown[0]!r:.80}, which is not read "
            f"here: use one of {', '.join(sorted(_CODECS))}"
        )
        raise FileFormatError(msg)
    return names

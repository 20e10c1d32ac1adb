"""A folder of zarr files that is not trusted.

Whoever made the store chose its metadata, its links and its compressed bytes. Here a
file is read only where it lies in the folder, is a regular file, and is no larger than
what it may hold; and compressed data only where they say that they unpack to the size
of a chunk.
"""

from __future__ import annotations

import asyncio
import bz2
import json
import lzma
import os
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore

from napari_gradnet.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = [
    "MAX_CHUNK_BYTES",
    "METADATA_NAMES",
    "GuardedStore",
    "check_inside",
    "read_json",
]

#: Largest chunk that is read, decoded, in bytes. Several may be in memory at once.
MAX_CHUNK_BYTES = 1 << 30
#: Largest metadata document, in bytes.
_MAX_METADATA_BYTES = 1 << 26
#: Stored bytes that a chunk may need beyond its decoded size.
_SLACK = 1 << 20
METADATA_NAMES = ("zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata")
_ZSTD = b"\x28\xb5\x2f\xfd"


def check_inside(root: Path, path: Path) -> Path:
    """Refuse a path that leaves a folder, by ``..`` or through links.

    Returns
    -------
    Path
        The real path.

    Raises
    ------
    FileFormatError
        It leads out, or its links go in circles.
    """
    try:
        real = Path(os.path.realpath(path, strict=path.is_symlink()))
        inside = real.is_relative_to(os.path.realpath(root))
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"{path}: its links lead nowhere or in circles ({error})"
        raise FileFormatError(msg) from error
    if not inside:
        msg = f"{path} leads out of {root}, to {real}: a store must hold its own files"
        raise FileFormatError(msg)
    return real


def read_json(root: Path, path: Path) -> dict[str, Any] | None:
    """Read a metadata document of a store.

    Returns
    -------
    dict or None
        None where there is no such file.

    Raises
    ------
    FileFormatError
        It is too large, leads out of the store, or is no JSON object.
    """
    data = _read_file(root, path, None, _MAX_METADATA_BYTES)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        msg = f"{path}: no valid JSON ({error}): the store is damaged"
        raise FileFormatError(msg) from error
    if not isinstance(value, dict):
        msg = f"{path} holds a {type(value).__name__}, expected was a JSON object"
        raise FileFormatError(msg)
    return value


def _read_file(
    root: Path, path: Path, byte_range: ByteRequest | None, largest: int
) -> bytes | None:
    """Read a regular file of a store, or a part of it; None where there is none."""
    try:
        info = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            check_inside(root, path)
        return None
    except OSError as error:  # a loop of links among them
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise FileFormatError(msg) from error
    if stat.S_ISDIR(info.st_mode):
        return None
    check_inside(root, path)
    if not stat.S_ISREG(info.st_mode):
        msg = f"{path} is no regular file: a store holds regular files only"
        raise FileFormatError(msg)
    try:
        with path.open("rb") as file:
            start, length = _extent(byte_range, info.st_size)
            if length > largest:
                msg = (
                    f"{path}: {length:,} bytes are to be read at once, at most "
                    f"{largest:,} are allowed: the store is damaged or its chunks are "
                    "too large"
                )
                raise FileFormatError(msg)
            file.seek(start)
            return file.read(length)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise FileFormatError(msg) from error


def _extent(byte_range: ByteRequest | None, size: int) -> tuple[int, int]:
    """First byte and number of bytes of a request, within the file."""
    start, stop = 0, size
    if isinstance(byte_range, RangeByteRequest):
        start, stop = byte_range.start, byte_range.end
    elif isinstance(byte_range, OffsetByteRequest):
        start = byte_range.offset
    elif isinstance(byte_range, SuffixByteRequest):
        start = size - byte_range.suffix
    start, stop = max(0, start), min(stop, size)
    return start, max(0, stop - start)


class GuardedStore(LocalStore):
    """A folder that is read with care, and never written.

    Parameters
    ----------
    root : Path
        The folder.
    within : Path, optional
        The store that it is a part of; `root` itself if not given. Nothing outside of
        it is read.
    chunk_bytes : int
        Decoded size of the chunks that will be read; data that unpack to more are
        refused.
    codecs : frozenset of str
        How they are compressed, as the metadata say.

    Raises
    ------
    FileFormatError
        On reading what is not allowed, and when the whole folder has vanished (a
        missing chunk is a blank one, so that this would pass unseen otherwise).
    """

    def __init__(
        self,
        root: Path | str,
        *,
        read_only: bool = True,
        within: Path | None = None,
        chunk_bytes: int = MAX_CHUNK_BYTES,
        codecs: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(Path(root), read_only=True)
        self._within = within or self.root
        self._chunk_bytes = chunk_bytes
        self._codecs = codecs
        self._marker = next(
            (self.root / n for n in METADATA_NAMES if (self.root / n).exists()), None
        )

    def with_read_only(self, read_only: bool = True) -> GuardedStore:
        """The same store: it is never written."""
        return GuardedStore(
            self.root,
            within=self._within,
            chunk_bytes=self._chunk_bytes,
            codecs=self._codecs,
        )

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a file, as zarr asks for it."""
        data = self._guarded(key, byte_range)
        if data is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a file, as zarr asks for it."""
        return await asyncio.to_thread(
            self.get_sync, key, prototype=prototype, byte_range=byte_range
        )

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Read several parts, as zarr asks for them."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    def _guarded(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        path = self.root / key
        if path.name in METADATA_NAMES:
            return _read_file(self._within, path, byte_range, _MAX_METADATA_BYTES)
        data = _read_file(self._within, path, byte_range, MAX_CHUNK_BYTES + _SLACK)
        if data is None:
            if self._marker is not None and not self._marker.exists():
                msg = f"{self.root} has vanished while it was read"
                raise FileFormatError(msg)
            return None
        self._check_unpacking(path, data)
        return data

    def _check_unpacking(self, path: Path, data: bytes) -> None:
        """Refuse compressed data that unpack to more than a chunk."""
        limit = self._chunk_bytes + _SLACK
        too_large = False
        if "zstd" in self._codecs and data[:4] == _ZSTD:
            claimed = _zstd_size(data)
            too_large = claimed > limit if claimed is not None else _bursts(data, limit)
        else:
            for codec, (magic, expansion, make) in _STREAMS.items():
                if codec in self._codecs and data.startswith(magic):
                    large = len(data) * expansion > MAX_CHUNK_BYTES
                    too_large = large and _inflates(make(), data, limit)
        if too_large:
            msg = (
                f"{path}: its {len(data):,} bytes unpack to more than the "
                f"{self._chunk_bytes:,} bytes of a chunk: the store is damaged"
            )
            raise FileFormatError(msg)


def _zstd_size(data: bytes) -> int | None:
    """Decoded size that a zstd frame claims; None where it does not say."""
    if len(data) < 6:
        return None
    descriptor = data[4]
    single = bool(descriptor & 0x20)
    flag = descriptor >> 6
    width = (1 if single else 0, 2, 4, 8)[flag]
    if not width:
        return None
    start = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    size = int.from_bytes(data[start : start + width], "little")
    return size + 256 if flag == 1 else size


def _bursts(data: bytes, limit: int) -> bool:
    """Whether a zstd frame that does not say so unpacks to more than `limit`."""
    try:
        imagecodecs.zstd_decode(data, out=limit)
    except imagecodecs.ZstdError as error:
        return "too small" in str(error)
    return False


#: Codecs that do not tell the size: how their data start, how far they can expand, and
#: what unpacks them piece by piece.
_STREAMS: dict[str, tuple[bytes, int, Callable[[], Any]]] = {
    "gzip": (b"\x1f\x8b", 1032, lambda: zlib.decompressobj(wbits=31)),
    "zlib": (b"\x78", 1032, zlib.decompressobj),
    "bz2": (b"BZh", 1 << 20, bz2.BZ2Decompressor),
    "lzma": (b"", 1 << 14, lzma.LZMADecompressor),
}


def _inflates(inflater: Any, data: bytes, limit: int) -> bool:
    """Whether compressed data unpack to more than `limit`, a little at a time."""
    total, rest = 0, data
    try:
        while not inflater.eof and total <= limit:
            piece = len(inflater.decompress(rest, 1 << 24))
            # zlib hands back what it did not take, the others keep it
            rest = getattr(inflater, "unconsumed_tail", b"")
            total += piece
            if not piece and not rest:
                break
    except (zlib.error, OSError, lzma.LZMAError):
        return False  # the decoder will say so
    return total > limit

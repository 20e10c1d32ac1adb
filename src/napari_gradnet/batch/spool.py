"""Finished planes of an unfinished stack, in one hidden file beside the output."""

from __future__ import annotations

import json
import os
import threading
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import short_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Spool", "spool_path"]

_MAGIC = b"gradnet spool 2\n"
_MARK = b"done"
_PREFIX = len(_MARK) + 4
#: Planes begin at multiples of it, bytes: machines that share a file over a network
#: write it back by pages, and no two may write to one.
_PAGE = 1 << 16


def spool_path(output: Path) -> Path:
    """Where the planes of an unfinished output are kept."""
    return output.with_name(f".{short_name(output.name)}.gradnet-spool")


class Spool:
    """Planes in any order, each with its checksum.

    A plane that was cut off or lost is told by its checksum, so that no write needs to
    wait for the disk. Several processes may write, each its own planes.

    Parameters
    ----------
    path : Path
        Made by `create`.

    Attributes
    ----------
    header : dict
        What `create` was given.

    Raises
    ------
    FileFormatError
        The file is no spool or damaged at its beginning.
    OSError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._file = path.open("r+b", buffering=0)
        try:
            start = self._file.read(len(_MAGIC) + 8)
            size = int.from_bytes(start[len(_MAGIC) :], "little")
            text = self._file.read(min(size, 1 << 26))
            self.header: dict[str, Any] = json.loads(text)
            self._shape = tuple(self.header["shape"])
            self._dtype = np.dtype(self.header["dtype"])
        except (ValueError, KeyError, TypeError) as error:
            self._file.close()
            msg = f"{path} is damaged: remove it"
            raise FileFormatError(msg) from error
        self._start = _whole_pages(len(_MAGIC) + 8 + size)
        self._size = int(np.prod(self._shape)) * self._dtype.itemsize
        self._stride = _whole_pages(_PREFIX + self._size)

    @classmethod
    def create(
        cls,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        values: dict[str, Any],
        count: int,
    ) -> Spool:
        """Start a spool in place of any that is there.

        Parameters
        ----------
        path : Path
            Of the spool.
        shape : tuple of int
            Of one plane.
        dtype : numpy.dtype
            Of the planes.
        values : dict
            JSON, for `header`.
        count : int
            Number of planes.
        """
        header = {**values, "shape": list(shape), "dtype": dtype.str}
        text = json.dumps(header).encode()
        new = path.with_name(path.name + ".new")
        new.write_bytes(_MAGIC + len(text).to_bytes(8, "little") + text)
        with cls(new) as spool:
            # another machine may take a while to see that a file has grown
            spool._file.truncate(spool._start + count * spool._stride)
        new.replace(path)
        return cls(path)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, number: int, plane: NDArray[Any]) -> str:
        """Store a plane; its checksum."""
        data = np.ascontiguousarray(plane, self._dtype)
        checksum = zlib.crc32(data.data).to_bytes(4, "little")
        with self._guard:
            self._file.seek(self._start + number * self._stride + _PREFIX)
            rest = data.reshape(-1).view(np.uint8).data
            while len(rest):
                rest = rest[self._file.write(rest) :]
            self._file.seek(self._start + number * self._stride)
            self._file.write(_MARK + checksum)
        return checksum.hex()

    def read(self, number: int) -> NDArray[Any] | None:
        """Read a plane; None where it is not there or damaged."""
        with self._guard:
            self._file.seek(self._start + number * self._stride)
            prefix = self._file.read(_PREFIX)
            data = bytearray(self._size)
            view = memoryview(data)
            while len(view) and (count := self._file.readinto(view)):
                view = view[count:]
        if len(view) or prefix != _MARK + zlib.crc32(data).to_bytes(4, "little"):
            return None
        return np.frombuffer(data, self._dtype).reshape(self._shape)

    def sync(self) -> None:
        """Bring what was written to the disk, or to the machine that has it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _whole_pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE

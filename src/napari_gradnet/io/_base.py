"""What every image file offers: planes to read and a place to write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_gradnet.errors import FileFormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes

__all__ = ["ImageSource", "Sink", "check_expansion", "join_messages"]

#: Decoded bytes for each stored byte, beyond which a header is not believed. Deflate
#: reaches 1,032 and LZW about 2,700; zstd goes further on blank images only.
MAX_EXPANSION = 20_000
#: Below this many bytes a blank image may well be stored in almost nothing.
_ALWAYS_FINE = 64 * 2**20


def join_messages(*messages: str) -> str:
    """Join the sentences that are not empty."""
    return "; ".join(message for message in messages if message)


def check_expansion(path: Path, what: str, claimed: int, stored: int) -> None:
    """Refuse a header that claims far more bytes than the file can hold.

    Parameters
    ----------
    path : Path
        The file, for the message.
    what : str
        The part of the file, for the message.
    claimed, stored : int
        Decoded and stored size, in bytes.

    Raises
    ------
    FileFormatError
        `claimed` is more than any compression explains.
    """
    if claimed > _ALWAYS_FINE and claimed > stored * MAX_EXPANSION:
        msg = (
            f"{path}: {what} claims {claimed:,} bytes of pixels, but only {stored:,} "
            "bytes are stored for it: the header is wrong or the file is damaged"
        )
        raise FileFormatError(msg)


class ImageSource(ABC):
    """An open image file whose planes are read one at a time.

    Not safe for use from several threads at once.

    Attributes
    ----------
    path : Path
        The file.
    axes : ImageAxes
        Axes and shape.
    dtype : numpy.dtype
        Type of the pixels, in native byte order.
    kind : str
        ``"imagej"``, ``"ome"``, ``"shaped"`` (tifffile's own), ``"plain"``, ``"png"``
        or ``"jpeg"``.
    message : str
        What was guessed or left out on reading; empty when there was nothing to say.
    orientation : int
        How the picture is to be turned on showing it, as TIFF and EXIF count: 1 is
        upright. Pixels are never turned.
    """

    path: Path
    axes: ImageAxes
    dtype: np.dtype[Any]
    kind: str
    message: str = ""
    orientation: int = 1

    @property
    @abstractmethod
    def metadata(self) -> Mapping[str, Any]:
        """What the file says about itself."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each of `axes`."""
        return self.axes.shape

    @property
    def num_planes(self) -> int:
        """Number of planes."""
        return self.axes.num_planes

    @property
    def nbytes(self) -> int:
        """Size of all pixels, in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def read_plane(self, index: int) -> NDArray[Any]:
        """Read one plane from disk.

        Parameters
        ----------
        index : int
            Number of the plane, from 0, in C order of ``axes.stack_axes``.

        Returns
        -------
        ndarray, shape (Y, X) or (Y, X, S)
            A fresh array of `dtype`.

        Raises
        ------
        InputError
            There is no such plane.
        FileFormatError
            The file is damaged at this plane.
        """
        if not 0 <= index < self.num_planes:
            msg = (
                f"plane {index} of {self.path}: its planes are 0..{self.num_planes - 1}"
            )
            raise InputError(msg)
        return self._read(index)

    def iter_planes(self) -> Iterator[NDArray[Any]]:
        """Read plane after plane, in stack order."""
        for index in range(self.num_planes):
            yield self._read(index)

    def sample_planes(self, count: int) -> Iterator[NDArray[Any]]:
        """Read at most `count` planes, evenly spaced over the stack.

        The first and the last plane are among them from ``count=2`` on.
        """
        if count < 1:
            msg = f"count={count} planes to sample: give 1 or more"
            raise InputError(msg)
        last = self.num_planes - 1
        picks = [last // 2] if count == 1 else np.linspace(0, last, count).round()
        for index in sorted({int(k) for k in picks}):
            yield self._read(index)

    @abstractmethod
    def _read(self, index: int) -> NDArray[Any]:
        """Read a plane whose number is valid."""

    def close(self) -> None:  # noqa: B027 - most formats keep nothing open
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Sink(Protocol):
    """Where planes of one format go; it writes to a temporary file."""

    message: str

    def write_plane(self, plane: NDArray[Any]) -> None:
        """Take the next plane, checked for shape and dtype."""

    def finish(self) -> None:
        """Write what is left, once all planes have come."""

    def close(self) -> None:
        """Close the file, finished or not."""

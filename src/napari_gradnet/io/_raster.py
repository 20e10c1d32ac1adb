"""What PNG and JPEG share: one image that is read and written as a whole."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import AxesError, FileFormatError
from napari_gradnet.io._base import ImageSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["RasterSink", "RasterSource"]


class RasterSource(ImageSource):
    """A picture that a codec decodes as a whole.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Shape that the header claims.
    dtype : numpy.dtype
        Type that the header claims.
    axes : str or None
        Letters given by the caller.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        axes: str | None,
    ) -> None:
        self.path = path
        self.dtype = dtype
        try:
            self.axes = ImageAxes(axes.upper() if axes else "YXS"[: len(shape)], shape)
        except AxesError as error:
            msg = f"{path}: {error}"
            raise AxesError(msg) from None
        self._indices = list(self.axes.iter_planes())

    @property
    @abstractmethod
    def icc(self) -> bytes | None:
        """Colour profile."""

    @abstractmethod
    def _decode(self) -> NDArray[Any]:
        """Decode the whole picture."""

    def _read(self, index: int) -> NDArray[Any]:
        try:
            data = np.asarray(self._decode())
        except Exception as error:
            msg = f"{self.path} cannot be read, the file may be damaged ({error})"
            raise FileFormatError(msg) from error
        if data.shape != self.shape or data.dtype != self.dtype:
            msg = (
                f"{self.path}: its header tells of shape {self.shape} and type "
                f"{self.dtype}, decoded were {data.shape} and {data.dtype}"
            )
            raise FileFormatError(msg)
        plane = self.axes.to_plane(data[self._indices[index]])
        return np.array(plane, order="C")


class RasterSink:
    """Collects a picture and encodes it at the end.

    Parameters
    ----------
    path : Path
        The temporary file, which exists and is empty.
    axes : ImageAxes
        Axes of the whole picture.
    dtype : numpy.dtype
        Of the pixels.
    encode : callable
        Makes the bytes of the file from the picture.
    message : str
        What is left out.
    """

    def __init__(
        self,
        path: Path,
        axes: ImageAxes,
        dtype: np.dtype[Any],
        encode: Callable[[NDArray[Any]], bytes],
        message: str = "",
    ) -> None:
        self.message = message
        self._path = path
        self._axes = axes
        self._encode = encode
        self._picture = np.empty(axes.shape, dtype)
        self._indices = axes.iter_planes()

    def write_plane(self, plane: NDArray[Any]) -> None:
        """Take the next plane."""
        self._picture[next(self._indices)] = self._axes.from_plane(plane)

    def finish(self) -> None:
        """Encode and write the picture."""
        self._path.write_bytes(self._encode(self._picture))

    def close(self) -> None:
        """Nothing is open."""

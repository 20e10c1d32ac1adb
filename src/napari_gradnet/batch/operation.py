"""What jobs do to every plane of an image: operations, and what they become."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes

    #: Planes, or windows of planes, by channel: what a scaling is settled from.
    Samples = Mapping[int, Sequence[NDArray[Any]]]
    #: Reads rows and columns of one plane, in ``YX(S)`` order.
    ReadWindow = Callable[[tuple[slice, slice]], NDArray[Any]]

__all__ = ["Operation", "PlaneWork"]


class Operation(ABC):
    """What is done to every plane of an image: options only, small, picklable.

    `settle` looks at samples of the image and puts all that planes and blocks must
    share into JSON; `bind` turns that into something that runs. So a process that
    resumes or helps, given the same JSON, computes the same.
    """

    @abstractmethod
    def describe(self, axes: ImageAxes, dtype: np.dtype[Any]) -> dict[str, Any]:
        """All that results depend on, as JSON, for `Job.fingerprint`.

        Also the hash of the model: `axes` and `dtype` of the image decide which is
        ``auto``.
        """

    @abstractmethod
    def settle(
        self, axes: ImageAxes, dtype: np.dtype[Any], samples: Samples
    ) -> dict[str, Any]:
        """Settle scaling, noise, precision and tiles for one image, as JSON.

        Parameters
        ----------
        axes, dtype
            Of the image.
        samples : mapping of int to sequence of ndarray
            For each channel planes, or windows of planes, that stand for it
            (`samples.sample_planes`).
        """

    @abstractmethod
    def bind(
        self, axes: ImageAxes, dtype: np.dtype[Any], state: Mapping[str, Any]
    ) -> PlaneWork:
        """Make what runs from what `settle` gave."""


class PlaneWork(ABC):
    """An operation that is ready to run in this process. Safe in several threads.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the results.
    halo : int or None
        Pixels of context around a part of a plane, so that the part equals that of the
        whole plane. None: only whole planes are exact.
    alignment : int
        Parts, with their context, start and end at multiples of it, counted from the
        plane's first pixel at the start and from its last one at the end.
    statistics_size : int
        Numbers that `statistics` gives; 0 where parts need none.
    record : dict
        What was done, for the output's history (`inference.files.processing_record`).
    """

    dtype: np.dtype[Any]
    halo: int | None
    alignment: int = 1
    statistics_size: int = 0

    @property
    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What was done, JSON-able."""

    def statistics_windows(self) -> list[tuple[slice, slice]]:
        """Windows that `statistics` reads of each plane; none where it needs none."""
        return []

    def statistics(self, read: ReadWindow, number: int) -> NDArray[np.float32]:
        """Gather what all parts of one plane share (means of channel attention).

        Parameters
        ----------
        read : callable
            Reads a window of the plane.
        number : int
            Of the plane in the image.

        Returns
        -------
        ndarray, shape (statistics_size,)
        """
        import numpy as np

        return np.empty(0, np.float32)

    @abstractmethod
    def apply(
        self,
        plane: NDArray[Any],
        number: int,
        statistics: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        """Work on a plane, or on a part of it together with its context.

        Parameters
        ----------
        plane : ndarray, shape (Y, X) or (Y, X, S)
            In the image's units and dtype.
        number : int
            Of the plane in the image, which says its channel.
        statistics : ndarray, optional
            What `statistics` gave for this plane; needed for parts.

        Returns
        -------
        ndarray, shape of `plane`
            Of `dtype`. The caller cuts the context off.
        """

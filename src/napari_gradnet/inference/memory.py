"""The memory that a measurement takes."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["PeakMemory"]


class PeakMemory:
    """Watches the resident memory of a process while it is entered.

    Parameters
    ----------
    process : int, optional
        Its number; this process when not given.
    with_children : bool
        The processes that it started count, too.

    Attributes
    ----------
    megabytes : float
        Most at any moment, 10**6 bytes; known once the watching is over.
    growth : float
        The same above what there was at the beginning.
    """

    def __init__(
        self, process: int | None = None, *, with_children: bool = False
    ) -> None:
        self.megabytes = self.growth = 0.0
        self._process = psutil.Process(process)
        self._with_children = with_children
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _now(self) -> int:
        total = 0
        with contextlib.suppress(psutil.Error):  # a process that has just ended
            total = self._process.memory_info().rss
            if self._with_children:
                for child in self._process.children(recursive=True):
                    total += child.memory_info().rss
        return total

    def _watch(self) -> None:
        before = peak = self._now()
        while not self._stop.wait(0.05 if self._with_children else 0.005):
            peak = max(peak, self._now())
        self.megabytes = peak / 1e6
        self.growth = (peak - before) / 1e6

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

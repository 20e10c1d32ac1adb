"""Progress on a terminal, quiet lines in a pipe."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tqdm import tqdm

    from napari_gradnet.events import Event, Progress

__all__ = ["ProgressBar"]

#: Seconds between the lines of a long piece of work in a pipe.
LINE_SECONDS = 30.0


class ProgressBar:
    """Shows `Progress` events: a bar with rate and time left, or a line now and then.

    Parameters
    ----------
    title : str
        What is worked on.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._bar: tqdm[object] | None = None
        self._began = self._told = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        from napari_gradnet.events import Progress

        if not isinstance(event, Progress):
            return
        if event.message:
            click.echo(f"{self.title}: {event.message}", err=True)
        if sys.stderr.isatty():
            self._draw(event)
        elif time.monotonic() - self._told > LINE_SECONDS and event.done < event.total:
            self._told = time.monotonic()
            done = f"{event.done} of {event.total} {event.unit}s"
            click.echo(f"{self.title}: {done}", err=True)

    def _draw(self, event: Progress) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=event.total, desc=self.title, unit=event.unit, leave=False
            )
        self._bar.update(event.done - self._bar.n)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

"""Progress events: what the core yields and front ends draw.

Long work in this package is a generator of events; `drain` runs one to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Event", "OnEvent", "Progress", "drain"]

E = TypeVar("E")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """`done` of `total` units (tiles, planes, files) are finished.

    Parameters
    ----------
    done, total : int
        Finished and all units.
    unit : str
        What is counted.
    message : str
        A sentence for the user, or empty.
    """

    done: int
    total: int
    unit: str = "tile"
    message: str = ""


OnEvent = Callable[[Event], None]


def drain(
    work: Generator[E, None, T], on_event: Callable[[E], None] | None = None
) -> T:
    """Run a generator of events to its end and return its value.

    Parameters
    ----------
    work : generator
        The work. It is closed when `on_event` raises, so that it can clean up.
    on_event : callable, optional
        Called with every event. An exception it raises cancels the work.

    Returns
    -------
    object
        What the generator returned.
    """
    try:
        while True:
            event = next(work)
            if on_event is not None:
                on_event(event)
    except StopIteration as stop:
        return stop.value
    finally:
        work.close()

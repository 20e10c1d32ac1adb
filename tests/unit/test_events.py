"""Generators of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_gradnet.events import Event, Progress, drain

if TYPE_CHECKING:
    from collections.abc import Generator


def work(log: list[str]) -> Generator[Event, None, str]:
    try:
        for done in range(3):
            yield Progress(done, 3)
            log.append(f"after {done}")
    finally:
        log.append("closed")
    return "result"


def test_drain_hands_on_events_and_returns_the_value() -> None:
    seen: list[Event] = []
    assert drain(work([]), seen.append) == "result"
    assert seen == [Progress(0, 3), Progress(1, 3), Progress(2, 3)]
    assert drain(work([])) == "result"


def test_raising_in_on_event_closes_the_work() -> None:
    log: list[str] = []

    def stop(event: Event) -> None:
        if event == Progress(1, 3):
            msg = "enough"
            raise KeyError(msg)

    with pytest.raises(KeyError, match="enough"):
        drain(work(log), stop)
    assert log == ["after 0", "closed"]


def test_an_error_of_the_work_comes_through() -> None:
    def broken() -> Generator[Event, None, None]:
        yield Progress(0, 1)
        msg = "no disk"
        raise OSError(msg)

    with pytest.raises(OSError, match="no disk"):
        drain(broken())


def test_events_are_frozen() -> None:
    with pytest.raises(AttributeError, match="cannot assign"):
        Progress(0, 1).done = 1

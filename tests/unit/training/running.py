"""Trainings run to their end."""

from __future__ import annotations

from typing import Any

from napari_gradnet.events import drain

__all__ = ["run"]


def run(trainer: Any) -> list[Any]:
    """Run a trainer; all that it told."""
    events: list[Any] = []
    drain(trainer.run(), events.append)
    return events

"""Events for programs that start this one: a line of JSON each, on the output."""

from __future__ import annotations

import _thread
import dataclasses
import json
import math
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from napari_gradnet.events import Event

__all__ = ["interrupt_at_end_of_input", "write_event", "write_line"]


def _plain(value: Any) -> Any:
    """Turn a value into what JSON has; NaN and infinity into null."""
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def write_line(kind: str, values: dict[str, Any]) -> None:
    """Write an event; arrays are left out."""
    kept = {k: v for k, v in values.items() if not hasattr(v, "__array__")}
    line = {"event": kind, **{k: _plain(v) for k, v in kept.items()}}
    click.echo(json.dumps(line))
    sys.stdout.flush()


def write_event(event: Event) -> None:
    """Write an event under the name of its class."""
    # not `asdict`, which would copy the arrays
    values = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    write_line(type(event).__name__, values)


def interrupt_at_end_of_input() -> None:
    """Interrupt the work, as Ctrl-C does, when the standard input ends.

    The program that started this one closes it for that, and the system does when that
    program dies.
    """

    def wait() -> None:
        # not through `sys.stdin`, whose lock would be held at the interpreter's end
        while os.read(0, 4096):
            pass
        _thread.interrupt_main()

    threading.Thread(target=wait, daemon=True).start()

"""The process of a training: how it is started, and what it says."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (  # type: ignore[attr-defined]
    QObject,
    QProcess,
    Signal,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["TrainingProcess", "check_command", "last_line"]

_GRADNET = "import sys; from napari_gradnet.cli import main; sys.exit(main())"
#: How far the process stands behind the viewer for the processor; as jobs do.
_STEP_BACK = 5


def check_command(folder: Path) -> list[str]:
    """Arguments of Python that estimate a training."""
    config = str(folder / "config.yaml")
    return ["-c", _GRADNET, "train", config, "--check", "--events"]


def last_line(errors: str, code: int) -> str:
    """Say why a process failed, from what it wrote."""
    lines = [line for line in errors.strip().splitlines() if line.strip()]
    if not lines:
        return f"The training ended with code {code}."
    return lines[-1].removeprefix("Error: ").strip()


class TrainingProcess(QProcess):
    """``gradnet train --events`` in a run folder.

    Parameters
    ----------
    folder : Path
        Holds ``config.yaml``.
    parent : QObject
        Owns the process.

    Attributes
    ----------
    told : Signal
        One event, a dict.
    heard : Signal
        After all events that came at once.
    over : Signal
        Its exit code, when all it said was told.
    not_started : Signal
        Why not.
    errors : str
        The end of what it wrote to its error output.
    """

    told = Signal(dict)
    heard = Signal()
    over = Signal(int)
    not_started = Signal(str)

    def __init__(self, folder: Path, parent: QObject) -> None:
        super().__init__(parent)
        self.errors = ""
        self._folder = folder
        self._line = b""
        self.readyReadStandardOutput.connect(self._on_output)
        self.readyReadStandardError.connect(self._on_error_output)
        self.finished.connect(self._on_end)
        self.errorOccurred.connect(self._on_error)

    def begin(self, options: Sequence[str]) -> None:
        """Start it, with further options of ``gradnet train``."""
        config, folder = str(self._folder / "config.yaml"), str(self._folder)
        words = ["-c", _GRADNET, "train", config, "-o", folder, "--events", *options]
        self.start(sys.executable, words)
        if sys.platform != "win32":  # the viewer goes first
            with suppress(OSError):
                child = int(self.processId())
                now = os.getpriority(os.PRIO_PROCESS, child)
                os.setpriority(os.PRIO_PROCESS, child, min(now + _STEP_BACK, 19))

    def _on_output(self) -> None:
        self._line += bytes(self.readAllStandardOutput().data())
        *whole, self._line = self._line.split(b"\n")
        for line in whole:
            with suppress(ValueError):  # a library's own words
                event = json.loads(line)
                if isinstance(event, dict):
                    self.told.emit(event)
        if whole:
            self.heard.emit()

    def _on_error_output(self) -> None:
        text = bytes(self.readAllStandardError().data()).decode("utf-8", "replace")
        self.errors = (self.errors + text)[-8000:]

    def _on_error(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.not_started.emit(self.errorString())

    def _on_end(self, code: int, _status: Any = None) -> None:
        self._on_output()
        self._on_error_output()
        self.over.emit(code)

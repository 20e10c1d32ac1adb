"""What a training would take, found out in a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QProcess, Signal  # type: ignore[attr-defined]

from napari_gradnet.widgets._timing import in_words
from napari_gradnet.widgets._train_process import check_command, last_line

__all__ = ["TrainingCheck", "estimate_sentence"]


def estimate_sentence(report: dict[str, Any]) -> str:
    """Say what a training would take.

    Parameters
    ----------
    report : dict
        Values of a `CheckReport`.
    """
    seconds = max(report["seconds_per_step"], 1e-6)
    within = round(3600 * report["hours"] / seconds)
    steps = max(1, min(report["total_steps"], within))
    megabytes = report["image_megabytes"] + report["peak_megabytes"]
    text = (
        f"{report['images']} images to train on, {report['held_out']} held out. A step "
        f"takes {_short(seconds)} on {report['device']}: about {steps:,} steps in "
        f"{in_words(3600 * report['hours'])}, with {megabytes:,.0f} MB of memory."
    )
    problems = [*report["warnings"], *(f"skipped {s}" for s in report["skipped"])]
    return "\n".join([text, *problems])


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"


class TrainingCheck(QObject):
    """Runs ``gradnet train --check``; `ended` tells the result, once a start.

    Parameters
    ----------
    parent : QObject
        The check ends with it.
    """

    ended = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._cancelled = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def new_folder(self) -> Path:
        """Make a folder for the configuration and the images; it goes at the end."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(
            prefix="gradnet-check-", ignore_cleanup_errors=True
        )
        return Path(self._folder.name)

    def start(self) -> None:
        """Estimate the training whose configuration lies in the folder."""
        if self._folder is None:
            return
        process = QProcess(self)
        process.finished.connect(self._on_end)
        process.errorOccurred.connect(self._on_error)
        self._process, self._cancelled = process, False
        process.start(sys.executable, check_command(Path(self._folder.name)))

    def cancel(self) -> None:
        """End it without a result."""
        if self._process is not None:
            self._cancelled = True
            self._process.kill()

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _on_error(self, error: Any) -> None:
        if self._process is not None and error == QProcess.ProcessError.FailedToStart:
            text = self._process.errorString()
            self._process = None
            self.close()
            self.ended.emit(f"The estimate cannot be started: {text}")

    def _on_end(self, code: int, status: Any = None) -> None:
        process, self._process = self._process, None
        self.close()
        if process is None:
            return
        if self._cancelled:
            self.ended.emit("Cancelled.")
            return
        if status == QProcess.ExitStatus.CrashExit:
            self.ended.emit(
                f"The estimate was ended by the system (code {code}), perhaps for want "
                "of memory: try a smaller batch or patch."
            )
            return
        output = bytes(process.readAllStandardOutput().data())
        errors = bytes(process.readAllStandardError().data()).decode("utf-8", "replace")
        process.deleteLater()
        for line in output.splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == "CheckReport":
                    self.ended.emit(estimate_sentence(event))
                    return
        self.ended.emit(last_line(errors, code))

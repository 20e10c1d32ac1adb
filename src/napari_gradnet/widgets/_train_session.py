"""A training in a process of its own; it goes on when the widget is closed.

Pausing ends the process after a checkpoint, resuming starts another one: there is one
way to stop, the same for a pause, the end of napari, or its death (the process notices
that its input has ended).
"""

from __future__ import annotations

import atexit
import logging
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QCoreApplication,
    QObject,
    Signal,
)

from napari_gradnet.errors import TrainingError
from napari_gradnet.widgets._timing import TimeLeft
from napari_gradnet.widgets._train_history import History, of_the_kept, read_metrics
from napari_gradnet.widgets._train_keep import keep_model
from napari_gradnet.widgets._train_process import TrainingProcess, last_line

__all__ = [
    "ACTIVE",
    "TrainingSession",
    "current_session",
    "open_session",
]

logger = logging.getLogger(__name__)

#: States in which there is a process.
ACTIVE = ("starting", "running", "pausing", "finishing")
#: Milliseconds that napari waits at its end for a checkpoint.
_PATIENCE = 30_000
_INTERRUPTED = 130


class TrainingSession(QObject):
    """One run folder and the process that trains in it.

    Parameters
    ----------
    folder : Path
        Holds ``config.yaml``.
    name : str
        Of the model.

    Attributes
    ----------
    state : str
        ``starting``, ``running``, ``pausing``, ``paused``, ``finishing``, ``finished``
        or ``failed``.
    message : str
        A sentence on it.
    model : Path or None
        The finished model, among the user's own.
    """

    changed = Signal()
    measured = Signal()
    pictured = Signal()

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(QCoreApplication.instance())
        self.folder, self.name = folder, name
        self.state, self.message = "paused", "Not started yet."
        self.hint = ""
        self.notes: list[str] = []
        self.history = History.of_run(folder)
        self.model: Path | None = None
        self._written: Path | None = None
        self._finish = False
        self._began = self._resumed = False
        self._time = TimeLeft()
        self._process: TrainingProcess | None = None
        if self.checkpoint:
            self.message = f"Paused {self._so_far()}."
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)
        atexit.register(self.shut_down)

    # ------------------------------------------------------------- what to do

    @property
    def active(self) -> bool:
        """Whether there is a process."""
        return self.state in ACTIVE

    @property
    def checkpoint(self) -> bool:
        """Whether there is something to go on from."""
        return (self.folder / "last.pt").exists()

    def start(self) -> None:
        """Start the training, or go on with it.

        Raises
        ------
        TrainingError
            It runs already.
        """
        if self.active:
            msg = f"{self.name} is being trained already: pause it first"
            raise TrainingError(msg)
        self._finish = self._began = False
        self._written = None
        self._time = TimeLeft()
        self._resumed = self.checkpoint
        self._launch(["--resume"] if self._resumed else [])
        self._to("starting", "Starting: reading the images ...")

    def pause(self) -> None:
        """End the process after its present step, with a checkpoint."""
        if self.state not in ("starting", "running"):
            return
        self._to("pausing", "Pausing: writing a checkpoint ...")
        self._ask_to_stop()

    def finish(self) -> None:
        """Stop, and make a model of the best weights so far."""
        if self.state == "starting" and not self._began and not self.checkpoint:
            self.pause()  # there is no best yet
        elif self.state in ("starting", "running"):
            self._finish = True
            self._to("finishing", "Stopping: writing the best model ...")
            self._ask_to_stop()
        elif not self.active and self.checkpoint:
            self._finish, self._written = False, None
            self._launch(["--finish"])
            self._to("finishing", "Writing the best model ...")

    def command(self) -> str:
        """Shell command that trains anew with the same configuration and images."""
        folder = self.folder
        again = folder.with_name(f"{folder.name}-again")
        words = ["gradnet", "train", str(folder / "config.yaml"), "-o", str(again)]
        return shlex.join(words)

    def python_script(self) -> str:
        """Script that does the same."""
        again = self.folder.with_name(f"{self.folder.name}-again")
        config = str(self.folder / "config.yaml")
        return (
            "from napari_gradnet import api\n\n"
            f"model = api.train({config!r}, {str(again)!r})\n"
        )

    # ---------------------------------------------------------------- process

    def _launch(self, options: list[str]) -> None:
        process = TrainingProcess(self.folder, self)
        process.told.connect(self._take)
        process.heard.connect(self.measured)
        process.over.connect(self._on_end)
        process.not_started.connect(self._on_no_start)
        self._process = process
        process.begin(options)

    def _ask_to_stop(self) -> None:
        if self._process is None:
            return
        if self._began:
            self._process.closeWriteChannel()
        else:  # nothing is lost: the images are still being read
            self._process.kill()

    def shut_down(self) -> None:
        """Let the process write a checkpoint at the end of napari, and wait for it."""
        with suppress(RuntimeError):  # Qt's side may be gone
            process = self._process
            if process is not None and self.active:
                if not self._began:
                    process.kill()
                process.closeWriteChannel()
                process.waitForFinished(_PATIENCE)

    def _to(self, state: str, message: str) -> None:
        self.state, self.message = state, message
        self.changed.emit()

    def _on_no_start(self, why: str) -> None:
        self._process = None
        self._to("failed", f"The training cannot be started: {why}")

    def _on_end(self, code: int) -> None:
        errors = self._process.errors if self._process is not None else ""
        self._process = None
        if self._written is not None and code == 0:
            self._keep(self._written)
        elif self.state in ("pausing", "finishing") or code == _INTERRUPTED:
            self._on_stopped(code, errors)
        else:
            logger.warning("training failed: %s", errors)
            hint = " It can be resumed." if self.checkpoint else ""
            self._to("failed", f"{last_line(errors, code)}{hint}")

    def _keep(self, written: Path) -> None:
        try:
            self.model = keep_model(written)
        except OSError as error:
            self._to("failed", f"{written} cannot be copied to your models: {error}")
            return
        self._to("finished", self._summary())
        show_info(self.message)

    def _on_stopped(self, code: int, errors: str) -> None:
        if self._finish and self.checkpoint:
            self._finish = False
            self._launch(["--finish"])
        elif self.state == "finishing" and code not in (0, _INTERRUPTED):
            self._to("failed", last_line(errors, code))
        elif self.checkpoint:
            self._to("paused", f"Paused {self._so_far()}.")
        else:
            self._to("paused", "Stopped before the first step.")

    # ----------------------------------------------------------------- events

    def _take(self, event: dict[str, Any]) -> None:
        handlers = {
            "Started": self._started,
            "StageStarted": self._stage,
            "StepDone": self._step,
            "Validated": self._validated,
            "ValidationImage": self._pictured,
            "Restarted": lambda e: self.notes.append(e["message"]),
            "Finished": self._finished,
        }
        handle = handlers.get(event.get("event", ""))
        if handle is not None:
            handle(event)

    def _started(self, event: dict[str, Any]) -> None:
        self._began = True
        if not self._resumed:  # else the first step says how far it was
            self._time.update(0, 1)
        skipped = [f"skipped {s}" for s in event["skipped"]]
        hint = [self.hint] if self.hint else []
        self.notes = [*hint, *skipped, *event["warnings"]]
        if self.state == "starting":
            self._to("running", f"{event['message'].capitalize()}.")

    def _stage(self, event: dict[str, Any]) -> None:
        if event["total"] > 1:
            stage = f"Stage {event['number']} of {event['total']}: {event['name']}."
            self.notes.append(stage)

    def _step(self, event: dict[str, Any]) -> None:
        history = self.history
        if event["loss"] is not None:
            history.loss.add(event["step"], event["loss"])
        history.progress = event["progress"]
        left = self._time.update(round(1e5 * event["progress"]), 100_000)
        if self.state == "running":
            speed = f"{event['patches_per_second']:.0f} patches/s"
            parts = [f"Step {event['step']:,}", speed, left]
            self.message = ", ".join(p for p in parts if p)

    def _validated(self, event: dict[str, Any]) -> None:
        history = self.history
        if event["psnr"] is None:
            return
        history.psnr.add(event["step"], event["psnr"])
        history.noisy_psnr = event["noisy_psnr"]
        if event["is_kept"]:
            history.best_psnr = event["psnr"]

    def _pictured(self, event: dict[str, Any]) -> None:
        if event["number"] == 0:
            self.history.picture = Path(event["path"])
            self.pictured.emit()

    def _finished(self, event: dict[str, Any]) -> None:
        self._written = Path(event["model"])
        # a process that was stopped may have validated once more without being heard
        known = of_the_kept(read_metrics(self.folder))
        if known is not None:
            self.history.best_psnr = known

    def _so_far(self) -> str:
        points = self.history.loss.points
        where = f"after step {points[-1][0]:,.0f}" if points else "at the beginning"
        best = self.history.best_psnr
        return where if best is None else f"{where}, best PSNR {best:.2f} dB"

    def _summary(self) -> str:
        best, noisy = self.history.best_psnr, self.history.noisy_psnr
        name = self.model.stem if self.model is not None else self.name
        text = f"Done: {name} is in the list of the Denoise widget."
        if best is not None and noisy is not None:
            text += f" Held-out images: {noisy:.2f} dB noisy, {best:.2f} dB denoised."
        elif best is not None:
            text += f" Held-out images: {best:.2f} dB denoised."
        return text


_sessions: list[TrainingSession] = []


def current_session() -> TrainingSession | None:
    """Return the training of this napari, if there is one."""
    return _sessions[-1] if _sessions else None


def open_session(folder: Path, name: str) -> TrainingSession:
    """Make a session the current one.

    Raises
    ------
    TrainingError
        Another training is under way.
    """
    now = current_session()
    if now is not None and now.active:
        msg = f"{now.name} is being trained: pause or stop it first"
        raise TrainingError(msg)
    session = TrainingSession(folder, name)
    _sessions[:] = [session]
    return session

"""How trainings and estimates end, and what can be started from afterwards."""

from __future__ import annotations

import shutil
import signal
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QObject
from tests.gui.conftest import TIMEOUT

from napari_gradnet.widgets import _timing, _train_process, _train_session
from napari_gradnet.widgets._models import SHELF
from napari_gradnet.widgets._preferences import models_folder
from napari_gradnet.widgets._train_check import TrainingCheck
from napari_gradnet.widgets.train import TrainWidget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot

#: A process that does nothing, for longer than any test.
IDLE = "import time; time.sleep(600)"


@pytest.fixture(autouse=True)
def no_training_left() -> Iterator[None]:
    yield
    for session in _train_session._sessions:
        if session._process is not None:
            session._process.kill()
            session._process.waitForFinished()
    _train_session._sessions.clear()


def start_check(owner: QObject) -> tuple[TrainingCheck, list[str]]:
    check = TrainingCheck(owner)
    told: list[str] = []
    check.ended.connect(told.append)
    check.new_folder()
    check.start()
    return check, told


def test_stopping_while_images_are_read_is_no_failure(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_train_process, "_GRADNET", IDLE)
    session = _train_session.open_session(tmp_path, "x")
    session.start()
    session.finish()
    qtbot.waitUntil(lambda: not session.active, timeout=TIMEOUT)
    assert session.state == "paused"
    assert session.message == "Stopped before the first step."


def test_the_time_left_is_told_after_the_first_step(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 1000, 10))
    clock = SimpleNamespace(monotonic=lambda: float(next(now)))
    monkeypatch.setattr(_timing, "time", clock)
    session = _train_session.open_session(tmp_path, "x")
    started = {"event": "Started", "message": "x", "skipped": [], "warnings": []}
    step: dict[str, Any] = {"event": "StepDone", "loss": 1.0, "patches_per_second": 9}
    session.state = "starting"
    session._take(started)
    session._take({**step, "step": 1, "progress": 0.1})
    assert session.message.endswith(", 1 min 30 s left")
    again = _train_session.TrainingSession(tmp_path, "x")
    again.state, again._resumed = "starting", True
    again._take(started)
    again._take({**step, "step": 5, "progress": 0.5})
    assert "left" not in again.message
    again._take({**step, "step": 6, "progress": 0.6})
    assert again.message.endswith(", 40 s left")


def test_an_estimate_that_is_cancelled_says_so(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_train_process, "_GRADNET", IDLE)
    owner = QObject()
    check, told = start_check(owner)
    check.cancel()
    qtbot.waitUntil(lambda: bool(told), timeout=TIMEOUT)
    assert told == ["Cancelled."]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not ended so there")
def test_an_estimate_that_the_system_ends_says_so(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    monkeypatch.setattr(_train_process, "_GRADNET", code)
    owner = QObject()
    _, told = start_check(owner)
    qtbot.waitUntil(lambda: bool(told), timeout=TIMEOUT)
    assert "ended by the system" in told[0]


def test_a_finished_model_can_be_started_from_until_it_is_gone(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path
) -> None:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    starts = widget.form.starts
    model = models_folder() / "mine.safetensors"
    model.parent.mkdir(parents=True)
    shutil.copy(grey_model, model)
    SHELF.changed.emit()
    qtbot.waitUntil(lambda: starts.findData(str(model)) > 0, timeout=TIMEOUT)
    starts.setCurrentIndex(starts.findData(str(model)))
    model.unlink()
    SHELF.changed.emit()
    SHELF.changed.emit()  # while it is looking
    qtbot.waitUntil(lambda: starts.findData(str(model)) < 0, timeout=TIMEOUT)
    assert starts.currentData() is None
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)

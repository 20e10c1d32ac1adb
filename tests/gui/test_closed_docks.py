"""Forms end when napari's X takes their dock away, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QObject, QProcess, Qt, QThreadPool
from qtpy.QtWidgets import QDockWidget, QMainWindow
from tests.gui.conftest import TIMEOUT

from napari_gradnet.widgets import _train_process
from napari_gradnet.widgets._form import Form
from napari_gradnet.widgets._job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytestqt.qtbot import QtBot

    from napari_gradnet.events import Event

PLUGIN = "napari-gradnet"


def watch(form: QObject) -> list[bool]:
    """List that is empty until the form is gone."""
    gone: list[bool] = []
    form.destroyed.connect(lambda *_: gone.append(True))
    return gone


def close(qtbot: QtBot, dock: Any, form: QObject) -> None:
    """Press X, as napari has it, and wait until the form is gone."""
    gone = watch(form)
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: bool(gone), timeout=TIMEOUT)


def test_every_form_goes_with_its_dock(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    from npe2 import PluginManifest

    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((32, 32), np.uint8))
    manifest = PluginManifest.from_distribution(PLUGIN)
    for widget in manifest.contributions.widgets or ():
        dock, form = viewer.window.add_plugin_dock_widget(PLUGIN, widget.display_name)
        assert isinstance(form, Form)
        close(qtbot, dock, form)
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)


def test_the_curtain_goes_with_the_dock(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((32, 32), np.uint8), name="noisy")
    viewer.add_image(np.ones((32, 32), np.uint8), name="denoised")
    callbacks = len(viewer.mouse_drag_callbacks)
    dock, form = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    form.curtain_button.click()
    assert "curtain" in viewer.layers
    close(qtbot, dock, form)
    assert [x.name for x in viewer.layers] == ["noisy", "denoised"]
    assert all(x.visible for x in viewer.layers)
    assert len(viewer.mouse_drag_callbacks) == callbacks


@pytest.fixture
def docked(qtbot: QtBot) -> tuple[QMainWindow, QDockWidget, Form]:
    """A form in a dock of a window."""
    window = QMainWindow()
    qtbot.addWidget(window)
    dock, form = QDockWidget(window), Form()
    dock.setWidget(form)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    return window, dock, form


def settle(qtbot: QtBot, docked: tuple[QMainWindow, QDockWidget, Form]) -> list[bool]:
    """Let Qt do what it put off; whether the form has gone."""
    gone = watch(docked[2])
    for _ in range(5):
        qtbot.wait(10)
    return gone


def test_moved_and_hidden_docks_keep_their_form(
    qtbot: QtBot, docked: tuple[QMainWindow, QDockWidget, Form]
) -> None:
    window, dock, form = docked
    dock.setFloating(True)
    assert settle(qtbot, docked) == []
    dock.setFloating(False)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    other = QDockWidget(window)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, other)
    window.tabifyDockWidget(other, dock)
    dock.hide()
    assert settle(qtbot, docked) == []
    dock.show()
    form.setParent(None)  # a script puts it elsewhere
    other.setWidget(form)
    assert settle(qtbot, docked) == []


def test_work_and_form_end_together(
    qtbot: QtBot, docked: tuple[QMainWindow, QDockWidget, Form]
) -> None:
    from napari_gradnet.events import Progress

    closed: list[bool] = []

    def work() -> Generator[Event, None, None]:
        try:
            while True:
                yield Progress(0, 1)
        finally:
            closed.append(True)

    form = docked[2]
    job = Job(form)
    with qtbot.waitSignal(job.progressed, timeout=TIMEOUT):
        job.start(work())
    gone = watch(form)
    form.setParent(None)
    qtbot.waitUntil(lambda: bool(gone), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: bool(closed), timeout=TIMEOUT)
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)


def test_an_estimate_ends_with_the_dock_and_leaves_nothing(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_train_process, "_GRADNET", "import time; time.sleep(600)")
    viewer = make_napari_viewer()
    dock, form = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    folder = form.check.new_folder()
    form.check.start()
    running = QProcess.ProcessState.Running
    qtbot.waitUntil(lambda: form.check._process.state() == running, timeout=TIMEOUT)
    close(qtbot, dock, form)
    qtbot.waitUntil(lambda: not folder.exists(), timeout=TIMEOUT)
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)

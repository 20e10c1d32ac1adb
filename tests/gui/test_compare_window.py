"""The Compare widget in napari's own window, with the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt, QThreadPool
from qtpy.QtWidgets import QApplication
from tests.gui.conftest import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

PLUGIN = "napari-gradnet"
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> Any:
    """A window with the photo, and its red half as what was made from it."""
    viewer = make_napari_viewer(show=True)
    viewer.open_sample(PLUGIN, "photo")
    red = viewer.layers["photo, noisy"].data * np.array([1, 0, 0], np.uint8)
    viewer.add_image(
        red, rgb=True, name="red", metadata={PLUGIN: {"source": "photo, noisy"}}
    )
    return viewer


def open_widget(qtbot: QtBot, viewer: Any) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    QApplication.processEvents()
    viewer.reset_view()
    return widget


def place(viewer: Any, x: float, y: float) -> QPoint:
    """Point of the canvas at a place of the image."""
    native = viewer.window._qt_viewer.canvas.native
    camera = viewer.scene.camera
    _, down, right = camera.center
    return QPoint(
        round(native.width() / 2 + (x - right) * camera.zoom),
        round(native.height() / 2 + (y - down) * camera.zoom),
    )


def drag(qtbot: QtBot, viewer: Any, first: QPoint, last: QPoint) -> None:
    native = viewer.window._qt_viewer.canvas.native

    def settle() -> None:
        qtbot.wait(20)  # napari reads the mouse every 5 ms

    qtbot.mouseMove(native, first)
    settle()
    qtbot.mousePress(native, LEFT, pos=first)
    settle()
    for part in (0.5, 0.9, 1.0):
        qtbot.mouseMove(native, first + (last - first) * part)
        settle()
    qtbot.mouseRelease(native, LEFT, pos=last)
    settle()


def colours(viewer: Any) -> Any:
    """The row of the canvas through the middle."""
    picture = viewer.screenshot(canvas_only=True, flash=False)
    return picture[len(picture) // 2, :, :3]


def test_the_line_is_dragged_with_the_mouse(qtbot: QtBot, viewer: Any) -> None:
    widget = open_widget(qtbot, viewer)
    qtbot.mouseClick(widget.curtain_button, LEFT)
    center = viewer.scene.camera.center
    start, end = place(viewer, 225, 150), place(viewer, 120, 160)
    row = colours(viewer)
    # green is left of the line only
    assert row[start.x() - 60 : start.x() - 10, 1].mean() > 20
    assert row[start.x() + 10 : start.x() + 60, 1].max() == 0
    drag(qtbot, viewer, start, end)
    assert viewer.scene.camera.center == center  # the picture stays where it is
    assert widget.slider.value() == pytest.approx(1000 * 120.5 / 451, abs=10)
    cut = viewer.layers["red (curtain)"]
    assert cut.data.shape[1] == pytest.approx(451 - 120.5, abs=5)
    row = colours(viewer)
    assert row[end.x() + 10 : start.x(), 1].max() == 0
    assert row[end.x() - 50 : end.x() - 10, 1].mean() > 20
    # away from the line the mouse moves the picture, as ever
    drag(qtbot, viewer, place(viewer, 250, 100), place(viewer, 280, 120))
    assert viewer.scene.camera.center != center
    assert widget.slider.value() == pytest.approx(1000 * 120.5 / 451, abs=10)
    qtbot.mouseClick(widget.curtain_button, LEFT)
    assert "curtain" not in viewer.layers
    assert colours(viewer)[start.x() + 10 : start.x() + 60, 1].max() == 0


def test_both_stand_side_by_side(qtbot: QtBot, viewer: Any) -> None:
    widget = open_widget(qtbot, viewer)
    qtbot.mouseClick(widget.side_button, LEFT)
    row = colours(viewer)
    half = len(row) // 2
    assert row[half // 2 - 20 : half // 2 + 20, 1].mean() > 20
    assert row[half + half // 2 - 20 : half + half // 2 + 20, 1].max() == 0
    qtbot.mouseClick(widget.side_button, LEFT)
    assert not viewer.canvas.grid.enabled


def test_noise_and_quality_in_the_window(qtbot: QtBot, viewer: Any) -> None:
    widget = open_widget(qtbot, viewer)
    assert widget.reference.layer is viewer.layers["photo, clean"]
    for index, tab in ((1, widget.noise), (2, widget.quality)):
        widget.tabs.setCurrentIndex(index)
        (button,) = tab.bar.buttons.values()
        with qtbot.waitSignal(tab.job.ended, timeout=TIMEOUT):
            qtbot.mouseClick(button, LEFT)
    assert "brightness changed" in widget.noise.told.text()
    assert widget.quality.table.columnCount() == 2


def test_the_window_is_closed_in_the_middle(qtbot: QtBot, viewer: Any) -> None:
    widget = open_widget(qtbot, viewer)
    qtbot.mouseClick(widget.curtain_button, LEFT)
    widget.noise.start()
    widget.tabs.setCurrentIndex(3)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)


def test_the_dock_is_closed_with_the_curtain_up(qtbot: QtBot, viewer: Any) -> None:
    widget = open_widget(qtbot, viewer)
    qtbot.mouseClick(widget.curtain_button, LEFT)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    del widget
    qtbot.waitUntil(lambda: "curtain" not in viewer.layers, timeout=TIMEOUT)
    assert viewer.layers["red"].visible

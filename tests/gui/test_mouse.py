"""The widgets in napari's window, used with the mouse and the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.gui.conftest import TIMEOUT

from napari_gradnet.widgets._rectangle import find_rectangles, rectangle_region
from napari_gradnet.widgets._task import LAZY, RECTANGLE, VIEW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

PLUGIN = "napari-gradnet"
LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


def click(widget: QWidget) -> None:
    """Press the left button in the middle of a widget that can be seen."""
    assert widget.isVisible()
    assert widget.isEnabled()
    QTest.mouseClick(widget, LEFT, NONE, widget.rect().center())


@pytest.fixture
def opened(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    grey_model: Path,
    rng: np.random.Generator,
) -> tuple[Any, Any]:
    """A window with a stack and the Denoise widget, a tiny model chosen."""
    viewer = make_napari_viewer(show=True)
    stack = rng.integers(100, 4000, (4, 160, 200)).astype(np.uint16)
    viewer.add_image(stack, name="cells")
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise (GradNet)")
    qtbot.waitExposed(viewer.window._qt_window)
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    widget.models.open_file(grey_model)
    qtbot.waitUntil(lambda: widget.models.model == str(grey_model), timeout=TIMEOUT)
    return viewer, widget


def test_buttons_are_clicked(opened: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = opened
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        click(widget.bar.buttons["Preview"])
        assert widget.bar.cancel_button.isEnabled()
    assert "cells preview" in viewer.layers
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        click(widget.bar.buttons["Denoise"])
    result = viewer.layers["cells denoised"]
    assert result.data.shape == (4, 160, 200)
    assert "cells preview" not in viewer.layers
    assert widget.bar.status.text().startswith("Done in")
    # the next one, with many tiles, is cancelled by the mouse
    click(widget.advanced.toggleButton())
    assert widget.advanced.isExpanded()
    widget.advanced.tile.setValue(32)
    widget.advanced.ensemble.setCurrentText("8 flips and turns (8 times slower)")
    with qtbot.waitSignal(widget.job.progressed, timeout=TIMEOUT):
        click(widget.bar.buttons["Denoise"])
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        click(widget.bar.cancel_button)
    assert widget.bar.status.text() == "Cancelled."
    assert widget.bar.buttons["Denoise"].isEnabled()


def test_keys_choose_and_run(opened: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = opened
    assert widget.scope.currentText() == "whole stack"
    widget.scope.setFocus()
    QTest.keyClick(widget.scope, Qt.Key.Key_Down)
    assert widget.scope.currentText() == VIEW
    button = widget.bar.buttons["Denoise"]
    button.setFocus()
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        QTest.keyClick(button, Qt.Key.Key_Space)
    result = viewer.layers["cells denoised"]
    assert result.data.shape[0] == 1
    assert widget.scope.currentText() == VIEW


def place(viewer: Any, row: float, column: float) -> QPoint:
    """Where a point of the plane on screen is on the canvas."""
    canvas = viewer.window._qt_viewer.canvas
    mapped = canvas.view.transform * canvas.view.scene.transform
    x, y = mapped.map((column, row))[:2]
    return QPoint(round(x), round(y))


def test_a_rectangle_is_drawn_with_the_mouse(
    opened: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = opened
    widget.scope.setFocus()
    for _ in range(2):
        QTest.keyClick(widget.scope, Qt.Key.Key_Down)
    assert widget.scope.currentText() == RECTANGLE
    shapes = find_rectangles(viewer)
    assert shapes.mode == "add_rectangle"
    native = viewer.window._qt_viewer.canvas.native
    qtbot.wait(50)
    first, last = place(viewer, 30, 40), place(viewer, 90, 120)
    middle = QPoint((first.x() + last.x()) // 2, (first.y() + last.y()) // 2)
    QTest.mousePress(native, LEFT, NONE, first)
    for point in (middle, last):
        QTest.mouseMove(native, point)
        qtbot.wait(30)
    QTest.mouseRelease(native, LEFT, NONE, last)
    assert len(shapes.data) == 1
    planes, rows, columns = rectangle_region(viewer.layers["cells"], shapes)
    assert planes == slice(0, 4)
    ends = (rows.start, rows.stop, columns.start, columns.stop)
    np.testing.assert_allclose(ends, (30, 91, 40, 121), atol=2)
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        click(widget.bar.buttons["Denoise"])
    result = viewer.layers["cells denoised"]
    assert result.data.shape == (4, ends[1] - ends[0], ends[3] - ends[2])


def test_planes_come_as_the_slider_moves(opened: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = opened
    widget.scope.setCurrentText(LAZY)
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        click(widget.bar.buttons["Denoise"])
    result = viewer.layers["cells denoised"]
    qtbot.waitUntil(lambda: result.visible, timeout=TIMEOUT)
    slider = viewer.window._qt_viewer.dims.slider_widgets[0].slider
    slider.setFocus()
    before = viewer.dims.current_step[0]
    QTest.keyClick(slider, Qt.Key.Key_Right)
    after = viewer.dims.current_step[0]
    assert after != before
    assert not result.visible
    qtbot.waitUntil(lambda: result.visible, timeout=TIMEOUT)
    assert result.data.is_ready((after,))


def test_a_deleted_layer_leaves_a_form_that_works(
    opened: tuple[Any, Any],
    qtbot: QtBot,
    messages: list[str],
    grey_photo: NDArray[Any],
) -> None:
    viewer, widget = opened
    viewer.layers.selection.active = viewer.layers["cells"]
    trash = viewer.window._qt_viewer.layerButtons.deleteButton
    click(trash)
    assert not viewer.layers
    button = widget.bar.buttons["Denoise"]
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert "open an image first" in messages[-1]
    viewer.add_image(grey_photo[:40, :50], name="photo")
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        click(button)
    assert "photo denoised" in viewer.layers

"""What is left of a run that was cancelled, on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT

from napari_gradnet import __version__, api
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets._naive_work import GradientRun, NaiveOptions, NaiveRun
from napari_gradnet.widgets.gradient import GradientWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def run(qtbot: QtBot, widget: GradientWidget, button: str = "Compute") -> None:
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons[button].click()


@pytest.fixture
def widget(
    qtbot: QtBot,
    viewer: ViewerModel,
    stack: NDArray[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> GradientWidget:
    """The Gradient widget, whose first run is cancelled in its second plane."""
    viewer.add_image(stack, name="cells")
    made = GradientWidget(viewer)
    qtbot.addWidget(made)
    plane, calls = GradientRun._plane, []

    def cancel_second(self: GradientRun, *args: Any) -> NDArray[Any]:
        calls.append(self)
        if len(calls) == 2:
            made.cancel()
        return plane(self, *args)

    monkeypatch.setattr(GradientRun, "_plane", cancel_second)
    return made


def test_they_are_there_until_another_run_starts(
    qtbot: QtBot, viewer: ViewerModel, widget: GradientWidget, messages: list[str]
) -> None:
    run(qtbot, widget)
    assert "2 of 4 planes" in widget.keep_button.text()
    run(qtbot, widget, "Preview")
    assert not widget.keep_button.isHidden()
    widget.axes.set_axes("YYX")
    widget.run()
    assert "repeats a letter" in messages[-1]
    assert not widget.keep_button.isHidden()
    widget.axes.set_axes("ZYX")
    run(qtbot, widget)
    assert widget.keep_button.isHidden()
    assert [x.name for x in viewer.layers] == ["cells", "cells gradient"]

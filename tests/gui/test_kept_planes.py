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


@pytest.mark.parametrize("kind", ["magnitude", "orientation"])
def test_gradients_look_and_are_described_as_whole_ones(
    qtbot: QtBot,
    viewer: ViewerModel,
    widget: GradientWidget,
    stack: NDArray[Any],
    kind: str,
) -> None:
    widget.kinds.setCurrentText(kind)
    run(qtbot, widget)
    widget.keep_finished()
    part = viewer.layers["cells gradient in part"]
    expected = api.gradient(stack, kind, axes="ZYX")
    np.testing.assert_array_equal(part.data[:2], expected[:2])
    assert not part.data[2:].any()
    if kind == "orientation":
        assert part.colormap.name == "hsv"
        np.testing.assert_allclose(part.contrast_limits, (-np.pi, np.pi))
    else:
        white = np.percentile(expected[:2], 99.5)
        np.testing.assert_allclose(part.contrast_limits, (0, white), rtol=0.05)
    record = part.metadata[METADATA_KEY]
    assert (record["kind"], record["axes"]) == (kind, "ZYX")
    assert (record["version"], record["planes_finished"]) == (__version__, 2)


def test_a_second_image_that_was_not_reached_is_left_out(
    qtbot: QtBot, viewer: ViewerModel, widget: GradientWidget, stack: NDArray[Any]
) -> None:
    viewer.add_image(stack // 2, name="denoised")
    widget.beside.setCurrentText("denoised")
    run(qtbot, widget)
    for _ in range(2):
        widget.keep_finished()
    names = [x.name for x in viewer.layers]
    assert names == ["cells", "denoised", "cells gradient in part"]
    assert viewer.layers[-1].contrast_limits[1] > 100
    run(qtbot, widget)
    assert "denoised gradient" in viewer.layers


def test_planes_of_a_classical_method_are_described(stack: NDArray[Any]) -> None:
    work = NaiveRun(stack, "ZYX", NaiveOptions("median"))
    events = work.events()
    while not work.num_finished:
        next(events)
    events.close()
    assert (work.record["method"], work.record["axes"]) == ("median", "ZYX")
    assert work.record["version"] == __version__

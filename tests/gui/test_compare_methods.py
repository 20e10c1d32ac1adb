"""The Compare widget without a window: methods are tried, results added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from qtpy.QtCore import Qt
from tests.gui.comparing import press
from tests.gui.conftest import TIMEOUT
from tests.tiny_models import package_only

from napari_gradnet import api
from napari_gradnet.widgets._layers import METADATA_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot
    from tests.gui.comparing import Layers

    from napari_gradnet.widgets.compare import CompareWidget


def trials(tab: Any) -> dict[str, Any]:
    return {candidate.label: trial for candidate, trial in tab.trials.items()}


@pytest.fixture
def methods(
    qtbot: QtBot,
    widget: CompareWidget,
    grey_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The tab, with two naive methods and a tiny model ticked."""
    import napari_gradnet.widgets._compare_methods as module

    package_only(monkeypatch, tmp_path / "packaged", grey=grey_model)
    monkeypatch.setattr(module, "models_folder", lambda: tmp_path)
    widget.tabs.setCurrentWidget(widget.methods)
    qtbot.waitUntil(lambda: not widget.methods.scout.running, timeout=TIMEOUT)
    for row, candidate in enumerate(widget.methods.candidates):
        if candidate.name not in ("grey", "median", "gaussian"):
            widget.methods.table.item(row, 0).setCheckState(Qt.CheckState.Unchecked)
    return widget.methods


def test_methods_are_tried_and_results_added(
    qtbot: QtBot, methods: Any, viewer: ViewerModel, layers: Layers
) -> None:
    clean, noisy, _ = layers
    viewer.dims.set_current_step(0, 1)
    press(qtbot, methods)
    assert set(trials(methods)) == {"grey", "median", "gaussian"}
    row = [c.label for c in methods.candidates].index("median")
    assert not methods.table.item(row, 1).icon().isNull()
    assert methods.table.item(row, 2).text().endswith(" s")
    median = api.naive_denoise(
        noisy.data[1], "median", sigma=api.estimate_noise(noisy.data).sigma, axes="YX"
    )
    expected = api.measure_quality(median, clean.data[1]).psnr
    assert methods.table.item(row, 3).text() == f"{expected:.2f} dB"
    assert "Best PSNR" in methods.bar.status.text()
    methods.table.setCurrentCell(row, 0)
    methods.add_button.click()
    layer = viewer.layers["noisy median"]
    np.testing.assert_array_equal(layer.data[0], median)
    assert layer.data_to_world((0, 0, 0))[0] == 3
    assert layer.metadata[METADATA_KEY]["method"] == "median"
    bm3d = [c.label for c in methods.candidates].index("bm3d")
    assert methods.table.item(bm3d, 2).text() == ""


def test_trying_can_be_cancelled(qtbot: QtBot, methods: Any) -> None:
    with qtbot.waitSignal(methods.job.ended, timeout=TIMEOUT):
        methods.start()
        methods.bar.cancel_button.click()
    assert methods.bar.status.text() == "Cancelled."
    press(qtbot, methods)
    assert len(methods.trials) == 3


def test_a_method_that_fails_does_not_end_the_others(
    qtbot: QtBot, methods: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package_only(monkeypatch, tmp_path / "none")
    press(qtbot, methods)
    row = [c.label for c in methods.candidates].index("grey")
    assert methods.table.item(row, 1).text() == "failed"
    assert "neither a packaged model" in methods.table.item(row, 1).toolTip()
    assert trials(methods)["median"].image is not None
    assert "1 failed" in methods.bar.status.text()


def test_nothing_to_try_and_nothing_to_add(
    methods: Any, messages: list[str], qtbot: QtBot
) -> None:
    methods.add_result()
    assert "select a method that has a result" in messages[-1]
    for row in range(methods.table.rowCount()):
        methods.table.item(row, 0).setCheckState(Qt.CheckState.Unchecked)
    methods.start()
    assert "no method is ticked" in messages[-1]


def test_methods_follow_the_colours(
    qtbot: QtBot, methods: Any, widget: CompareWidget, viewer: ViewerModel
) -> None:
    before = [c.label for c in methods.candidates]
    assert "grey" in before
    photo = viewer.add_image(np.zeros((600, 700, 3), np.uint8), rgb=True)
    with qtbot.waitSignal(methods.scout.ended, timeout=TIMEOUT):
        widget.before.set_layer(photo)
    assert methods.table.rowCount() == len(methods.candidates)


def test_methods_are_tried_on_one_plane_of_a_volume(
    qtbot: QtBot, methods: Any, viewer: ViewerModel
) -> None:
    viewer.dims.set_current_step(0, 1)
    viewer.dims.ndisplay = 3
    press(qtbot, methods)
    assert {t.image.shape for t in methods.trials.values()} == {(1, 96, 80)}
    row = [c.label for c in methods.candidates].index("median")
    assert not methods.table.item(row, 1).icon().isNull()


def test_tabs_let_go_of_layers_that_are_removed(
    qtbot: QtBot,
    widget: CompareWidget,
    methods: Any,
    viewer: ViewerModel,
    messages: list[str],
) -> None:
    press(qtbot, methods)
    press(qtbot, widget.noise)
    removed = widget.noise.layer
    viewer.layers.remove(removed)
    assert widget.noise.layer is None
    for name in ("noisy", "blurred"):
        viewer.layers.remove(name)
    assert methods._tried is None
    assert widget.noise._pair == ()
    methods.add_result()
    assert "select a method that has a result" in messages[-1]


def test_networks_are_tried_as_the_preferences_say(qtbot: QtBot, methods: Any) -> None:
    compute = get_plugin_settings("napari-gradnet").compute
    compute.tile, compute.precision = 32, "float32"
    press(qtbot, methods)
    options = trials(methods)["grey"].record["options"]
    assert (options["tile"], options["precision"]) == (32, "float32")

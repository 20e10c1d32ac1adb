"""The Compare widget without a window: the removed noise, and quality in numbers."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication
from tests.gui.comparing import press
from tests.gui.conftest import TIMEOUT

from napari_gradnet import api
from napari_gradnet.widgets._layers import METADATA_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot
    from tests.gui.comparing import Layers

    from napari_gradnet.widgets.compare import CompareWidget


# ----------------------------------------------------------------------- noise


def test_removed_noise_is_shown_and_judged(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    _, noisy, blurred = layers
    press(qtbot, widget.noise)
    expected = api.analyze_residual(noisy.data, blurred.data, axes="ZYX")
    assert widget.noise.told.text() == expected.sentence
    assert "details were removed" in expected.sentence
    layer = viewer.layers["noisy removed noise"]
    difference = noisy.data.astype(float) - blurred.data
    np.testing.assert_array_equal(layer.data, difference)
    np.testing.assert_allclose(layer.scale, (3, 0.5, 0.5))
    low, high = layer.contrast_limits
    assert high - low == pytest.approx(8 * expected.sigma)
    assert layer.metadata[METADATA_KEY]["denoised"] == "blurred"
    # again: in its place
    widget.after.set_layer(layers[0])
    widget.noise.scope.setCurrentIndex(1)
    viewer.dims.set_current_step(0, 1)
    press(qtbot, widget.noise)
    assert widget.noise.report.findings == ()
    assert widget.noise.report.num_pixels == 96 * 80
    assert [x.name for x in viewer.layers].count("noisy removed noise") == 1
    assert widget.before.layer is noisy
    assert widget.after.layer is layers[0]


def test_removed_noise_of_levels_has_levels(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    pyramids = [[x.data, x.data[:, ::2, ::2]] for x in layers[1:]]
    first, second = (viewer.add_image(p, multiscale=True) for p in pyramids)
    widget.before.set_layer(first)
    widget.after.set_layer(second)
    press(qtbot, widget.noise)
    layer = widget.noise.layer
    assert layer.multiscale
    expected = [a.astype(float) - b for a, b in zip(*pyramids, strict=True)]
    for level, values in zip(layer.data, expected, strict=True):
        np.testing.assert_array_equal(level, values)


def test_plots_draw_the_report(
    qtbot: QtBot, widget: CompareWidget, layers: Layers
) -> None:
    press(qtbot, widget.noise)
    for plot in (widget.noise.histogram, widget.noise.autocorrelation):
        plot.resize(150, 160)
        drawn = plot.grab().toImage()
        assert drawn == plot.grab().toImage()
        plot.set_report(None)
        assert drawn != plot.grab().toImage()
    # blurring leaves neighbours alike: red beside the middle
    widget.noise.autocorrelation.set_report(widget.noise.report)
    widget.noise.autocorrelation.resize(173, 214)
    picture = widget.noise.autocorrelation.grab().toImage()
    side = min(173 - 8, 214 - 40 - 4) / 17
    beside = picture.pixelColor(int(173 / 2 + side), int(20 + 8.5 * side))
    assert beside.red() == 255
    assert beside.blue() < 200


def test_errors_of_the_work_are_told(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, messages: list[str]
) -> None:
    first = viewer.add_image(np.full((9, 9), np.nan), name="a", contrast_limits=(0, 1))
    second = viewer.add_image(np.zeros((9, 9)), name="b")
    widget.before.set_layer(first)
    widget.after.set_layer(second)
    press(qtbot, widget.noise)
    assert "at least 16 x 16" in messages[-1]
    assert widget.noise.bar.status.text() == "Failed: see the notification."
    widget.reference.set_layer(second)
    press(qtbot, widget.quality)
    assert "81 of 81 values are NaN" in messages[-1]


def test_a_layer_that_goes_ends_the_work(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel
) -> None:
    with qtbot.waitSignal(widget.noise.job.ended, timeout=TIMEOUT):
        widget.noise.start()
        viewer.layers.remove("blurred")
    assert "removed" in widget.noise.bar.status.text()
    assert "noisy removed noise" not in viewer.layers


# --------------------------------------------------------------------- quality


def test_quality_is_measured_copied_and_saved(
    qtbot: QtBot,
    widget: CompareWidget,
    layers: Layers,
    messages: list[str],
    tmp_path: Path,
) -> None:
    clean, noisy, blurred = layers
    tab = widget.quality
    tab.copy()
    assert "measure first" in messages[-1]
    press(qtbot, tab)
    expected = [
        api.measure_quality(x.data, clean.data, axes="ZYX") for x in (noisy, blurred)
    ]
    assert tab.table.columnCount() == 2
    assert tab.table.horizontalHeaderItem(1).text() == "blurred"
    assert tab.table.item(0, 0).text() == f"{expected[0].psnr:.2f}"
    assert tab.table.item(5, 1).text() == f"{expected[1].ssim_smooth:.4f}"
    tab.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 3
    assert lines[1].split("\t")[0] == "noisy"
    path = tmp_path / "table.csv"
    path.write_text("older")
    tab.save(path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == ["noisy", "blurred"]
    assert float(rows[1]["psnr_textured"]) == expected[1].psnr_textured
    assert rows[0]["reference"] == "clean"
    assert list(tmp_path.iterdir()) == [path]
    # the same again takes its place, another threshold stands beside it
    press(qtbot, tab)
    assert tab.table.columnCount() == 2
    tab.epsilon.setValue(1.0)
    press(qtbot, tab)
    assert tab.table.columnCount() == 4
    tab.clear()
    assert tab.table.columnCount() == 0


def test_a_table_that_cannot_be_saved_is_told(
    qtbot: QtBot, widget: CompareWidget, messages: list[str], tmp_path: Path
) -> None:
    press(qtbot, widget.quality)
    widget.quality.save(tmp_path / "missing" / "table.csv")
    assert "could not be written (No such file" in messages[-1]


def test_the_reference_itself_is_not_measured(
    qtbot: QtBot, widget: CompareWidget, layers: Layers, messages: list[str]
) -> None:
    widget.after.set_layer(layers[0])
    press(qtbot, widget.quality)
    assert widget.quality.table.columnCount() == 1
    widget.before.set_layer(layers[0])
    widget.quality.start()
    assert "not the reference itself" in messages[-1]

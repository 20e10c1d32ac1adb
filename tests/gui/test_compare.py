"""The Compare widget on viewers without a window."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from scipy.ndimage import gaussian_filter
from tests.gui.conftest import TIMEOUT

from napari_gradnet import api
from napari_gradnet.inference import models
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets.compare import CompareWidget

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

Layers = tuple["Image", "Image", "Image"]


@pytest.fixture
def layers(
    viewer: ViewerModel, grey_photo: NDArray[Any], rng: np.random.Generator
) -> Layers:
    """Clean, noisy and blurred: two planes of counts with a pixel size."""
    planes = np.stack([grey_photo[100:196, 200:280], grey_photo[200:296, 100:180]])
    clean = (1000 + 500 * planes).astype(np.uint16)
    noisy = rng.normal(clean, 20).round().astype(np.uint16)
    blurred = gaussian_filter(noisy.astype(float), (0, 2, 2)).astype(np.uint16)
    scale = {"scale": (3, 0.5, 0.5)}
    return (
        viewer.add_image(clean, name="clean", visible=False, **scale),
        viewer.add_image(noisy, name="noisy", contrast_limits=(1000, 1500), **scale),
        viewer.add_image(
            blurred,
            name="blurred",
            contrast_limits=(900, 1600),
            metadata={METADATA_KEY: {"source": "noisy"}},
            **scale,
        ),
    )


@pytest.fixture
def widget(qtbot: QtBot, viewer: ViewerModel, layers: Layers) -> CompareWidget:
    made = CompareWidget(viewer)
    qtbot.addWidget(made)
    return made


def press(qtbot: QtBot, tab: Any) -> None:
    (button,) = tab.bar.buttons.values()
    with qtbot.waitSignal(tab.job.ended, timeout=TIMEOUT):
        button.click()
    assert button.isEnabled()


def click(qtbot: QtBot, button: Any) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# ---------------------------------------------------------------------- layers


def test_the_pair_and_the_reference_are_guessed(
    widget: CompareWidget, layers: Layers
) -> None:
    clean, noisy, blurred = layers
    assert widget.before.layer is noisy
    assert widget.after.layer is blurred
    assert widget.reference.layer is clean


def test_a_viewer_without_layers(
    qtbot: QtBot, viewer: ViewerModel, messages: list[str]
) -> None:
    widget = CompareWidget(viewer)
    qtbot.addWidget(widget)
    widget.show()
    for tab in (widget.noise, widget.quality, widget.methods):
        next(iter(tab.bar.buttons.values())).click()
        assert not tab.job.running
    click(qtbot, widget.curtain_button)
    assert not widget.curtain_button.isChecked()
    assert "open or choose two image layers" in messages[0]
    assert "choose the reference layer" in messages[1]
    assert "open an image first" in messages[2]
    assert "open or choose two image layers" in messages[3]
    # and the choice follows what is opened
    layer = viewer.add_image(np.zeros((20, 20)))
    assert widget.before.layer is layer
    assert widget.reference.layer is None


def test_other_shapes_are_refused_with_a_sentence(
    widget: CompareWidget, viewer: ViewerModel, messages: list[str]
) -> None:
    small = viewer.add_image(np.zeros((2, 50, 50)), name="small")
    colours = viewer.add_image(np.zeros((96, 80, 3)), name="colours", rgb=True)
    for layer, told in (
        (small, "'small' (2, 50, 50) (grey): choose two layers of one shape"),
        (colours, "'colours' (96, 80, 3) (colours): choose two layers of one shape"),
        (widget.before.layer, "is the same layer, 'noisy': choose another"),
    ):
        widget.after.set_layer(layer)
        widget.curtain_button.click()
        widget.side_button.click()
        widget.noise.start()
        assert [told in m for m in messages[-3:]] == [True] * 3
    assert not widget.curtain_button.isChecked()
    assert len(viewer.layers) == 5


# ------------------------------------------------------------------------ view


def test_curtain_shows_the_columns_beyond_the_line(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    blurred = layers[2]
    other = viewer.add_image(np.zeros((96, 80)), name="other")
    widget.show()
    click(qtbot, widget.curtain_button)
    cut = viewer.layers["blurred (curtain)"]
    assert [x.name for x in viewer.layers if x.visible] == [
        "noisy",
        "blurred (curtain)",
        "curtain",
    ]
    widget.slider.setValue(250)
    np.testing.assert_array_equal(cut.data, blurred.data[..., 20:])
    assert np.shares_memory(cut.data, blurred.data)
    np.testing.assert_allclose(cut.translate, (0, 0, 10))
    line = viewer.layers["curtain"]
    (start, direction) = line.data[0]
    # at the left edge of column 20, over all rows
    np.testing.assert_allclose(start + line.translate, (-0.25, 19.5 * 0.5))
    np.testing.assert_allclose(direction, (96 * 0.5, 0))
    for value, columns in ((0, 80), (1000, 1)):
        widget.slider.setValue(value)
        assert cut.data.shape == (2, 96, columns)
    assert not cut.visible  # all the way to the right
    click(qtbot, widget.curtain_button)
    assert [x.name for x in viewer.layers] == ["clean", "noisy", "blurred", "other"]
    assert [x.visible for x in viewer.layers] == [False, True, True, True]
    assert other.visible
    assert not widget.slider.isEnabled()


def test_contrast_is_shared_and_put_back(
    widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    _, noisy, blurred = layers
    widget.curtain_button.click()
    cut = viewer.layers["blurred (curtain)"]
    assert tuple(cut.contrast_limits) == (1000, 1500)
    noisy.contrast_limits = (1100, 1300)
    assert tuple(cut.contrast_limits) == (1100, 1300)
    blurred.colormap = "magma"
    assert cut.colormap.name == "magma"
    assert noisy.colormap.name == "gray"
    widget.same_contrast.setChecked(False)
    cut = viewer.layers["blurred (curtain)"]
    assert tuple(cut.contrast_limits) == (900, 1600)
    noisy.contrast_limits = (0, 1)
    assert tuple(cut.contrast_limits) == (900, 1600)
    widget.curtain_button.click()
    assert tuple(blurred.contrast_limits) == (900, 1600)
    blurred.contrast_limits = (0, 5)
    assert tuple(noisy.contrast_limits) == (0, 1)


@pytest.mark.parametrize("gone", ["noisy", "blurred", "curtain", "blurred (curtain)"])
def test_curtain_goes_with_any_of_its_layers(
    widget: CompareWidget, viewer: ViewerModel, gone: str
) -> None:
    widget.curtain_button.click()
    viewer.layers.remove(gone)
    assert not widget.curtain_button.isChecked()
    left = [x.name for x in viewer.layers]
    assert left == [x for x in ("clean", "noisy", "blurred") if x != gone]
    assert all(x.visible for x in viewer.layers if x.name != "clean")
    assert len(viewer.mouse_drag_callbacks) == len(type(viewer)().mouse_drag_callbacks)


def test_curtain_needs_two_dimensions(
    widget: CompareWidget, viewer: ViewerModel, messages: list[str]
) -> None:
    widget.curtain_button.click()
    viewer.dims.ndisplay = 3
    assert not widget.curtain_button.isChecked()
    assert "taken away" in messages[-1]
    widget.curtain_button.click()
    assert "switch to 2-D" in messages[-1]
    viewer.dims.ndisplay = 2
    viewer.dims.order = (1, 0, 2)
    widget.curtain_button.click()
    assert "put the dimensions in order" in messages[-1]
    assert "curtain" not in viewer.layers


def test_curtain_of_turned_lazy_colours_with_levels(
    qtbot: QtBot, viewer: ViewerModel, rng: np.random.Generator
) -> None:
    reads = []

    def read(block: NDArray[Any]) -> NDArray[Any]:
        reads.append(block.shape)
        return block

    base = rng.integers(0, 255, (4, 64, 90, 3)).astype(np.uint8)
    lazy = da.from_array(base, chunks=(1, 64, 90, 3)).map_blocks(read, dtype=np.uint8)
    levels = [lazy, lazy[:, ::4, ::4]]
    for name in ("a", "b"):
        viewer.add_image(
            levels, name=name, rgb=True, multiscale=True, rotate=30, scale=(1, 2, 2)
        )
    widget = CompareWidget(viewer)
    qtbot.addWidget(widget)
    widget.before.set_layer(viewer.layers["a"])
    widget.after.set_layer(viewer.layers["b"])
    reads.clear()
    widget.curtain_button.click()
    widget.slider.setValue(300)
    cut = viewer.layers["b (curtain)"]
    # from a column that all levels have
    assert [x.shape for x in cut.data] == [(4, 64, 66, 3), (4, 16, 17, 3)]
    np.testing.assert_allclose(
        cut.data_to_world((0, 5, 0)), viewer.layers["b"].data_to_world((0, 5, 24))
    )
    assert len(reads) < 40  # planes that were shown; not the stack at every step
    widget.curtain_button.click()


def test_side_by_side_and_back(
    qtbot: QtBot, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    clean, noisy, blurred = layers
    grid = viewer.canvas.grid
    viewer.scene.camera.zoom = 7
    widget.before.set_layer(blurred)
    widget.after.set_layer(noisy)
    widget.side_button.click()
    assert grid.enabled
    assert grid.actual_shape(viewer.layers) == (1, 2)
    assert grid.position(viewer.layers.index(blurred), viewer.layers) == (0, 0)
    assert grid.position(viewer.layers.index(noisy), viewer.layers) == (0, 1)
    assert tuple(noisy.contrast_limits) == (900, 1600)
    # the curtain takes its place
    widget.curtain_button.click()
    assert not grid.enabled
    assert not widget.side_button.isChecked()
    widget.curtain_button.click()
    assert not grid.enabled
    assert viewer.scene.camera.zoom == 7
    assert tuple(noisy.contrast_limits) == (1000, 1500)
    widget.side_button.click()
    widget.after.set_layer(clean)
    assert not grid.enabled  # another choice ends it
    assert not clean.visible


def test_curtain_goes_with_the_widget(
    qtbot: QtBot, viewer: ViewerModel, layers: Layers
) -> None:
    widget = CompareWidget(viewer)
    widget.curtain_button.click()
    gone: list[bool] = []
    widget.destroyed.connect(lambda *_: gone.append(True))
    widget.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    assert [x.name for x in viewer.layers] == ["clean", "noisy", "blurred"]
    assert layers[2].visible


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


# --------------------------------------------------------------------- methods


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

    monkeypatch.setattr(models, "list_packaged", lambda: {"grey": grey_model})
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
    assert set(methods.trials) == {"grey", "median", "gaussian"}
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
    qtbot: QtBot, methods: Any, grey_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "list_packaged", dict)
    press(qtbot, methods)
    row = [c.label for c in methods.candidates].index("grey")
    assert methods.table.item(row, 1).text() == "failed"
    assert "neither a packaged model" in methods.table.item(row, 1).toolTip()
    assert methods.trials["median"].image is not None
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

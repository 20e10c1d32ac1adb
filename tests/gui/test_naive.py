"""The Naive denoise widget on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT
from tests.tiny_models import package_only

from napari_gradnet import api
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets.naive import NaiveWidget

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


@pytest.fixture
def noisy(grey_photo: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Two planes with noise of sigma 20, counts."""
    planes = np.stack([grey_photo[100:196, 200:296], grey_photo[200:296, 100:196]])
    return rng.normal(1000 + 500 * planes, 20).round().astype(np.uint16)


def open_widget(qtbot: QtBot, viewer: ViewerModel, method: str) -> NaiveWidget:
    widget = NaiveWidget(viewer)
    qtbot.addWidget(widget)
    widget.methods.setCurrentText(method)
    qtbot.waitUntil(lambda: not widget.estimator.running, timeout=TIMEOUT)
    return widget


def run(qtbot: QtBot, widget: NaiveWidget, button: str = "Denoise") -> None:
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons[button].click()
    assert widget.bar.buttons[button].isEnabled()


def test_noise_is_estimated_and_the_result_is_that_of_the_api(
    qtbot: QtBot, viewer: ViewerModel, noisy: NDArray[Any]
) -> None:
    viewer.add_image(noisy, name="cells", scale=(3, 1, 1))
    widget = open_widget(qtbot, viewer, "gaussian")
    (noise,) = widget.noise
    assert 15 < noise.sigma < 25
    assert widget.told.text() == f"sigma {noise.sigma:.4g}"
    widget.factor.setValue(1.5)
    run(qtbot, widget)
    result = viewer.layers["cells naively denoised"]
    expected = api.naive_denoise(
        noisy, "gaussian", sigma=noise.sigma, sigma_factor=1.5, axes="ZYX"
    )
    np.testing.assert_array_equal(result.data, expected)
    assert result.data.dtype == np.uint16
    np.testing.assert_array_equal(result.scale, (3, 1, 1))
    record = result.metadata[METADATA_KEY]
    assert record["method"] == "gaussian"
    assert record["sigma"] == [noise.sigma]
    assert record["variance_stabilised"] == [False]


def test_preview_is_the_plane_on_screen(
    qtbot: QtBot, viewer: ViewerModel, noisy: NDArray[Any]
) -> None:
    viewer.add_image(noisy, name="cells")
    viewer.dims.set_current_step(0, 1)
    widget = open_widget(qtbot, viewer, "median")
    run(qtbot, widget, "Preview")
    preview = viewer.layers["cells preview"]
    expected = api.naive_denoise(
        noisy[1], "median", sigma=widget.noise[0].sigma, axes="YX"
    )
    np.testing.assert_array_equal(preview.data[0], expected)
    assert preview.data_to_world((0, 0, 0))[0] == 1


def test_live_preview_follows_the_strength(
    qtbot: QtBot, viewer: ViewerModel, noisy: NDArray[Any]
) -> None:
    viewer.add_image(noisy, name="cells")
    widget = open_widget(qtbot, viewer, "gaussian")
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.live.setChecked(True)
    first = viewer.layers["cells preview"].data
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.factor.setValue(3.0)
    second = viewer.layers["cells preview"].data
    assert second.std() < first.std()


def test_each_channel_has_its_own_noise(
    qtbot: QtBot, viewer: ViewerModel, noisy: NDArray[Any], rng: np.random.Generator
) -> None:
    image = noisy.copy()
    image[1] = (image[1] + rng.normal(0, 80, image[1].shape)).astype(np.uint16)
    viewer.add_image(image, name="cells")
    widget = open_widget(qtbot, viewer, "gaussian")
    widget.axes.set_axes("CYX")
    qtbot.waitUntil(
        lambda: not widget.estimator.running and widget.noise is not None,
        timeout=TIMEOUT,
    )
    first, second = widget.noise
    assert second.sigma > 3 * first.sigma
    viewer.dims.set_current_step(0, 1)
    run(qtbot, widget, "Preview")
    expected = api.naive_denoise(image[1], "gaussian", sigma=second.sigma, axes="YX")
    np.testing.assert_array_equal(viewer.layers["cells preview"].data[0], expected)


def test_missing_model_of_dncnn_is_told(
    qtbot: QtBot,
    viewer: ViewerModel,
    noisy: NDArray[Any],
    messages: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package_only(monkeypatch, tmp_path / "packaged")
    viewer.add_image(noisy, name="cells")
    widget = open_widget(qtbot, viewer, "dncnn")
    run(qtbot, widget)
    assert "no packaged DnCNN" in messages[-1]
    assert [x.name for x in viewer.layers] == ["cells"]


def test_the_plot_draws_the_law(
    qtbot: QtBot, viewer: ViewerModel, rng: np.random.Generator
) -> None:
    ramp = np.tile(np.linspace(20, 400, 128), (128, 1))
    counts = rng.normal(rng.poisson(ramp) * 2.0 + 100, 6).astype(np.float32)
    viewer.add_image(counts, name="camera")
    widget = open_widget(qtbot, viewer, "gaussian")
    assert "gain" in widget.told.text()
    widget.plot.resize(300, 150)
    drawn = widget.plot.grab().toImage()
    widget.plot.set_noise(None)
    empty = widget.plot.grab().toImage()
    assert drawn != empty


def test_the_sample_stack_shows_its_camera(qtbot: QtBot, viewer: ViewerModel) -> None:
    from napari_gradnet.widgets import _sample_data as sample

    data, keywords, _ = sample.fluorescence_stack()[1]
    viewer.add_image(data, **keywords)
    widget = open_widget(qtbot, viewer, "gaussian")
    (noise,) = widget.noise
    assert abs(noise.gain / sample.GAIN - 1) < 0.1
    assert abs(noise.offset - sample.OFFSET) < 2
    assert f"gain {noise.gain:.3g}" in widget.told.text()


def test_live_preview_waits_for_the_noise(
    qtbot: QtBot, viewer: ViewerModel, noisy: NDArray[Any]
) -> None:
    viewer.add_image(noisy, name="cells")
    widget = NaiveWidget(viewer)
    qtbot.addWidget(widget)
    widget.methods.setCurrentText("gaussian")
    widget.live.setChecked(True)
    widget._preview_live()  # as the timer does, but before the noise is known
    assert widget.noise is None
    assert not widget.job.running
    qtbot.waitUntil(lambda: "cells preview" in viewer.layers, timeout=TIMEOUT)
    assert widget.noise is not None
    qtbot.waitUntil(lambda: not widget.job.running, timeout=TIMEOUT)
    viewer.dims.set_current_step(0, 1)  # the view is followed too
    preview = viewer.layers["cells preview"]
    qtbot.waitUntil(
        lambda: preview.data_to_world((0, 0, 0))[0] == 1 and not widget.job.running,
        timeout=TIMEOUT,
    )
    widget.live.setChecked(False)

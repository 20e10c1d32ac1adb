"""The Denoise widget, mostly on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT

from napari_gradnet import api
from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets._task import VIEW
from napari_gradnet.widgets.denoise import DenoiseWidget

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

PLACED = {
    "scale": (2.0, 0.5, 0.25),
    "translate": (1.0, -3.0, 7.0),
    "rotate": 20.0,
    "shear": (0.1, 0.0, 0.2),
    "affine": np.array(
        [[1, 0, 0, 5.0], [0, 0.9, 0.1, 0], [0, -0.1, 0.9, 2], [0, 0, 0, 1]]
    ),
    "units": ("micrometer",) * 3,
    "axis_labels": ("z", "y", "x"),
    "colormap": "magma",
    "gamma": 0.7,
    "blending": "additive",
    "contrast_limits": (100.0, 3500.0),
}


def open_widget(qtbot: QtBot, viewer: ViewerModel, model: Path | None) -> DenoiseWidget:
    """Open the widget, wait for its lists and choose a model file."""
    widget = DenoiseWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    if model is not None:
        widget.models.open_file(model)
        qtbot.waitUntil(lambda: not widget.models.job.running, timeout=TIMEOUT)
        assert widget.models.model == str(model)
    return widget


def run(qtbot: QtBot, widget: DenoiseWidget, button: str = "Denoise") -> None:
    """Press a button and wait for the end."""
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons[button].click()
        assert not widget.bar.buttons[button].isEnabled()
    assert widget.bar.buttons[button].isEnabled()
    assert not widget.bar.cancel_button.isEnabled()


def test_result_is_that_of_the_api_and_keeps_what_the_layer_says(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path, stack: NDArray[Any]
) -> None:
    source = viewer.add_image(stack, name="cells", metadata={"who": "me"}, **PLACED)
    widget = open_widget(qtbot, viewer, grey_model)
    assert widget.axes.axes == "ZYX"
    run(qtbot, widget)
    result = viewer.layers["cells denoised"]
    expected = api.denoise(stack, grey_model, axes="ZYX")
    assert result.data.dtype == np.uint16
    np.testing.assert_array_equal(result.data, expected)
    assert (result.data != stack).any()
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(result, name), getattr(source, name))
    np.testing.assert_allclose(result.affine.affine_matrix, PLACED["affine"])
    for name in ("units", "axis_labels", "gamma", "blending", "contrast_limits"):
        assert getattr(result, name) == getattr(source, name)
    assert result.colormap.name == "magma"
    record = result.metadata[METADATA_KEY]
    assert result.metadata["who"] == "me"
    assert record["source"] == "cells"
    assert record["model"] == "grey"
    assert len(record["model_sha256"]) == 64
    assert record["options"] == {"model": str(grey_model), "axes": "ZYX"}
    run(qtbot, widget)
    assert [x.name for x in viewer.layers] == [
        *("cells", "cells denoised", "cells denoised [1]"),
    ]


def test_colours_stay_colours(
    qtbot: QtBot, viewer: ViewerModel, color_model: Path, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (2, 40, 36, 3)).astype(np.uint8)
    viewer.add_image(image, rgb=True, name="photos", scale=(1, 2, 2))
    widget = open_widget(qtbot, viewer, color_model)
    assert widget.axes.axes == "ZYXS"
    assert not widget.advanced.dtype.isEnabled()
    run(qtbot, widget)
    result = viewer.layers["photos denoised"]
    assert result.rgb
    np.testing.assert_array_equal(result.scale, (1, 2, 2))
    np.testing.assert_array_equal(
        result.data, api.denoise(image, color_model, axes="ZYXS")
    )


def test_advanced_options_and_corrected_axes_reach_the_work(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path, stack: NDArray[Any]
) -> None:
    viewer.add_image(stack, name="cells")
    widget = open_widget(qtbot, viewer, grey_model)
    widget.axes.set_axes("TYX")
    widget.advanced.dtype.setCurrentText("float32")
    widget.advanced.tile.setValue(32)
    widget.advanced.ensemble.setCurrentText("8 flips and turns (8 times slower)")
    widget.advanced.vst.setCurrentText("never")
    run(qtbot, widget)
    result = viewer.layers["cells denoised"]
    expected = api.denoise(
        stack, grey_model, axes="TYX", dtype="float32", ensemble=True, vst=False
    )
    assert result.data.dtype == np.float32
    np.testing.assert_allclose(result.data, expected, rtol=1e-4)
    record = result.metadata[METADATA_KEY]["options"]
    assert (record["tile"], record["ensemble"], record["vst"]) == (32, True, False)


def test_preview_shows_the_plane_on_screen_as_denoise_would(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path, stack: NDArray[Any]
) -> None:
    viewer.add_image(stack, name="cells", **PLACED)
    viewer.dims.set_current_step(0, 2)
    layer = viewer.layers["cells"]
    step = int(np.rint(layer.world_to_data(viewer.dims.point)[0]))
    widget = open_widget(qtbot, viewer, grey_model)
    widget.advanced.vst.setCurrentText("never")
    run(qtbot, widget, "Preview")
    preview = viewer.layers["cells preview"]
    assert preview.data.shape == (1, 48, 40)
    whole = api.denoise(stack, grey_model, axes="ZYX", vst=False)
    # black and white are those of the whole stack
    np.testing.assert_allclose(preview.data[0], whole[step], atol=1)
    np.testing.assert_allclose(
        preview.data_to_world((0, 0, 0)), layer.data_to_world((step, 0, 0))
    )
    run(qtbot, widget, "Preview")
    assert [x.name for x in viewer.layers] == ["cells", "cells preview"]
    run(qtbot, widget)
    assert [x.name for x in viewer.layers] == ["cells", "cells denoised"]


class Watched:
    """Array that notes what is read, and can act then."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.read = array, []
        self.then: Any = None

    def block(self, block_id: tuple[int, ...]) -> NDArray[Any]:
        self.read.append(block_id[0])
        if self.then is not None:
            self.then(block_id[0])
        return self.array[block_id[0] : block_id[0] + 1]

    def dask(self) -> Any:
        chunks = ((1,) * len(self.array), *((n,) for n in self.array.shape[1:]))
        return da.map_blocks(
            lambda block_id=None: self.block(block_id),
            chunks=chunks,
            dtype=self.array.dtype,
            meta=np.empty((0, 0, 0), self.array.dtype),
        )


def test_dask_is_read_plane_by_plane(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path, stack: NDArray[Any]
) -> None:
    watched = Watched(stack)
    viewer.add_image(watched.dask(), name="lazy", contrast_limits=(0, 4000))
    widget = open_widget(qtbot, viewer, grey_model)
    run(qtbot, widget)
    assert set(watched.read) == {0, 1, 2, 3}
    np.testing.assert_array_equal(
        viewer.layers["lazy denoised"].data,
        api.denoise(stack, grey_model, axes="ZYX"),
    )


def test_pyramids_are_read_plane_by_plane_at_full_resolution(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path, stack: NDArray[Any]
) -> None:
    watched = Watched(stack)
    levels = [watched.dask(), stack[:, ::2, ::2]]
    viewer.add_image(
        levels,
        multiscale=True,
        name="pyramid",
        contrast_limits=(0, 4000),
        scale=(3, 1, 1),
    )
    widget = open_widget(qtbot, viewer, grey_model)
    watched.read.clear()
    run(qtbot, widget)
    result = viewer.layers["pyramid denoised"]
    assert not result.multiscale
    np.testing.assert_array_equal(
        result.data, api.denoise(stack, grey_model, axes="ZYX")
    )
    np.testing.assert_array_equal(result.scale, (3, 1, 1))
    # once to settle the scaling, once to denoise: never the whole at a time
    assert watched.read == [0, 1, 2, 3, 0, 1, 2, 3]
    run(qtbot, widget, "Preview")
    preview = viewer.layers["pyramid preview"]
    assert preview.data.shape[0] == 1
    script = widget.python_script()
    assert "layers['pyramid'].data[0]" in script


def test_cancelled_run_offers_its_finished_planes(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(stack, name="cells")
    widget = open_widget(qtbot, viewer, grey_model)

    def cancel_in_the_middle(event: Any) -> None:
        if event.done >= 2:
            widget.bar.cancel_button.click()

    work = widget.job
    work.progressed.connect(cancel_in_the_middle)
    # every step waits for the GUI, so that the button is pressed before the end
    hold_back(widget, monkeypatch)
    run(qtbot, widget)
    work.progressed.disconnect(cancel_in_the_middle)
    assert [x.name for x in viewer.layers] == ["cells"]
    assert not widget.keep_button.isHidden()
    widget.keep_button.click()
    part = viewer.layers["cells denoised in part"]
    done = part.metadata[METADATA_KEY]["planes_finished"]
    assert 1 <= done < 4
    assert part.metadata[METADATA_KEY]["model"] == "grey"
    expected = api.denoise(stack, grey_model, axes="ZYX")
    np.testing.assert_array_equal(part.data[:done], expected[:done])
    assert not part.data[done:].any()
    assert widget.keep_button.isHidden()


def hold_back(widget: DenoiseWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each event of the next run wait until the GUI has seen the one before."""
    import threading

    monkeypatch.setattr("napari_gradnet.widgets._job.PACE", 0.0)
    seen = threading.Semaphore(0)
    widget.job.progressed.connect(lambda _: seen.release())
    start = widget.job.start

    def slowed(work: Any) -> Any:
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                return stop.value
            yield event
            seen.acquire(timeout=TIMEOUT / 1000)

    widget.job.start = lambda work: start(slowed(work))


def test_removing_the_layer_ends_the_work(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = viewer.add_image(stack, name="cells")
    widget = open_widget(qtbot, viewer, grey_model)
    hold_back(widget, monkeypatch)
    widget.job.progressed.connect(
        lambda _: viewer.layers.remove(layer) if layer in viewer.layers else None
    )
    run(qtbot, widget)
    assert len(viewer.layers) == 0
    assert widget.layers.layer is None
    assert widget.keep_button.isHidden()


@pytest.mark.parametrize(
    ("image", "axes", "message"),
    [
        (np.full((2, 32, 32), np.nan, np.float32), "ZYX", "NaN"),
        (np.zeros((2, 32, 32), np.uint8), "YYX", "repeats a letter"),
        (np.zeros((2, 32, 32), bool), "ZYX", "bool image is a mask"),
    ],
)
def test_errors_are_told_and_the_button_stays_usable(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    messages: list[str],
    image: NDArray[Any],
    axes: str,
    message: str,
) -> None:
    viewer.add_image(image, name="bad", contrast_limits=(0, 1))
    widget = open_widget(qtbot, viewer, grey_model)
    widget.axes.set_axes(axes)
    widget.run()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=TIMEOUT)
    assert any(message in m for m in messages)
    assert widget.bar.buttons["Denoise"].isEnabled()
    assert [x.name for x in viewer.layers] == ["bad"]


def test_without_layers_and_models_it_says_what_to_do(
    qtbot: QtBot,
    viewer: ViewerModel,
    messages: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_gradnet.bundle.packaged_model_folder", lambda: tmp_path)
    widget = open_widget(qtbot, viewer, None)
    assert "open a model file" in widget.models.card.text()
    widget.run()
    assert "open an image first" in messages[-1]
    viewer.add_image(np.zeros((32, 32), np.uint8))
    run(qtbot, widget)
    assert "no packaged model" in messages[-1]
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    widget.models.open_file(tmp_path / "no.safetensors")
    qtbot.waitUntil(lambda: not widget.models.job.running, timeout=TIMEOUT)
    assert widget.models.model == "auto"
    assert "no.safetensors" in messages[-1]


@pytest.mark.parametrize("scope", ["whole stack", VIEW])
def test_copied_python_gives_the_same_pixels(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    scope: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(stack, name="cells's")
    widget = open_widget(qtbot, viewer, grey_model)
    widget.scope.setCurrentText(scope)
    run(qtbot, widget)
    script = widget.python_script()
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    names: dict[str, Any] = {}
    exec(script, names)
    result = viewer.layers["cells's denoised"].data
    np.testing.assert_array_equal(names["denoised"], result)
    with pytest.raises(GradNetError, match="whole files"):
        widget.command()


def test_copied_script_and_command_of_a_file(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    tmp_path: Path,
) -> None:
    import shlex

    from napari.layers._source import layer_source
    from tifffile import imread, imwrite

    from napari_gradnet.cli import main

    path = tmp_path / "my cells.tif"
    imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})
    with layer_source(path=str(path)):
        viewer.add_image(imread(path), name="cells")
    widget = open_widget(qtbot, viewer, grey_model)
    run(qtbot, widget)
    result = viewer.layers["cells denoised"].data
    output = tmp_path / "my cells-denoised.tif"
    words = shlex.split(widget.command())
    assert words[0] == "gradnet"
    assert main(words[1:]) == 0
    np.testing.assert_array_equal(imread(output), result)
    output.unlink()
    exec(widget.python_script(), {})
    np.testing.assert_array_equal(imread(output), result)

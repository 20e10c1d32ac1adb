"""Planes that are denoised when they are shown."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT
from tests.gui.test_denoise import Watched, open_widget, run

from napari_gradnet import api
from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets._lazy_planes import LazyPlanes
from napari_gradnet.widgets._task import LAZY

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


class Counted:
    """Doubles, and counts the planes that are computed; not while the gate is shut."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.seen: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.values = np.arange(np.prod(shape)).reshape(shape)

        def double(block: NDArray[Any]) -> NDArray[Any]:
            assert self.gate.wait(TIMEOUT / 1000)
            if block.size:
                self.seen.append(int(block.flat[0]))
            return block * 2

        lazy = da.from_array(self.values, chunks=(1, *shape[1:]))
        self.lazy = lazy.map_blocks(double, dtype=self.values.dtype, meta=lazy._meta)


def test_planes_are_computed_once_and_the_oldest_forgotten() -> None:
    counted = Counted((4, 5, 6))
    planes = LazyPlanes(
        counted.lazy, ImageAxes("ZYX", (4, 5, 6)), num_bytes=2 * 5 * 6 * 8
    )
    assert (planes.shape, planes.ndim, planes.size, len(planes)) == (
        (4, 5, 6),
        3,
        120,
        4,
    )
    np.testing.assert_array_equal(planes[1], counted.values[1] * 2)
    np.testing.assert_array_equal(planes[-3, 2:4, ::2], counted.values[1, 2:4, ::2] * 2)
    assert len(counted.seen) == 1
    _ = planes[2], planes[1], planes[3]  # 2 is the oldest now
    assert [planes.is_ready((z,)) for z in range(4)] == [False, True, False, True]
    for index in (
        np.s_[2:3],
        np.s_[:, -1],
        np.s_[::-2, 1:, 5],
        np.s_[9:],
        np.s_[:, 3],
        np.s_[1:3],
        np.s_[..., 0],
        [0, 2],
        np.s_[None, 1],
    ):
        np.testing.assert_array_equal(planes[index], counted.values[index] * 2)
    np.testing.assert_array_equal(np.asarray(planes), counted.values * 2)
    assert np.asarray(planes, np.float32).dtype == np.float32
    with pytest.raises(IndexError):
        planes[4]


def test_rows_need_not_stand_last() -> None:
    counted = Counted((5, 4, 6))
    planes = LazyPlanes(counted.lazy, ImageAxes("YCX", (5, 4, 6)))
    np.testing.assert_array_equal(planes[:, 2], counted.values[:, 2] * 2)
    assert planes.is_ready((2,))
    assert not planes.is_ready((1,))


def test_only_what_is_shown_is_denoised(
    qtbot: QtBot, viewer: ViewerModel, grey_model: Path, stack: NDArray[Any]
) -> None:
    watched = Watched(stack)
    viewer.add_image(watched.dask(), name="lazy", contrast_limits=(0, 4000))
    viewer.dims.set_current_step(0, 1)
    widget = open_widget(qtbot, viewer, grey_model)
    widget.scope.setCurrentText(LAZY)
    run(qtbot, widget)
    layer = viewer.layers["lazy denoised"]
    assert not layer.visible
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    expected = api.denoise(stack, grey_model, axes="ZYX")
    ready = [layer.data.is_ready((z,)) for z in range(4)]
    assert ready == [False, True, False, False]
    np.testing.assert_allclose(layer.data[1], expected[1], atol=1)
    viewer.layers["lazy"].visible = False  # or napari would wait for its planes too
    gate = threading.Event()
    watched.then = lambda _: gate.wait(TIMEOUT / 1000)
    viewer.dims.set_current_step(0, 3)
    assert not layer.visible  # the GUI thread does not wait for it
    assert not layer.data.is_ready((3,))
    gate.set()
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    np.testing.assert_allclose(layer._slice.image.raw, expected[3], atol=1)
    gate.clear()
    viewer.dims.set_current_step(0, 0)
    layer.visible = True  # somebody is impatient
    assert not layer.data.is_ready((0,))
    assert not layer.visible
    gate.set()
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    np.testing.assert_allclose(layer._slice.image.raw, expected[0], atol=1)
    viewer.dims.set_current_step(0, 1)
    assert layer.visible  # it is kept
    layer.visible = False  # the eye
    viewer.dims.set_current_step(0, 2)
    assert not layer.visible
    assert not layer.data.is_ready((2,))
    np.testing.assert_allclose(np.asarray(layer.data), expected, atol=1)
    assert layer.metadata[METADATA_KEY]["operation"] == "denoise lazily"
    viewer.layers.clear()


def test_three_dimensions_are_not_computed_in_the_gui(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    messages: list[str],
) -> None:
    viewer.add_image(stack, name="cells")
    widget = open_widget(qtbot, viewer, grey_model)
    widget.scope.setCurrentText(LAZY)
    run(qtbot, widget)
    layer = viewer.layers["cells denoised"]
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    viewer.dims.ndisplay = 3
    assert not layer.visible
    assert not all(layer.data.is_ready((z,)) for z in range(4))
    assert "2D" in messages[-1]
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    viewer.layers.clear()


def test_an_error_is_told_once(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    stack: NDArray[Any],
    messages: list[str],
) -> None:
    watched = Watched(stack)
    viewer.add_image(watched.dask(), name="lazy", contrast_limits=(0, 4000))
    widget = open_widget(qtbot, viewer, grey_model)
    widget.scope.setCurrentText(LAZY)
    run(qtbot, widget)
    layer = viewer.layers["lazy denoised"]
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)

    def fail(_: int) -> None:
        msg = "the disk is gone"
        raise OSError(msg)

    watched.then = fail
    server = layer.data.server
    with qtbot.waitSignal(server.job.ended, timeout=TIMEOUT):
        viewer.layers[0].visible = False
        viewer.dims.set_current_step(0, 3)
    assert "the disk is gone" in messages[-1]
    assert not server.job.running
    viewer.layers.clear()


def test_guides_are_refused(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any], messages: list[str]
) -> None:
    viewer.add_image(stack, name="cells")
    widget = open_widget(qtbot, viewer, None)
    widget.scope.setCurrentText(LAZY)
    widget.advanced.guide.setCurrentText("BM3D")
    widget.run()
    assert "the model's own guide" in messages[-1]
    assert not widget.job.running
    with pytest.raises(GradNetError, match="the model's own guide"):
        widget.python_script()

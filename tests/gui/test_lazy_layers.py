"""Lazy layers in napari's own hands: duplicates, parts, dask, Compare."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from napari.layers._layer_actions import _duplicate_layer
from tests.gui.comparing import press
from tests.gui.conftest import TIMEOUT
from tests.gui.test_lazy import Counted

from napari_gradnet.axes import ImageAxes
from napari_gradnet.widgets._lazy import PlaneServer
from napari_gradnet.widgets._lazy_planes import LazyPlanes
from napari_gradnet.widgets.compare import CompareWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from pytestqt.qtbot import QtBot

SHAPE = (20, 24, 32)


@pytest.fixture
def counted() -> Counted:
    return Counted(SHAPE)


@pytest.fixture
def lazy(qtbot: QtBot, viewer: ViewerModel, counted: Counted) -> Image:
    """A lazy layer above its source, at plane 5, which is there."""
    viewer.add_image(counted.values, name="noisy", contrast_limits=(0, 99))
    planes: Any = LazyPlanes(counted.lazy, ImageAxes("ZYX", SHAPE))
    layer = viewer.add_image(
        planes, name="lazy", visible=False, contrast_limits=(0, 99)
    )
    viewer.dims.set_current_step(0, 5)
    PlaneServer(viewer, layer)
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    assert len(counted.seen) == 1
    return layer


def test_a_duplicate_computes_its_planes_as_well(
    qtbot: QtBot, viewer: ViewerModel, counted: Counted, lazy: Image
) -> None:
    viewer.layers.selection = {lazy}
    _duplicate_layer(viewer.layers)
    twin = viewer.layers["lazy copy"]
    assert twin.visible
    assert twin.data.server is not lazy.data.server
    viewer.layers.remove(lazy)
    counted.gate.clear()
    viewer.dims.set_current_step(0, 7)
    assert not twin.visible
    counted.gate.set()
    qtbot.waitUntil(lambda: twin.visible, timeout=TIMEOUT)
    np.testing.assert_array_equal(twin._slice.image.raw, counted.values[7] * 2)
    assert len(counted.seen) == 2
    viewer.layers.clear()


def test_nothing_is_computed_for_a_layer_that_was_removed(
    viewer: ViewerModel, counted: Counted, lazy: Image
) -> None:
    server = lazy.data.server
    viewer.layers.remove(lazy)
    assert lazy.data.server is None
    viewer.dims.set_current_step(0, 1)
    assert not server.job.running
    assert len(counted.seen) == 1


def test_parts_of_planes_are_those_of_the_whole() -> None:
    counted = Counted((3, 5, 6))
    planes = LazyPlanes(counted.lazy, ImageAxes("ZYX", (3, 5, 6)))
    part = planes.beyond(2, 1).beyond(2, 1).beyond(1, 3)
    expected = (counted.values * 2)[:, 3:, 2:]
    assert part.shape == (3, 2, 4)
    np.testing.assert_array_equal(part[1, :, ::-1], expected[1, :, ::-1])
    np.testing.assert_array_equal(np.asarray(part), expected)
    assert len(counted.seen) == 3
    assert planes.shape == (3, 5, 6)
    assert part.shares_planes(deepcopy(planes))
    assert not part.shares_planes(LazyPlanes(counted.lazy, planes.axes))


def test_dask_takes_one_plane_at_a_time() -> None:
    counted = Counted((5, 4, 6))
    planes = LazyPlanes(counted.lazy, ImageAxes("YCX", (5, 4, 6)))
    assert planes.chunks == (5, 1, 6)
    array = da.from_array(planes, chunks=planes.chunks, name=False)
    np.testing.assert_array_equal(array[:, 2].compute(), counted.values[:, 2] * 2)
    assert [planes.is_ready((c,)) for c in range(4)] == [False, False, True, False]


def compare(qtbot: QtBot, viewer: ViewerModel, lazy: Image) -> CompareWidget:
    widget = CompareWidget(viewer)
    qtbot.addWidget(widget)
    widget.before.set_layer(viewer.layers["noisy"])
    widget.after.set_layer(lazy)
    return widget


def test_the_curtain_computes_what_is_shown_in_the_background(
    qtbot: QtBot, viewer: ViewerModel, counted: Counted, lazy: Image
) -> None:
    widget = compare(qtbot, viewer, lazy)
    widget.curtain_button.click()
    cut = viewer.layers["lazy (curtain)"]
    assert cut.visible
    widget.slider.setValue(250)
    np.testing.assert_array_equal(cut._slice.image.raw, counted.values[5, :, 8:] * 2)
    assert len(counted.seen) == 1
    counted.gate.clear()
    viewer.dims.set_current_step(0, 12)
    assert not cut.visible  # the GUI thread does not wait for it
    widget.slider.setValue(500)
    counted.gate.set()
    qtbot.waitUntil(lambda: cut.visible, timeout=TIMEOUT)
    np.testing.assert_array_equal(cut._slice.image.raw, counted.values[12, :, 16:] * 2)
    assert len(counted.seen) == 2
    assert not lazy.visible
    viewer.dims.set_current_step(0, 13)
    widget.curtain_button.click()  # and the layer is shown again when it can be
    qtbot.waitUntil(lambda: lazy.visible, timeout=TIMEOUT)
    assert len(counted.seen) == 3
    viewer.layers.clear()


def test_the_removed_noise_computes_the_plane_on_the_screen(
    qtbot: QtBot, viewer: ViewerModel, counted: Counted, lazy: Image
) -> None:
    widget = compare(qtbot, viewer, lazy)
    widget.noise.scope.setCurrentIndex(1)
    viewer.dims.set_current_step(0, 9)
    qtbot.waitUntil(lambda: lazy.visible, timeout=TIMEOUT)
    press(qtbot, widget.noise)
    removed = viewer.layers["noisy removed noise"]
    assert len(counted.seen) == 2
    qtbot.waitUntil(lambda: removed.visible, timeout=TIMEOUT)
    lazy.visible = False
    counted.gate.clear()
    viewer.dims.set_current_step(0, 11)
    assert not removed.visible  # the GUI thread does not wait for it
    counted.gate.set()
    qtbot.waitUntil(lambda: removed.visible, timeout=TIMEOUT)
    noisy = viewer.layers["noisy"].data[11]
    np.testing.assert_array_equal(
        removed._slice.image.raw, noisy - counted.values[11] * 2.0
    )
    viewer.layers.clear()

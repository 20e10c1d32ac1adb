"""Layers in other units than the viewer, whose last dimensions are common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT
from tests.gui.test_lazy import Counted

from napari_gradnet.axes import ImageAxes
from napari_gradnet.widgets._lazy import PlaneServer
from napari_gradnet.widgets._lazy_planes import LazyPlanes
from napari_gradnet.widgets.compare import CompareWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot

SHAPE = (9, 16, 20)
NM = {"scale": (2000, 1000, 1000), "units": ("nm",) * 3}
UM = {"scale": (2, 1, 1), "units": ("um",) * 3}


def test_the_plane_on_the_screen_is_computed(qtbot: QtBot, viewer: ViewerModel) -> None:
    counted = Counted(SHAPE)
    viewer.add_image(counted.values, **NM)
    planes: Any = LazyPlanes(counted.lazy, ImageAxes("ZYX", SHAPE))
    layer = viewer.add_image(planes, visible=False, contrast_limits=(0, 9), **UM)
    viewer.dims.set_current_step(0, 5)
    PlaneServer(viewer, layer)
    qtbot.waitUntil(lambda: layer.visible, timeout=TIMEOUT)
    # the one that napari itself takes from it
    np.testing.assert_array_equal(layer._slice.image.raw, counted.values[5] * 2)
    assert len(counted.seen) == 1
    viewer.layers.clear()


def test_the_curtain_is_dragged_where_the_mouse_is(
    qtbot: QtBot, viewer: ViewerModel
) -> None:
    viewer.add_image(np.zeros(SHAPE), name="other", **NM)
    before = viewer.add_image(np.zeros(SHAPE), name="before", **UM)
    after = viewer.add_image(np.ones(SHAPE), name="after", **UM)
    widget = CompareWidget(viewer)
    qtbot.addWidget(widget)
    widget.before.set_layer(before)
    widget.after.set_layer(after)
    widget.curtain_button.click()
    curtain: Any = widget._comparison
    assert str(viewer.dims.units[-1]) == "nanometer"  # the finest
    # at the edge of column 15, in the units of the viewer
    place = np.array(after.data_to_world((0, 8, 14.5))) * 1000
    assert curtain._column_at(place) == 15
    widget.slider.setValue(750)
    viewer.scene.camera.zoom = 10 / 1000
    assert curtain._is_near(place)
    assert curtain._is_near(place + np.array([0, 0, 500]))
    assert not curtain._is_near(place + np.array([0, 0, 2000]))
    assert curtain.line.edge_width == pytest.approx(0.3)  # um: 3 pixels of the screen
    widget.curtain_button.click()

"""The Gradient widget on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.conftest import TIMEOUT

from napari_gradnet import api
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets.gradient import GradientWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def run(qtbot: QtBot, widget: GradientWidget, button: str = "Compute") -> None:
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons[button].click()


@pytest.mark.parametrize(
    ("kind", "colormap"), [("horizontal", "gray"), ("orientation", "hsv")]
)
def test_gradient_is_that_of_the_api(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any], kind: str, colormap: str
) -> None:
    viewer.add_image(stack, name="cells", scale=(2, 1, 1), colormap="green")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    widget.kinds.setCurrentText(kind)
    run(qtbot, widget)
    layer = viewer.layers["cells gradient"]
    expected = api.gradient(stack, kind, axes="ZYX")
    np.testing.assert_array_equal(layer.data, expected)
    assert layer.data.dtype == np.float32
    assert layer.colormap.name == colormap
    low, high = layer.contrast_limits
    assert low == -high < 0
    np.testing.assert_array_equal(layer.scale, (2, 1, 1))
    assert layer.metadata[METADATA_KEY]["kind"] == kind


def test_colours_give_the_gradient_of_their_mean(
    qtbot: QtBot, viewer: ViewerModel, photo: NDArray[Any]
) -> None:
    image = np.stack([photo[:40, :50], photo[60:100, 60:110]])
    viewer.add_image(image, rgb=True, name="photos")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    run(qtbot, widget)
    layer = viewer.layers["photos gradient"]
    assert not layer.rgb
    np.testing.assert_allclose(
        layer.data, api.gradient(image.mean(-1), axes="ZYX"), rtol=1e-4, atol=1e-5
    )


def test_preview_follows_the_kind_and_has_no_false_edges(
    qtbot: QtBot, viewer: ViewerModel, grey_photo: NDArray[Any]
) -> None:
    layer = viewer.add_image(grey_photo, name="photo")
    layer.corner_pixels = np.array([[100, 150], [199, 249]])
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    run(qtbot, widget, "Preview")
    part = (slice(100, 200), slice(150, 250))
    np.testing.assert_array_equal(
        viewer.layers["photo preview"].data, api.gradient(grey_photo)[part]
    )
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.kinds.setCurrentText("vertical")
    np.testing.assert_array_equal(
        viewer.layers["photo preview"].data, api.gradient(grey_photo, "vertical")[part]
    )

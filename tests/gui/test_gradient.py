"""The Gradient widget on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from tests.gui.conftest import TIMEOUT

from napari_gradnet import api
from napari_gradnet.metrics import textured_mask
from napari_gradnet.values import robust_range
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets.gradient import TEXTURE, GradientWidget

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


def test_texture_is_the_mask_of_the_paper(
    qtbot: QtBot, viewer: ViewerModel, grey_photo: NDArray[Any]
) -> None:
    planes = np.stack([grey_photo[:90, :100], grey_photo[200:290, 200:300]])
    counts = (1000 + 3000 * planes).astype(np.uint16)
    viewer.add_image(counts, name="cells", scale=(2, 0.5, 0.5), translate=(1, 2, 3))
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    widget.kinds.setCurrentText(TEXTURE)
    widget.threshold.setValue(1.5)
    run(qtbot, widget)
    mask = viewer.layers["cells texture"]
    assert isinstance(mask, Labels)
    low, high = robust_range(list(counts))
    for plane, found in zip(counts, mask.data, strict=True):
        expected = textured_mask((plane - low) / (high - low), 1.5)
        np.testing.assert_array_equal(found, expected.astype(np.uint8))
    share = mask.data.mean()
    assert 0 < share < 0.5
    assert f"{100 * share:.1f} % of the pixels" in widget.bar.status.text()
    np.testing.assert_array_equal(mask.scale, (2, 0.5, 0.5))
    np.testing.assert_array_equal(mask.translate, (1, 2, 3))
    record = mask.metadata[METADATA_KEY]
    assert (record["epsilon"], record["operation"]) == (1.5, "texture mask")


def test_slider_moves_the_mask_that_is_shown(
    qtbot: QtBot, viewer: ViewerModel, photo: NDArray[Any]
) -> None:
    image = np.round(photo[:80, 100:200] * 255).astype(np.uint8)
    viewer.add_image(image, rgb=True, name="photo")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    widget.kinds.setCurrentText(TEXTURE)
    run(qtbot, widget, "Preview")
    mask = viewer.layers["photo preview"]
    expected = textured_mask(image / 255, 0.5, channel_axis=-1)
    np.testing.assert_array_equal(mask.data, expected)
    mask.opacity = 0.9  # a person's
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.threshold.setValue(2.0)
    assert viewer.layers["photo preview"] is mask
    expected = textured_mask(image / 255, 2.0, channel_axis=-1)
    np.testing.assert_array_equal(mask.data, expected)
    assert mask.opacity == 0.9
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.kinds.setCurrentText("magnitude")
    assert [x.name for x in viewer.layers] == ["photo", "photo preview"]
    assert isinstance(viewer.layers["photo preview"], Image)


def test_live_preview_follows_the_plane(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    viewer.add_image(stack, name="cells")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    runs: list[Any] = []
    widget.job.ended.connect(runs.append)
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.live.setChecked(True)
    preview = viewer.layers["cells preview"]
    preview_shape = preview.data.shape
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        viewer.dims.set_current_step(0, 3)
    assert viewer.layers["cells preview"] is preview
    np.testing.assert_array_equal(preview.data[0], api.gradient(stack[3]))
    assert preview.data_to_world((0, 0, 0))[0] == 3
    qtbot.wait(400)  # showing it sets off no other one
    assert len(runs) == 2
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.axes.set_axes("YZX")  # the plane is that of the other two now
    assert viewer.layers["cells preview"].data.shape != preview_shape
    widget.live.setChecked(False)
    qtbot.wait(400)


def test_axes_that_do_not_agree_on_colours_are_refused(
    qtbot: QtBot, viewer: ViewerModel, photo: NDArray[Any], messages: list[str]
) -> None:
    viewer.add_image(photo[:40, :50], rgb=False, name="channels last")
    viewer.add_image(photo[:40, :50], rgb=True, name="colours")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    for name, axes in (("channels last", "YXS"), ("colours", "YXC")):
        widget.layers.set_layer(viewer.layers[name])
        widget.axes.set_axes(axes)
        widget.run()
        assert f"the axes {axes} and the layer do not agree" in messages[-1]
        assert not widget.job.running


def test_before_and_after_stand_side_by_side(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any], messages: list[str]
) -> None:
    noisy = viewer.add_image(stack, name="noisy", scale=(2, 0.5, 0.25), rotate=30)
    viewer.add_image((stack // 2).astype(np.uint16), name="denoised")
    viewer.add_image(stack[:, :20], name="other")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    widget.layers.set_layer(noisy)
    assert widget.beside.currentText() == "nothing"
    widget.beside.setCurrentText("denoised")
    run(qtbot, widget)
    first, second = viewer.layers["noisy gradient"], viewer.layers["denoised gradient"]
    np.testing.assert_array_equal(second.data, api.gradient(stack // 2, axes="ZYX"))
    assert first.contrast_limits == second.contrast_limits
    first.contrast_limits = (0, 77)
    assert second.contrast_limits == [0, 77]
    # its first column lies a little beyond the last of the other, in one row
    beyond = first.world_to_data(second.data_to_world((1, 5, 0)))
    np.testing.assert_allclose(beyond[:2], (1, 5), atol=1e-6)
    assert 40 <= beyond[2] < 42
    assert second.metadata[METADATA_KEY]["source"] == "denoised"
    widget.beside.setCurrentText("other")
    widget.run()
    assert "the layer beside has shape" in messages[-1]
    assert not widget.job.running

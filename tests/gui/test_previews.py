"""Previews that change with what is previewed, on viewers without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from tests.gui.conftest import TIMEOUT

from napari_gradnet.widgets._train_form import TrainForm
from napari_gradnet.widgets.gradient import TEXTURE, GradientWidget
from napari_gradnet.widgets.naive import NaiveWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def preview(qtbot: QtBot, widget: Any) -> None:
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons["Preview"].click()


def test_colours_come_after_a_grey_stack(
    qtbot: QtBot, viewer: ViewerModel, rng: np.random.Generator
) -> None:
    units = ("micrometer",) * 3
    grey = viewer.add_image(
        rng.integers(0, 255, (2, 40, 48)).astype(np.uint8), name="cells", units=units
    )
    photo = viewer.add_image(
        rng.integers(0, 255, (40, 48, 3)).astype(np.uint8), rgb=True, name="photo"
    )
    widget = NaiveWidget(viewer)
    qtbot.addWidget(widget)
    widget.methods.setCurrentText("median")
    for source in (grey, photo, grey):
        widget.layers.set_layer(source)
        preview(qtbot, widget)
        shown = viewer.layers[-1]
        assert [x.name for x in viewer.layers][2:] == [f"{source.name} preview"]
        assert (shown.rgb, shown.ndim) == (source.rgb, source.ndim)
        assert shown.data.shape[-2:] == source.data.shape[-2:]
    qtbot.waitUntil(lambda: not widget.estimator.running, timeout=TIMEOUT)


def test_a_mask_follows_another_layer(
    qtbot: QtBot, viewer: ViewerModel, grey_photo: NDArray[Any]
) -> None:
    first = viewer.add_image(grey_photo[:64, :64], name="cells 2")
    second = viewer.add_image(
        grey_photo[200:264, 200:264], name="cells", colormap="green", scale=(2, 2)
    )
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    widget.kinds.setCurrentText(TEXTURE)
    widget.layers.set_layer(first)
    preview(qtbot, widget)
    mask = viewer.layers["cells 2 preview"]
    before = mask.data.copy()
    widget.layers.set_layer(second)
    preview(qtbot, widget)
    assert viewer.layers["cells preview"] is mask
    assert isinstance(mask, Labels)
    assert (mask.data != before).any()
    np.testing.assert_array_equal(mask.scale, (2, 2))


def test_they_are_not_offered_as_sources(
    qtbot: QtBot, viewer: ViewerModel, stack: NDArray[Any]
) -> None:
    source = viewer.add_image(stack, name="noisy")
    widget = GradientWidget(viewer)
    qtbot.addWidget(widget)
    preview(qtbot, widget)
    form = TrainForm(viewer)
    qtbot.addWidget(form)
    for box in (widget.layers, form.noisy_layer, form.clean_layer):
        assert [box.itemText(i) for i in range(box.count())] == ["noisy"]
    widget.layers.set_layer(viewer.layers["noisy preview"])
    assert widget.layers.layer is source
    other = GradientWidget(viewer)
    qtbot.addWidget(other)
    assert other.layers.layer is source

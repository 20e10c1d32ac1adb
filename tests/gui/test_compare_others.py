"""The Compare widget among other layers: what it hides, links and puts back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from tests.gui.comparing import Layers

    from napari_gradnet.widgets.compare import CompareWidget


def test_curtain_follows_the_pixels_of_its_layers(
    widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    blurred = layers[2]
    widget.curtain_button.click()
    widget.slider.setValue(250)
    cut = viewer.layers["blurred (curtain)"]
    blurred.data = blurred.data + np.uint16(7)
    np.testing.assert_array_equal(cut.data, blurred.data[..., 20:])
    assert np.shares_memory(cut.data, blurred.data)
    blurred.data = blurred.data[..., :-1]
    assert not widget.curtain_button.isChecked()
    assert "blurred (curtain)" not in viewer.layers
    blurred.data = layers[1].data  # and nothing listens any more
    assert len(viewer.layers) == 3

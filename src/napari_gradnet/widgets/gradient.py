"""The Gradient widget: Sobel gradients of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout

from napari_gradnet.gradient import GradientKind
from napari_gradnet.widgets._naive_work import GradientRun
from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._task import LayerWidget
from napari_gradnet.widgets._timing import in_words

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gradnet.widgets._layers import Region
    from napari_gradnet.widgets._work import Run

__all__ = ["GradientWidget"]

ABOUT = {
    "magnitude": "How steep it is: edges are bright.",
    "horizontal": "Rise to the right; falls are negative.",
    "vertical": "Rise downwards; falls are negative.",
    "orientation": "Direction of the steepest rise, as a hue.",
}


class GradientWidget(LayerWidget):
    """Sobel gradients of a layer; of colours, that of their mean.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where layers come from and results go.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "gradient", "Compute")
        self.kinds = QComboBox()
        self.kinds.addItems(list(get_args(GradientKind)))
        self.about = note(ABOUT[self.kinds.currentText()])
        self.kinds.currentTextChanged.connect(self._on_kind)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Layer", self.layers)
        form.addRow("Axes", self.axes)
        form.addRow("Gradient", self.kinds)
        form.addRow("", self.about)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.bar)
        column.addWidget(self.keep_button)
        column.addStretch()
        self._on_layer()

    def _on_kind(self, kind: str) -> None:
        self.about.setText(ABOUT[kind])
        # a preview that is there follows
        if self._preview is not None and not self.job.running:
            self.preview()

    def _make_run(self, image: Any, region: Region | None) -> Run:
        return GradientRun(image, self.axes.axes, self.kinds.currentText(), region)

    def _looks(self, run: Run) -> dict[str, Any]:
        colors, limits = "gray", (0.0, 1.0)
        if isinstance(run, GradientRun):
            high = run.steepest
            limits = (0.0 if run.kind == "magnitude" else -high, high)
            if run.kind == "orientation":
                colors, limits = "hsv", (-np.pi, np.pi)
        return {
            "rgb": False,
            "colormap": colors,
            "contrast_limits": limits,
            "gamma": 1.0,
        }

    def _summary(self, run: Run) -> str:
        return f"Done in {in_words(run.record['seconds'])}."

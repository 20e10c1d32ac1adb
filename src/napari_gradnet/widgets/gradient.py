"""The Gradient widget: Sobel gradients of a layer, and where it is textured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout
from superqt import QLabeledDoubleSlider

from napari_gradnet.errors import GradNetError
from napari_gradnet.gradient import GradientKind
from napari_gradnet.quality import EPSILON
from napari_gradnet.widgets._fields import form_layout
from napari_gradnet.widgets._layers import full_data, result_keywords, shifted
from napari_gradnet.widgets._live import LiveWidget
from napari_gradnet.widgets._memory import remember_fields
from napari_gradnet.widgets._naive_work import GradientRun
from napari_gradnet.widgets._parts import OptionalLayerBox, note
from napari_gradnet.widgets._texture_work import TEXTURED, PairRun, TextureRun
from napari_gradnet.widgets._timing import in_words

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_gradnet.region import Region
    from napari_gradnet.widgets._work import Run

__all__ = ["GradientWidget"]

TEXTURE = "textured or smooth"
ABOUT = {
    "magnitude": "How steep it is: edges are bright.",
    "horizontal": "Rise to the right; falls are negative.",
    "vertical": "Rise downwards; falls are negative.",
    "orientation": "Direction of the steepest rise, as a hue.",
    TEXTURE: (
        "Pixels at and around which the magnitude reaches the threshold, with black "
        "and white as 0 and 1. Meant for clean or denoised images: noise is steep."
    ),
}
#: Threshold: the magnitude's range, and the values that the GradNet paper tries.
THRESHOLDS = (0.05, 4.5)
PAPER = "The GradNet paper (sec. 5.4) uses 0.5, 1, 1.5 and 2"
DEFAULT_THRESHOLD = EPSILON
#: Of textured pixels: seen on grey, green and magenta.
COLOR = "#ffb000"
#: Pixels between two gradients side by side, as a part of their width.
_GAP = 0.02
_PLACED = ("name", "metadata", "scale", "translate", "rotate", "shear", "affine")


class BesideBox(OptionalLayerBox):
    """Choice of a layer that is shown beside another one, or of none."""

    none = "nothing"


class GradientWidget(LiveWidget):
    """Sobel gradients of a layer; of colours, that of their mean.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where layers come from and results go.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "gradient", "Compute")
        self._build()
        self._on_layer()

    def _build(self) -> None:
        self.kinds = QComboBox()
        self.kinds.addItems([*get_args(GradientKind), TEXTURE])
        self.about = note()
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(*THRESHOLDS)
        self.threshold.setDecimals(2)
        self.threshold.setValue(DEFAULT_THRESHOLD)
        self.threshold.setToolTip(PAPER)
        self.beside = BesideBox(self._viewer)
        self.beside.setCurrentIndex(0)
        self.beside.setToolTip(
            "Compute also makes the gradient of this layer, such as the denoised one, "
            "and puts it to the right, with one contrast for both"
        )
        form = form_layout()
        form.addRow("Layer", self.layers)
        form.addRow("Axes", self.axes)
        form.addRow("Gradient", self.kinds)
        form.addRow("", self.about)
        self._threshold_label = QLabel("Threshold")
        self._beside_label = QLabel("Beside it")
        form.addRow(self._threshold_label, self.threshold)
        form.addRow(self._beside_label, self.beside)
        form.addRow("Preview", self.live)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.bar)
        column.addWidget(self.keep_button)
        column.addStretch()
        self.kinds.currentTextChanged.connect(self._on_kind)
        self.threshold.valueChanged.connect(self._on_form)
        self.axes.changed.connect(self._on_form)
        remember_fields("gradient", kind=self.kinds, threshold=self.threshold)
        self._on_kind(self.kinds.currentText())

    def _on_kind(self, kind: str) -> None:
        self.about.setText(ABOUT[kind])
        mask = kind == TEXTURE
        for part in (self.threshold, self._threshold_label):
            part.setVisible(mask)
        for other in (self.beside, self._beside_label):
            other.setVisible(not mask)
        self._on_form()

    def _on_form(self, _: Any = None) -> None:
        # a preview that is there follows the form, live or not
        if self.live.isChecked() or self._preview is not None:
            self._delay.start()

    # ------------------------------------------------------------------ work

    def _make_run(self, image: Any, region: Region | None) -> Run:
        kind, axes = self.kinds.currentText(), self.axes.axes
        layer = self.layers.layer
        if layer is not None and ("S" in axes) != layer.rgb:
            msg = (
                f"the axes {axes} and the layer do not agree on colours: give S to the "
                "samples of a layer that napari shows as RGB, and to no other; else "
                "open the image as RGB, or not"
            )
            raise GradNetError(msg)
        if kind == TEXTURE:
            return TextureRun(image, axes, round(self.threshold.value(), 2), region)
        run = GradientRun(image, axes, kind, region)
        other = self.beside.layer
        if other is None or region is not None:
            return run
        pair = PairRun(run, GradientRun(full_data(other), axes, kind))
        pair.second.record["source"] = other.name
        return pair

    def _looks(self, run: Run) -> dict[str, Any]:
        if isinstance(run, TextureRun):
            return {"opacity": 0.5, "rgb": False}
        colors, limits = "gray", (0.0, 1.0)
        if isinstance(run, GradientRun | PairRun):
            kind, high = run.record.get("kind"), run.steepest
            limits = (0.0 if kind == "magnitude" else -high, high)
            if kind == "orientation":
                colors, limits = "hsv", (-np.pi, np.pi)
        return {
            "rgb": False,
            "colormap": colors,
            "contrast_limits": limits,
            "gamma": 1.0,
        }

    def _add_layer(self, run: Run, keywords: dict[str, Any]) -> Image:
        if isinstance(run, TextureRun):
            names = (*_PLACED, "units", "axis_labels", "opacity")
            kept = {name: keywords[name] for name in names if name in keywords}
            kept["name"] = kept["name"].replace("gradient", "texture")
            colors = {None: "transparent", TEXTURED: COLOR}
            mask: Image = self._viewer.add_labels(
                run.result, colormap=DirectLabelColormap(color_dict=colors), **kept
            )
            return mask
        layer = super()._add_layer(run, keywords)
        if isinstance(run, PairRun) and run.is_whole:
            self._add_beside(run, layer)
        return layer

    def _add_beside(self, run: PairRun, layer: Image) -> None:
        """Put the second gradient to the right of the first, with one contrast."""
        record = run.second.record
        keywords = result_keywords(layer, f"{record['source']} gradient", record)
        start = np.zeros(layer.ndim)
        column = run.second.axes.axes.replace("S", "").index("X")
        start[column] = layer.data.shape[column] * (1 + _GAP)
        keywords["translate"] = shifted(layer, start)
        second = self._viewer.add_image(run.second.result, **keywords)
        self._viewer.layers.link_layers(
            [layer, second], ("contrast_limits", "gamma", "colormap", "visible")
        )
        self._viewer.reset_view()

    def _summary(self, run: Run) -> str:
        done = f"Done in {in_words(run.record['seconds'])}"
        if isinstance(run, TextureRun):
            return f"{done}: {100 * run.share:.1f} % of the pixels are textured."
        return f"{done}."

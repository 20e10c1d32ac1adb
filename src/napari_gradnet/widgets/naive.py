"""The Naive denoise widget: BM3D and the classical methods on a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QVBoxLayout
from superqt import QLabeledDoubleSlider

from napari_gradnet import api
from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.naive import get_method
from napari_gradnet.widgets._advanced import VST
from napari_gradnet.widgets._fields import form_layout
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._layers import full_data
from napari_gradnet.widgets._live import LiveWidget
from napari_gradnet.widgets._memory import remember_fields
from napari_gradnet.widgets._naive_work import NaiveOptions, NaiveRun, iter_estimate
from napari_gradnet.widgets._noise_plot import NoisePlot
from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._task import sentence_of
from napari_gradnet.widgets._timing import in_words

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gradnet.noise.estimate import NoiseEstimate
    from napari_gradnet.widgets._layers import Region
    from napari_gradnet.widgets._work import Run

__all__ = ["NaiveWidget"]


class NaiveWidget(LiveWidget):
    """Denoise a layer with a classical method, in a thread.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where layers come from and results go.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "naively denoised", "Denoise")
        self.noise: tuple[NoiseEstimate, ...] | None = None
        self._estimate_again = False
        self.estimator = Job(self)
        self.estimator.ended.connect(self._on_noise)
        self._build()
        self.axes.changed.connect(self._estimate)
        self._on_layer()

    def _build(self) -> None:
        self.methods = QComboBox()
        self.methods.addItems(list(api.list_naive_methods()))
        self.about = note()
        self.methods.currentTextChanged.connect(self._on_method)
        self.told = note()
        self.told.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self.told.setMinimumHeight(3 * self.told.fontMetrics().lineSpacing())
        self.factor = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.factor.setRange(0.25, 3.0)
        self.factor.setDecimals(2)
        self.factor.setValue(1.0)
        self.factor.setToolTip("Times the estimated noise: above 1 smooths more")
        self.vst = QComboBox()
        for text, value in VST.items():
            self.vst.addItem(text, value)
        self.plot = NoisePlot()
        form = form_layout()
        form.addRow("Layer", self.layers)
        form.addRow("Axes", self.axes)
        form.addRow("Method", self.methods)
        form.addRow("", self.about)
        form.addRow("Noise", self.told)
        form.addRow("Strength", self.factor)
        form.addRow("Stabilise", self.vst)
        form.addRow("Preview", self.live)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.bar)
        column.addWidget(self.keep_button)
        column.addWidget(self.plot)
        column.addStretch()
        self.factor.valueChanged.connect(self._on_change)
        self.vst.currentIndexChanged.connect(self._on_change)
        remember_fields(
            "naive", method=self.methods, strength=self.factor, stabilise=self.vst
        )
        self._on_method(self.methods.currentText())

    def options(self) -> NaiveOptions:
        """What the form says."""
        return NaiveOptions(
            self.methods.currentText(), self.factor.value(), self.vst.currentData()
        )

    # ----------------------------------------------------------------- noise

    def _on_layer(self, _: Any = None) -> None:
        super()._on_layer()
        self._estimate()

    def _on_data(self, _: Any = None) -> None:
        super()._on_data()
        self._estimate()

    def _estimate(self) -> None:
        """Estimate the noise of the layer, in a thread."""
        self._show_noise(None)
        layer = self.layers.layer
        if layer is None:
            self.told.setText("")
            return
        if self.estimator.running:
            self._estimate_again = True
            self.estimator.cancel()
            return
        try:
            axes = ImageAxes(self.axes.axes, full_data(layer).shape)
        except GradNetError as error:
            self.told.setText(str(error))
            return
        self.told.setText("Estimating ...")
        self.estimator.start(iter_estimate(full_data(layer), axes))

    def _on_noise(self, outcome: Outcome) -> None:
        if self._estimate_again:
            self._estimate_again = False
            self._estimate()
        elif outcome.error is not None:
            self.told.setText(sentence_of(outcome.error))
        elif outcome.value is not None:
            self._show_noise(outcome.value)
            self._on_change()

    def _show_noise(self, noise: tuple[NoiseEstimate, ...] | None) -> None:
        self.noise = noise
        self.plot.set_noise(noise[0] if noise else None)
        if noise:
            self.told.setText("\n".join(_describe(n) for n in noise))

    # --------------------------------------------------------------- preview

    def _on_method(self, name: str) -> None:
        self.about.setText(get_method(name).summary)
        self._on_change()

    def _can_preview(self) -> bool:
        # the noise is on its way, and known to the preview then
        return super()._can_preview() and not self.estimator.running

    # ------------------------------------------------------------------ work

    def _make_run(self, image: Any, region: Region | None) -> Run:
        return NaiveRun(image, self.axes.axes, self.options(), self.noise, region)

    def _summary(self, run: Run) -> str:
        record = run.record
        return f"Done in {in_words(record['seconds'])} with {record['method']}."


def _describe(noise: NoiseEstimate) -> str:
    """Say what the noise is, in the units of the image."""
    text = f"sigma {noise.sigma:.4g}"
    if noise.gain > 0 and noise.confidence >= 0.5:
        text += (
            f" at mean brightness; gain {noise.gain:.3g}, offset {noise.offset:.4g}, "
            f"read noise {noise.read_noise:.3g}"
        )
    return text

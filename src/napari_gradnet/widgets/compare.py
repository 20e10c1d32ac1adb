"""The Compare widget: two layers by eye, what was removed, and a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QPushButton,
    QSlider,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._compare_curtain import Curtain
from napari_gradnet.widgets._compare_methods import MethodsTab
from napari_gradnet.widgets._compare_noise import NoiseTab
from napari_gradnet.widgets._compare_quality import QualityTab
from napari_gradnet.widgets._compare_tab import ReferenceBox, source_of
from napari_gradnet.widgets._compare_view import SideBySide, rows_and_columns_shown
from napari_gradnet.widgets._fields import form_layout
from napari_gradnet.widgets._form import Form
from napari_gradnet.widgets._parts import LayerBox, connect, note, unwrap

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["CompareWidget"]

_STEPS = 1000


class CompareWidget(Form):
    """Compare two layers by eye, by what was removed, and with a reference.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where the layers are.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = unwrap(napari_viewer)
        self._comparison: Curtain | SideBySide | None = None
        self.before = LayerBox(self.viewer)
        self.after = LayerBox(self.viewer)
        self.reference = ReferenceBox(self.viewer)
        self._guess_pair()
        self.noise = NoiseTab(self)
        self.quality = QualityTab(self)
        self.methods = MethodsTab(self)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._build_view(), "View")
        self.tabs.addTab(self.noise, "Removed noise")
        self.tabs.addTab(self.quality, "Quality")
        self.tabs.addTab(self.methods, "Methods")
        self.tabs.currentChanged.connect(self._on_tab)
        form = form_layout()
        form.addRow("Noisy", self.before)
        form.addRow("Denoised", self.after)
        form.addRow("Reference", self.reference)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.tabs, 1)
        self.before.currentIndexChanged.connect(self._on_layers)
        self.after.currentIndexChanged.connect(self._on_layers)
        connect(self, self.viewer.layers.events.removed, self._on_removed)
        for name in ("ndisplay", "order"):
            connect(self, getattr(self.viewer.dims.events, name), self._on_dims)
        self.destroyed.connect(_Ending(self))

    def _build_view(self) -> QWidget:
        self.curtain_button = QPushButton("Curtain")
        self.curtain_button.setToolTip(
            "Noisy to the left of a line, denoised to the right; drag the line"
        )
        self.side_button = QPushButton("Side by side")
        self.side_button.setToolTip("Both layers under one camera, no others")
        for button in (self.curtain_button, self.side_button):
            button.setCheckable(True)
        self.curtain_button.clicked.connect(self._on_curtain)
        self.side_button.clicked.connect(self._on_side)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setValue(_STEPS // 2)
        self.slider.setEnabled(False)
        self.slider.valueChanged.connect(self._on_slider)
        self.same_contrast = QCheckBox("show both with the contrast of the noisy one")
        self.same_contrast.setChecked(True)
        self.same_contrast.toggled.connect(self._restart)
        self.view_told = note("Other image layers are hidden meanwhile.")
        tab = QWidget()
        form = form_layout()
        form.addRow("Line", self.slider)
        form.addRow("Contrast", self.same_contrast)
        column = QVBoxLayout(tab)
        column.addWidget(self.curtain_button)
        column.addWidget(self.side_button)
        column.addLayout(form)
        column.addWidget(self.view_told)
        column.addStretch()
        return tab

    # ---------------------------------------------------------------- layers

    def _guess_pair(self) -> None:
        """Choose a layer and what was made from it, where there are such."""
        images = [x for x in self.viewer.layers if isinstance(x, Image)]
        made = [x for x in images if source_of(x) in self.viewer.layers]
        active = self.viewer.layers.selection.active
        chosen = active if active in made else (made[-1] if made else None)
        if chosen is not None:
            self.after.set_layer(chosen)
            self.before.set_layer(self.viewer.layers[source_of(chosen)])
        elif len(images) > 1:
            first = self.before.layer
            self.after.set_layer(next(x for x in reversed(images) if x is not first))

    def _on_layers(self, _: Any = None) -> None:
        # of a layer that was removed `_on_removed` is told too
        if self._comparison is not None and self._is_complete():
            self.stop_comparing()
        if self.tabs.currentWidget() is self.methods:
            self.methods.look_for_methods()

    def _on_tab(self, _: int) -> None:
        if self.tabs.currentWidget() is self.methods:
            self.methods.look_again()

    # ---------------------------------------------------------------- viewing

    def _on_curtain(self, _: Any = None) -> None:
        self._compare(Curtain if self.curtain_button.isChecked() else None)

    def _on_side(self, _: Any = None) -> None:
        self._compare(SideBySide if self.side_button.isChecked() else None)

    def _restart(self, _: Any = None) -> None:
        if self._comparison is not None:
            self._compare(type(self._comparison))

    def _compare(self, kind: type[Curtain | SideBySide] | None) -> None:
        """Show the layers in one way, or as they were."""
        self.stop_comparing()
        before, after = self.before.layer, self.after.layer
        if kind is None:
            return
        same = self.same_contrast.isChecked()
        boxes = (self.before, self.after)
        for box in boxes:
            box.blockSignals(True)  # layers come and go
        try:
            if kind is Curtain:
                self._comparison = Curtain(
                    self.viewer,
                    before,
                    after,
                    same_contrast=same,
                    on_moved=self._on_moved,
                    on_lost=self.stop_comparing,
                )
                self._comparison.fraction = self.slider.value() / _STEPS
            else:
                self._comparison = SideBySide(
                    self.viewer, before, after, same_contrast=same
                )
        except GradNetError as error:
            show_warning(str(error))
        finally:
            for box in boxes:
                box.blockSignals(False)
        self._show_buttons()

    def stop_comparing(self) -> None:
        """Put the viewer back as it was."""
        comparison, self._comparison = self._comparison, None
        if comparison is not None:
            comparison.stop()
        self._show_buttons()

    def _show_buttons(self) -> None:
        self.curtain_button.setChecked(isinstance(self._comparison, Curtain))
        self.side_button.setChecked(isinstance(self._comparison, SideBySide))
        self.slider.setEnabled(isinstance(self._comparison, Curtain))

    def _on_slider(self, value: int) -> None:
        if isinstance(self._comparison, Curtain):
            self._comparison.fraction = value / _STEPS

    def _on_moved(self, fraction: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(fraction * _STEPS))
        self.slider.blockSignals(False)

    def _on_removed(self, event: Any) -> None:
        comparison = self._comparison
        if comparison is not None and event.value in comparison.involved:
            # napari may be in the middle of removing all that are selected, the line
            # among them
            QTimer.singleShot(0, self._stop_if_incomplete)

    def _is_complete(self) -> bool:
        """Whether all the layers are there that the comparison needs."""
        comparison, layers = self._comparison, self.viewer.layers
        return comparison is None or all(x in layers for x in comparison.involved)

    def _stop_if_incomplete(self) -> None:
        if not self._is_complete():
            self.stop_comparing()

    def _wind_up(self) -> None:
        self.stop_comparing()

    def _on_dims(self, _: Any = None) -> None:
        if isinstance(self._comparison, Curtain) and not rows_and_columns_shown(
            self.viewer
        ):
            self.stop_comparing()
            show_info("the curtain was taken away: it needs rows and columns in 2-D")


class _Ending:
    """Takes a curtain away when the widget is destroyed."""

    def __init__(self, widget: CompareWidget) -> None:
        self._state = widget.__dict__

    def __call__(self, _: Any = None) -> None:
        comparison = self._state.get("_comparison")
        self._state["_comparison"] = None
        if comparison is not None:
            comparison.stop()

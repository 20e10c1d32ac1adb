"""Options of denoising that most people leave alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import QComboBox, QSpinBox

from napari_gradnet.widgets._fields import AdvancedSection
from napari_gradnet.widgets._parts import follow_layers
from napari_gradnet.widgets._preferences import (
    read_preference,
    watch_preference,
    write_preference,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["VST", "AdvancedOptions", "GuideBox"]

#: Text in the form and value of `api.denoise`.
PRECISIONS = {k: k for k in ("auto", "float32", "bfloat16", "float16")}
DTYPES = {"as the input": "same", "float32": "float32"}
ENSEMBLE = {
    "as the model says": None,
    "8 flips and turns (8 times slower)": True,
    "the image as it is": False,
}
VST = {"where noise grows with signal": "auto", "always": True, "never": False}


def _box(choices: dict[str, Any], tip: str) -> QComboBox:
    box = QComboBox()
    for text, value in choices.items():
        box.addItem(text, value)
    box.setToolTip(tip)
    return box


class GuideBox(QComboBox):
    """Choice of what guides a GradNet: its own denoiser, BM3D or a layer.

    Parameters
    ----------
    viewer : ViewerModel
        Its image layers are offered.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.setToolTip(
            "The image whose gradient a GradNet fuses; a layer must have the shape "
            "of the one that is denoised"
        )
        self.refresh()
        follow_layers(self, viewer, self.refresh)

    def refresh(self, _: Any = None) -> None:
        """Take the layers and their names anew; the choice stays."""
        chosen = self.currentData()
        self.clear()
        self.addItem("the model's own", None)
        self.addItem("BM3D", "bm3d")
        for layer in self._viewer.layers:
            if isinstance(layer, Image):
                self.addItem(layer.name, layer)
                if layer is chosen:
                    self.setCurrentIndex(self.count() - 1)
        if chosen == "bm3d":
            self.setCurrentIndex(1)

    def showPopup(self) -> None:
        """Show the list, with names as they are now."""
        self.refresh()
        super().showPopup()

    @property
    def kind(self) -> str | None:
        """``"bm3d"``, or None."""
        data = self.currentData()
        return data if isinstance(data, str) else None

    @property
    def layer(self) -> Image | None:
        """The layer that guides, if one does."""
        data = self.currentData()
        return data if isinstance(data, Image) else None


class AdvancedOptions(AdvancedSection):
    """Precision, tile, self-ensemble, output type, variance stabilisation and guide.

    Parameters
    ----------
    viewer : ViewerModel, optional
        Its layers are offered as guides; without it no guide can be chosen.
    """

    def __init__(self, viewer: ViewerModel | None = None) -> None:
        super().__init__()
        self.precision = _box(PRECISIONS, "Arithmetic of the network")
        self.tile = QSpinBox()
        self.tile.setRange(0, 16384)
        self.tile.setSingleStep(64)
        self.tile.setSpecialValueText("from the free memory")
        self.tile.setSuffix(" pixels")
        self.tile.setToolTip("Largest tile; the result does not depend on it")
        self.ensemble = _box(
            ENSEMBLE, "The mean over flips and turns is about 0.1 dB better"
        )
        self.dtype = _box(DTYPES, "Type of the result's pixels")
        self.vst = _box(VST, "Stabilise the variance of counts before the network")
        self.guide = None if viewer is None else GuideBox(viewer)
        self.rows.addRow("Precision", self.precision)
        self.rows.addRow("Tile", self.tile)
        self.rows.addRow("Ensemble", self.ensemble)
        self.rows.addRow("Output", self.dtype)
        self.rows.addRow("Stabilise", self.vst)
        if self.guide is not None:
            self.rows.addRow("Guide", self.guide)
        self._follow_preferences()

    def _follow_preferences(self) -> None:
        """Show the preferences, and make them what a person chooses here."""
        for box, section, name in (
            (self.precision, "compute", "precision"),
            (self.dtype, "output", "dtype"),
        ):
            _choose(box, read_preference(section, name))
            watch_preference(self, section, name, _Chooser(box))
            box.activated.connect(_Writer(box, section, name))
        self.tile.setValue(read_preference("compute", "tile"))
        watch_preference(self, "compute", "tile", self.tile.setValue)
        self.tile.editingFinished.connect(self._on_tile)

    def _on_tile(self) -> None:
        write_preference("compute", "tile", self.tile.value())

    def set_rgb(self, rgb: bool) -> None:
        """Keep the type of colours: napari shows other types on another scale."""
        if rgb:
            self.dtype.setCurrentIndex(0)
        elif not self.dtype.isEnabled():
            _choose(self.dtype, read_preference("output", "dtype"))
        self.dtype.setEnabled(not rgb)

    def values(self) -> dict[str, Any]:
        """Keywords of `DenoiseOptions`."""
        values = {
            "precision": self.precision.currentData(),
            "tile": self.tile.value() or None,
            "ensemble": self.ensemble.currentData(),
            "dtype": self.dtype.currentData(),
            "vst": self.vst.currentData(),
        }
        if self.guide is not None and self.guide.isEnabled():
            values["guide"] = self.guide.kind
        return values


def _choose(box: QComboBox, value: Any) -> None:
    if (index := box.findData(value)) >= 0:
        box.setCurrentIndex(index)


class _Chooser:
    """Shows a value; nothing where the field is switched off."""

    def __init__(self, box: QComboBox) -> None:
        self._box = box

    def __call__(self, value: Any) -> None:
        if self._box.isEnabled():
            _choose(self._box, value)


class _Writer:
    """Makes what is chosen a preference."""

    def __init__(self, box: QComboBox, section: str, name: str) -> None:
        self._box, self._place = box, (section, name)

    def __call__(self, _: int) -> None:
        write_preference(*self._place, self._box.currentData())

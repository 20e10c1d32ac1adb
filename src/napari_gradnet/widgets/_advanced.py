"""Options of denoising that most people leave alone."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSpinBox, QWidget
from superqt import QCollapsible

__all__ = ["AdvancedOptions"]

#: Text in the form and value of `api.denoise`.
PRECISIONS = {k: k for k in ("auto", "float32", "bfloat16", "float16")}
DTYPES = {"as the input": "same", "float32": "float32"}
VST = {"where noise grows with signal": "auto", "always": True, "never": False}


def _box(choices: dict[str, Any], tip: str) -> QComboBox:
    box = QComboBox()
    for text, value in choices.items():
        box.addItem(text, value)
    box.setToolTip(tip)
    return box


class AdvancedOptions(QCollapsible):
    """Precision, tile, self-ensemble, output type and variance stabilisation."""

    def __init__(self) -> None:
        super().__init__("Advanced", expandedIcon="▼", collapsedIcon="▶")
        self.precision = _box(PRECISIONS, "Arithmetic of the network")
        self.tile = QSpinBox()
        self.tile.setRange(0, 16384)
        self.tile.setSingleStep(64)
        self.tile.setSpecialValueText("from the free memory")
        self.tile.setSuffix(" pixels")
        self.tile.setToolTip("Largest tile; the result does not depend on it")
        self.ensemble = QCheckBox("average 8 flips and turns (8 times slower)")
        self.dtype = _box(DTYPES, "Type of the result's pixels")
        self.vst = _box(VST, "Stabilise the variance of counts before the network")
        content = QWidget()
        form = QFormLayout(content)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Precision", self.precision)
        form.addRow("Tile", self.tile)
        form.addRow("Ensemble", self.ensemble)
        form.addRow("Output", self.dtype)
        form.addRow("Stabilise", self.vst)
        self.addWidget(content)
        self.setDuration(0)

    def set_rgb(self, rgb: bool) -> None:
        """Keep the type of colours: napari shows other types on another scale."""
        if rgb:
            self.dtype.setCurrentIndex(0)
        self.dtype.setEnabled(not rgb)

    def values(self) -> dict[str, Any]:
        """Keywords of `DenoiseOptions`."""
        return {
            "precision": self.precision.currentData(),
            "tile": self.tile.value() or None,
            "ensemble": self.ensemble.isChecked(),
            "dtype": self.dtype.currentData(),
            "vst": self.vst.currentData(),
        }

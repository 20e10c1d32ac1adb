"""The form of the Batch widget: what is denoised, how, and where to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_gradnet import api
from napari_gradnet.naive import get_method
from napari_gradnet.widgets._advanced import AdvancedOptions
from napari_gradnet.widgets._batch_inputs import InputList
from napari_gradnet.widgets._batch_options import BatchSettings
from napari_gradnet.widgets._devices import DeviceBox
from napari_gradnet.widgets._fields import FolderField, form_layout
from napari_gradnet.widgets._memory import remember_fields
from napari_gradnet.widgets._models import ModelPicker
from napari_gradnet.widgets._parts import note

if TYPE_CHECKING:
    from napari_gradnet.widgets._work import Inventory

__all__ = ["BatchForm"]

_FORM = "batch"
_NETWORK = "network"
_FOLDER = "denoised"
_FORMATS = {"as the input": "same", "OME-Zarr": "ome-zarr"}


class BatchForm(QWidget):
    """Inputs, output, method and options of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = InputList()
        self.inputs.changed.connect(self._on_inputs)
        target = FolderField("Folder for the results", "folder for the results")
        self.output = target.line
        self._proposed = ""
        self._build_method()
        self.devices = DeviceBox()
        self.advanced = AdvancedOptions()
        self.advanced.addWidget(self._build_files())
        self.rows = form_layout()
        self.rows.addRow("Files", self.inputs)
        self.rows.addRow("Results", target)
        self.rows.addRow("Method", self.method)
        self.rows.addRow("Model", self.models)
        self.rows.addRow("", self.models.card)
        self.rows.addRow("", self.about)
        self.rows.addRow("Strength", self.strength)
        self.rows.addRow("Device", self.devices)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.rows)
        column.addWidget(self.advanced)
        self._on_method()
        remember_fields(
            _FORM, method=self.method, strength=self.strength, format=self.format
        )

    def _build_method(self) -> None:
        self.method = QComboBox()
        self.method.addItem("trained network", _NETWORK)
        for name in api.list_naive_methods():
            self.method.addItem(name, name)
        self.method.currentIndexChanged.connect(self._on_method)
        self.models = ModelPicker(_FORM)
        self.about = note()
        self.strength = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0.25, 3.0)
        self.strength.setDecimals(2)
        self.strength.setValue(1.0)
        self.strength.setToolTip("Times the estimated noise: above 1 smooths more")

    def _build_files(self) -> QWidget:
        """Options of files, below those of networks."""
        self.axes = QLineEdit()
        self.axes.setPlaceholderText("from each file")
        self.axes.setToolTip("One letter a dimension, such as TZCYX, where files err")
        self.format = QComboBox()
        for text, value in _FORMATS.items():
            self.format.addItem(text, value)
        self.workers = QSpinBox()
        self.workers.setRange(0, 256)
        self.workers.setSpecialValueText("from the machine")
        self.workers.setToolTip("How many compute at once")
        self.overwrite = QCheckBox("replace results that are there")
        self.restart = QCheckBox("begin anew, also what is finished")
        self.restart.setToolTip(
            "Without it, Run goes on with what is missing from the last time"
        )
        content = QWidget()
        form = form_layout(content)
        label = QLabel("Axes")
        # as wide as the labels above it
        label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Ensemble "))
        form.addRow(label, self.axes)
        form.addRow("Format", self.format)
        form.addRow("Threads", self.workers)
        form.addRow("Existing", self.overwrite)
        form.addRow("Again", self.restart)
        return content

    def set_inventory(self, inventory: Inventory) -> None:
        """List models and devices."""
        self.models.set_inventory(inventory)
        self.devices.set_inventory(inventory)

    def _on_method(self, _: Any = None) -> None:
        method = self.method.currentData()
        network = method == _NETWORK
        parts: tuple[tuple[QWidget, bool], ...] = (
            (self.models, network),
            (self.models.card, network),
            (self.devices, network),
            (self.about, not network),
            (self.strength, not network),
        )
        for part, shown in parts:
            self.rows.setRowVisible(part, shown)
        for field in (self.advanced.precision, self.advanced.tile):
            field.setEnabled(network)
        self.advanced.ensemble.setEnabled(network)
        if not network:
            self.about.setText(get_method(method).summary)

    def _on_inputs(self) -> None:
        """Propose where the results go, unless a person said it."""
        if self.output.text() not in ("", self._proposed):
            return
        self._proposed = ""
        if self.inputs.paths:
            first = Path(self.inputs.paths[0])
            holds_images = first.is_dir() and first.suffix != ".zarr"
            self._proposed = str((first if holds_images else first.parent) / _FOLDER)
        self.output.setText(self._proposed)

    def settings(self) -> BatchSettings:
        """What the form says."""
        values = self.advanced.values()
        method = self.method.currentData()
        if method == _NETWORK:
            values |= {"model": self.models.model, "device": self.devices.device}
        else:  # the others are of networks alone
            values = {"dtype": values["dtype"], "vst": values["vst"]}
            values |= {"naive": method, "sigma_factor": self.strength.value()}
        return BatchSettings(
            inputs=self.inputs.paths,
            output=self.output.text().strip(),
            axes=self.axes.text().strip().upper() or None,
            format=self.format.currentData(),
            workers=self.workers.value() or "auto",
            overwrite=self.overwrite.isChecked(),
            restart=self.restart.isChecked(),
            **values,
        )

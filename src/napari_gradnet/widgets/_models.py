"""Choice of a model and of a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._work import describe_model_file

if TYPE_CHECKING:
    from napari_gradnet.widgets._work import Inventory

__all__ = ["DeviceBox", "ModelPicker"]

_WAITING = "Looking for models ..."
_AUTOMATIC = "Takes the packaged model for colour or for grey images."
_NONE = "No packaged model is installed: open a model file."


def _narrow(box: QComboBox) -> None:
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(12)


class ModelPicker(QWidget):
    """Packaged models and model files, with a line from the card in `card`."""

    def __init__(self) -> None:
        super().__init__()
        self._cards = {"auto": _WAITING}
        self.box = QComboBox()
        _narrow(self.box)
        self.box.addItem("automatic", "auto")
        self.box.currentIndexChanged.connect(self._show_card)
        self.button = QPushButton("Open ...")
        self.button.setToolTip("Open a model file (.safetensors)")
        self.button.clicked.connect(self._ask_file)
        self.card = note(_WAITING)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        row.addWidget(self.button)
        self.job = Job(self)
        self.job.ended.connect(self._on_described)
        self._asked = Path()

    @property
    def model(self) -> str:
        """``"auto"``, a packaged model's name or a file."""
        name: str = self.box.currentData()
        return name

    def set_inventory(self, inventory: Inventory) -> None:
        """List the packaged models."""
        self._cards["auto"] = _AUTOMATIC if inventory.models else _NONE
        for name, card in inventory.models.items():
            self._cards[name] = card
            if self.box.findData(name) < 0:
                self.box.addItem(name, name)
        self._show_card()

    def open_file(self, path: Path) -> None:
        """Check a model file in a thread and choose it."""
        if self.job.running:
            return
        self._asked = path
        self.card.setText(f"Opening {path.name} ...")
        self.job.start(describe_model_file(path))

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a model", "", "Models (*.safetensors)"
        )
        if name:
            self.open_file(Path(name))

    def _on_described(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            show_error(str(outcome.error))
        elif outcome.value is not None:
            name = str(self._asked)
            self._cards[name] = outcome.value
            if self.box.findData(name) < 0:
                self.box.addItem(self._asked.stem, name)
            self.box.setCurrentIndex(self.box.findData(name))
        self._show_card()

    def _show_card(self, _: int = 0) -> None:
        self.card.setText(self._cards.get(self.model, ""))


class DeviceBox(QComboBox):
    """Devices of this machine, by name."""

    def __init__(self) -> None:
        super().__init__()
        _narrow(self)
        self.addItem("automatic", "auto")

    @property
    def device(self) -> str:
        """Name of the device."""
        name: str = self.currentData()
        return name

    def set_inventory(self, inventory: Inventory) -> None:
        """List the devices; the first is what ``automatic`` takes."""
        for number, (name, text) in enumerate(inventory.devices.items()):
            if number == 0:
                self.setItemText(0, f"automatic: {text}")
            if self.findData(name) < 0:
                self.addItem(text, name)

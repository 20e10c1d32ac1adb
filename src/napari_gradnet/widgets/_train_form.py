"""The form of the Train widget: images, network, time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet import api
from napari_gradnet.errors import InputError
from napari_gradnet.widgets._devices import DeviceBox
from napari_gradnet.widgets._fields import (
    AdvancedSection,
    FolderField,
    form_layout,
    narrow,
)
from napari_gradnet.widgets._layers import (
    METADATA_KEY,
    full_data,
    guess_layer_axes,
)
from napari_gradnet.widgets._memory import remember_fields
from napari_gradnet.widgets._parts import LayerBox, note
from napari_gradnet.widgets._train_data import FolderChoice, LayerChoice
from napari_gradnet.widgets._train_options import TrainOptions, tidy_name

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gradnet.widgets._work import Inventory

__all__ = ["CLEAN_FOLDER", "CLEAN_LAYER", "PAIR_FOLDERS", "PAIR_LAYERS", "TrainForm"]

PAIR_LAYERS, PAIR_FOLDERS = "noisy and clean layers", "noisy and clean folders"
CLEAN_LAYER, CLEAN_FOLDER = "clean layer, add noise", "clean folder, add noise"
_NEW = "a new network"
_FOLDER = "folder of images or stacks"
_FIRST_RECIPE = "microscopy"
#: Text: (kind and field of the noise model, suffix, range, default).
NOISES: dict[str, tuple[tuple[str, str], str, tuple[float, float], tuple[float, float]]]
NOISES = {
    "white, of sigma": (("gaussian", "sigma"), " / 255", (0, 255), (5, 50)),
    "of a camera": (("camera", "electrons"), " e⁻ at white", (1, 1e6), (20, 2000)),
}
_OF_RECIPE = "as the recipe has it"


class NoiseChoice(QWidget):
    """Which noise clean images get."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds = narrow(QComboBox())
        self.kinds.addItems([*NOISES, _OF_RECIPE])
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        self.dash = QLabel("to")
        row = QHBoxLayout()
        row.addWidget(self.low, 1)
        row.addWidget(self.dash)
        row.addWidget(self.high, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.kinds)
        column.addLayout(row)
        self.kinds.currentTextChanged.connect(self._on_kind)
        self._on_kind(self.kinds.currentText())

    def _on_kind(self, text: str) -> None:
        ranged = text in NOISES
        for part in (self.low, self.high, self.dash):
            part.setVisible(ranged)
        if ranged:
            _, suffix, limits, default = NOISES[text]
            for box, value in zip((self.low, self.high), default, strict=True):
                box.setDecimals(0)
                box.setRange(*limits)
                box.setSuffix(suffix if box is self.high else "")
                box.setValue(value)

    def noise(self) -> dict[str, Any] | None:
        """Noise model, or None for the recipe's."""
        if self.kinds.currentText() not in NOISES:
            return None
        (kind, field), *_ = NOISES[self.kinds.currentText()]
        ends = sorted((self.low.value(), self.high.value()))
        return {"kind": kind, field: ends}


class TrainForm(QWidget):
    """What is trained, on what, and for how long.

    Parameters
    ----------
    viewer : ViewerModel
        Where layers come from.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self.images = QComboBox()
        self.images.addItems([PAIR_LAYERS, PAIR_FOLDERS, CLEAN_LAYER, CLEAN_FOLDER])
        self.noisy_layer = LayerBox(viewer, previews=False)
        self.clean_layer = LayerBox(viewer, previews=False)
        self.noisy_folder = FolderField("Folder of noisy images", _FOLDER)
        self.clean_folder = FolderField("Folder of clean images", _FOLDER)
        self.noise = NoiseChoice()
        self.starts = narrow(QComboBox())
        self.starts.addItem(_NEW, None)
        self._listed: set[str] = set()
        self.starts.setToolTip("A model that is trained already needs less time")
        self.recipes = narrow(QComboBox())
        for name, line in api.list_recipes().items():
            self.recipes.addItem(name, (name, line))
        self.recipes.setCurrentText(_FIRST_RECIPE)
        self.about = note()
        self.open_button = QPushButton("Open ...")
        self.open_button.setToolTip("Open a configuration of your own (.yaml)")
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.05, 100_000)
        self.minutes.setDecimals(1)
        self.minutes.setValue(30)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("The learning rate falls so that it ends with the time")
        self.devices = DeviceBox()
        self.name = QLineEdit("my-model")
        self.name.setToolTip("Letters, digits, dots, dashes and underscores")
        self.advanced = self._advanced()
        self._lay_out()
        self._guess_pair()
        self.images.currentTextChanged.connect(self._on_images)
        self.recipes.currentIndexChanged.connect(self._on_recipe)
        self.open_button.clicked.connect(self._ask_recipe)
        remember_fields(
            "train",
            images=self.images,
            noise=self.noise.kinds,
            recipe=self.recipes,
            minutes=self.minutes,
        )
        self._on_images(self.images.currentText())
        self._on_recipe()

    def _advanced(self) -> AdvancedSection:
        self.batch_size, self.patch_size = QSpinBox(), QSpinBox()
        self.learning_rate = QDoubleSpinBox()
        for box, top in ((self.batch_size, 4096), (self.patch_size, 1024)):
            box.setRange(0, top)
        self.learning_rate.setDecimals(6)
        self.learning_rate.setSingleStep(1e-4)
        self.learning_rate.setRange(0, 1)
        everything: tuple[QSpinBox | QDoubleSpinBox, ...]
        everything = (self.batch_size, self.patch_size, self.learning_rate)
        for field in everything:
            field.setSpecialValueText("as in the recipe")
        advanced = AdvancedSection()
        advanced.rows.addRow("Batch", self.batch_size)
        advanced.rows.addRow("Patch", self.patch_size)
        advanced.rows.addRow("Learning rate", self.learning_rate)
        return advanced

    def _lay_out(self) -> None:
        recipe = QHBoxLayout()
        recipe.addWidget(self.recipes, 1)
        recipe.addWidget(self.open_button)
        self._form = form_layout()
        rows = {
            "Images": self.images,
            "Noisy": self.noisy_layer,
            "Noisy ": self.noisy_folder,
            "Clean": self.clean_layer,
            "Clean ": self.clean_folder,
            "Noise": self.noise,
            "Start from": self.starts,
        }
        for label, field in rows.items():
            self._form.addRow(label.strip(), field)
        self._form.addRow("Recipe", recipe)
        self._form.addRow("", self.about)
        self._form.addRow("Time", self.minutes)
        self._form.addRow("Device", self.devices)
        self._form.addRow("Name", self.name)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._form)
        column.addWidget(self.advanced)

    def _guess_pair(self) -> None:
        """Choose layers whose names say what they are."""
        # what a widget made is named after its source: "cells, noisy denoised"
        given = [
            x
            for x in self._viewer.layers
            if isinstance(x, Image) and METADATA_KEY not in x.metadata
        ]
        for box, word in ((self.noisy_layer, "noisy"), (self.clean_layer, "clean")):
            named = [x for x in given if word in x.name.lower()]
            if named:
                box.set_layer(named[-1])

    def _on_images(self, kind: str) -> None:
        pairs, layers = kind in (PAIR_LAYERS, PAIR_FOLDERS), "layer" in kind
        self._show(self.noisy_layer, pairs and layers)
        self._show(self.noisy_folder, pairs and not layers)
        self._show(self.clean_layer, layers)
        self._show(self.clean_folder, not layers)
        self._show(self.noise, not pairs)

    def _show(self, field: QWidget, visible: bool) -> None:
        field.setVisible(visible)
        if (label := self._form.labelForField(field)) is not None:
            label.setVisible(visible)

    def _on_recipe(self, _: int = 0) -> None:
        _, line = self.recipes.currentData()
        self.about.setText(line)

    def _ask_recipe(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a training configuration", "", "YAML (*.yaml *.yml)"
        )
        if name:
            self.open_recipe(Path(name))

    def open_recipe(self, path: Path) -> None:
        """Offer and choose a configuration file."""
        data = (str(path.resolve()), f"Networks and settings of {path.name}.")
        if self.recipes.findData(data) < 0:
            self.recipes.addItem(path.stem, data)
        self.recipes.setCurrentIndex(self.recipes.findData(data))

    def set_inventory(self, inventory: Inventory) -> None:
        """List the models to start from and the devices."""
        self.devices.set_inventory(inventory)
        names = [*inventory.models, *inventory.files]
        for gone in self._listed - set(names):
            if self.starts.currentData() == gone:  # Qt would choose its neighbour
                self.starts.setCurrentIndex(0)
            self.starts.removeItem(self.starts.findData(gone))
        for name in names:
            if self.starts.findData(name) < 0:
                self.starts.addItem(Path(name).stem, name)
        self._listed = set(names)

    def choice(self) -> LayerChoice | FolderChoice:
        """Which images are trained on.

        Raises
        ------
        InputError
            A layer or a folder is missing.
        """
        kind = self.images.currentText()
        pairs = kind in (PAIR_LAYERS, PAIR_FOLDERS)
        if "folder" in kind:
            wanted = {"clean": self.clean_folder.folder}
            if pairs:
                wanted["noisy"] = self.noisy_folder.folder
            for word, folder in wanted.items():
                if not folder:
                    msg = f"no folder of {word} images is given: choose one"
                    raise InputError(msg)
            return FolderChoice(**wanted)
        clean, noisy = self.clean_layer.layer, self.noisy_layer.layer
        if clean is None or noisy is None:
            msg = "there is no image layer: open an image first"
            raise InputError(msg)
        axes = guess_layer_axes(noisy if pairs else clean)
        if pairs and noisy.rgb != clean.rgb:
            msg = "one layer is in colour, the other is not: choose two of a kind"
            raise InputError(msg)
        return LayerChoice(full_data(clean), axes, full_data(noisy) if pairs else None)

    def options(self) -> TrainOptions:
        """What the form says of the network and the time."""
        recipe, _ = self.recipes.currentData()
        return TrainOptions(
            name=tidy_name(self.name.text()),
            recipe=recipe,
            start=self.starts.currentData(),
            noise=self.noise.noise(),
            minutes=self.minutes.value(),
            device=self.devices.device,
            batch_size=self.batch_size.value() or None,
            patch_size=self.patch_size.value() or None,
            learning_rate=self.learning_rate.value() or None,
        )

"""Choice of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QFileSystemWatcher,
    QObject,
    QTimer,
    Signal,
)
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from napari_gradnet.widgets._fields import narrow
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._memory import recall, remember
from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._preferences import (
    models_folder,
    watch_preference,
)
from napari_gradnet.widgets._work import describe_model_file, take_inventory

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gradnet.widgets._work import Inventory

__all__ = ["SHELF", "ModelPicker", "Scout", "models_changed"]

_WAITING = "Looking for models ..."
_AUTOMATIC = "Takes the packaged model for colour, grey images or counts."
_NONE = "No packaged model is installed: open a model file."
#: Milliseconds for a file that appeared to get its final name.
_DELAY = 200


class _Shelf(QObject):
    """Says that there are other models than before."""

    changed = Signal()


#: Of every open form.
SHELF = _Shelf()


def models_changed() -> None:
    """Tell every open form that a model was put into `models_folder`, or taken out."""
    SHELF.changed.emit()


class Scout(Job):
    """Lists models and devices for a form, at once.

    Parameters
    ----------
    form : QWidget
        The job is cancelled when it is destroyed.
    *show : callable
        Take the inventory.
    """

    listed = Signal(object)

    def __init__(self, form: QWidget, *show: Callable[[Inventory], None]) -> None:
        super().__init__(form)
        self._again = False
        for each in show:
            self.listed.connect(each)
        self.ended.connect(self._on_ended)
        self.start(take_inventory())

    def look_again(self) -> None:
        """List them anew, as there may be others."""
        if self.running:
            self._again = True
        else:
            self.start(take_inventory())

    def _on_ended(self, outcome: Outcome) -> None:
        if self._again and not outcome.cancelled:
            self._again = False
            self.start(take_inventory())
        elif outcome.error is not None:
            show_error(f"models and devices cannot be listed: {outcome.error}")
        elif outcome.value is not None:
            self.listed.emit(outcome.value)


def _is_path(model: str) -> bool:
    return Path(model).suffix == ".safetensors"


class ModelPicker(QWidget):
    """Packaged models, the user's own and model files, with a line from the card.

    Parameters
    ----------
    form : str, optional
        Under which name the choice is kept for the next session; not kept without.

    Attributes
    ----------
    card : QLabel
        What is known of the model that is chosen.
    changed : Signal
        Another model is chosen, or more is known of it.
    """

    changed = Signal()

    def __init__(self, form: str = "") -> None:
        super().__init__()
        self._form = form
        self._cards = {"auto": _WAITING}
        self._files: set[str] = set()
        self._opening = ""
        self._unguided: frozenset[str] = frozenset()
        self._wanted: str | None = recall(form, "model") if form else None
        self.box = QComboBox()
        narrow(self.box)
        self.box.addItem("automatic", "auto")
        self._recalled = self._offer_recalled()
        self.box.currentIndexChanged.connect(self._on_chosen)
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
        self.scout = Job(self)
        self.scout.ended.connect(self._on_inventory)
        self._again = False
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY)
        self._delay.timeout.connect(self.refresh)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._on_directory)
        self._watch()
        SHELF.changed.connect(self.refresh)
        watch_preference(self, "models", "folder", self._on_folder)

    @property
    def model(self) -> str:
        """``"auto"``, a packaged model's name or a file."""
        name: str = self.box.currentData()
        return name

    @property
    def takes_guide(self) -> bool:
        """Whether the model may have a use for a guide."""
        return self.model not in self._unguided

    def set_model(self, model: str) -> None:
        """Choose a model that is listed, or as soon as it is; a file is opened."""
        index = self.box.findData(model)
        self._wanted = None if index >= 0 else model
        if index >= 0:
            self.box.setCurrentIndex(index)
        elif Path(model).is_file():
            self.open_file(Path(model))

    def _offer_recalled(self) -> str | None:
        """Choose what was chosen last before it is known whether it is there."""
        model = self._wanted
        is_gone = model is None or (_is_path(model) and not Path(model).is_file())
        if model is None or model == "auto" or is_gone:
            return None
        self.box.addItem(Path(model).stem if _is_path(model) else model, model)
        self.box.setCurrentIndex(1)
        self._cards[model] = _WAITING
        return model

    def _check_recalled(self, inventory: Inventory) -> None:
        """Put what was chosen last into its place, or take it out."""
        model, self._recalled = self._recalled, None
        if model is None:
            return
        chosen = self.model == model
        listed = model in inventory.models or model in inventory.files
        if not listed and Path(model).is_file():  # it stands outside the folder
            if chosen:
                self.open_file(Path(model))
            return
        self.box.blockSignals(True)  # else the form would forget the model
        if chosen:
            self.box.setCurrentIndex(0)
        self.box.removeItem(self.box.findData(model))
        self.box.blockSignals(False)
        self._wanted = model if chosen else self._wanted

    def set_inventory(self, inventory: Inventory) -> None:
        """List the packaged models and those of the user's folder."""
        self._check_recalled(inventory)
        self._cards["auto"] = _AUTOMATIC if inventory.models else _NONE
        for name, card in inventory.models.items():
            self._list(name, name, card)
        for gone in self._files - set(inventory.files):
            if self.model == gone:  # Qt would choose its neighbour
                self.box.setCurrentIndex(0)
            self.box.removeItem(self.box.findData(gone))
        for path, card in inventory.files.items():
            self._list(path, Path(path).stem, card)
        self._files = set(inventory.files)
        self._unguided |= inventory.unguided
        if self._wanted is not None:
            self.set_model(self._wanted)
        self._show_card()

    def refresh(self) -> None:
        """Look again for models, in a thread."""
        self._watch()
        if self.scout.running:
            self._again = True
        else:
            self.scout.start(take_inventory())

    def open_file(self, path: Path) -> None:
        """Check a model file in a thread and choose it."""
        if self.job.running:
            return
        self._opening = str(path)
        self.card.setText(f"Opening {path.name} ...")
        self.job.start(describe_model_file(path))

    def _list(self, model: str, label: str, card: str) -> None:
        self._cards[model] = card
        if self.box.findData(model) < 0:
            self.box.addItem(label, model)

    def _watch(self) -> None:
        """Watch the user's folder, or the nearest one above it while it is not there.

        It may also be another one than before.
        """
        folder = models_folder()
        there = next((p for p in (folder, *folder.parents) if p.is_dir()), None)
        watched = [] if there is None else [str(there)]
        if self._watcher.directories() != watched:
            if self._watcher.directories():
                self._watcher.removePaths(self._watcher.directories())
            if watched:
                self._watcher.addPaths(watched)

    def _on_directory(self, changed: str) -> None:
        # much else happens above the folder: only that it appears is looked at
        self._watch()
        if self._watcher.directories() != [changed] or Path(changed) == models_folder():
            self._on_folder("")

    def _on_folder(self, _: str) -> None:
        self._delay.start()

    def _on_inventory(self, outcome: Outcome) -> None:
        if self._again:
            self._again = False
            self.refresh()
        elif outcome.error is not None:
            show_error(f"models cannot be listed: {outcome.error}")
        elif outcome.value is not None:
            self.set_inventory(outcome.value)

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a model", str(models_folder()), "Models (*.safetensors)"
        )
        if name:
            self.open_file(Path(name))

    def _on_described(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._wanted = None
            self._drop_unread()
            show_error(str(outcome.error))
        elif outcome.value is not None:
            self._unguided |= outcome.value.unguided
            for path, card in outcome.value.files.items():
                self._list(path, Path(path).stem, card)
                self.set_model(path)
        self._show_card()

    def _drop_unread(self) -> None:
        """Take out the file that was to be opened, where it was never read."""
        if self._cards.get(self._opening) == _WAITING:
            if self.model == self._opening:
                self.box.setCurrentIndex(0)
            self.box.removeItem(self.box.findData(self._opening))

    def _on_chosen(self, _: int) -> None:
        self._wanted = None  # what was wanted before does not come back
        if self._form:
            remember(self._form, "model", self.model)
        self._show_card()

    def _show_card(self) -> None:
        self.card.setText(self._cards.get(self.model, ""))
        self.changed.emit()

"""Pieces of forms that the widgets share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils import cancelable_progress
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet.widgets._fields import narrow
from napari_gradnet.widgets._layers import full_data, guess_layer_axes, is_preview
from napari_gradnet.widgets._timing import TimeLeft

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_gradnet.events import Progress

__all__ = [
    "AxesChips",
    "LayerBox",
    "OptionalLayerBox",
    "RunBar",
    "connect",
    "note",
    "unwrap",
]

#: Letters that a chip offers, and what they mean.
LETTERS = {
    "T": "time",
    "C": "channel",
    "Z": "depth",
    "Y": "row",
    "X": "column",
    "S": "colour sample",
}


def connect(owner: QWidget, emitter: Any, callback: Callable[..., None]) -> None:
    """Connect a napari event until `owner` is destroyed."""
    emitter.connect(callback)
    owner.destroyed.connect(_Link(emitter, callback))


class _Link:
    """A connection that ends when this is called, even in a garbage collection."""

    def __init__(self, emitter: Any, callback: Callable[..., None]) -> None:
        self.pair = (emitter, callback)

    def __call__(self, _: Any = None) -> None:
        if (pair := getattr(self, "pair", None)) is not None:
            pair[0].disconnect(pair[1])


class _Activity:
    """A bar in napari's Activity panel while there is work, if there is a window."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.bar: Any = None
        self._updating = False

    def open(self, text: str) -> None:
        if getattr(self._viewer, "window", None) is not None:
            self.bar = cancelable_progress(total=1, desc=text, gui=True)

    def close(self, _: Any = None) -> None:
        bar, self.bar = getattr(self, "bar", None), None
        if bar is not None:
            bar.close()

    def show(self, event: Progress) -> bool:
        """Show an event; whether Cancel was pressed in the panel."""
        bar = self.bar
        # the panel lets Qt work while it is updated: the next event may come in here,
        # and the end too
        if bar is None or self._updating:
            return False
        self._updating = True
        try:
            bar.total = event.total
            bar.update(event.done - bar.n)
        finally:
            self._updating = False
        return bool(bar.is_canceled)


def unwrap(viewer: ViewerModel) -> ViewerModel:
    """Take off napari's proxy, whose layers are another object at each look."""
    bare: ViewerModel = getattr(viewer, "__wrapped__", viewer)
    return bare


def note(text: str = "") -> QLabel:
    """Label for a sentence that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setContentsMargins(0, 0, 0, 0)
    label.setStyleSheet("padding: 0px; margin: 0px;")
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


class LayerBox(QComboBox):
    """Choice of an image layer of a viewer; keeps up with the layer list."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        narrow(self)
        self.refresh()
        active = viewer.layers.selection.active
        images = [x for x in viewer.layers if isinstance(x, Image)]
        shown = [x for x in images if x.visible and not is_preview(x)]
        if isinstance(active, Image) and not is_preview(active):
            self.set_layer(active)
        elif shown:
            self.set_layer(shown[-1])
        for name in ("inserted", "removed", "reordered"):
            connect(self, getattr(viewer.layers.events, name), self.refresh)

    def refresh(self, _: Any = None) -> None:
        """Take the layers and their names anew; the choice stays."""
        chosen = self.layer
        images = [x for x in self._viewer.layers if isinstance(x, Image)]
        self.blockSignals(True)
        self.clear()
        for layer in images:
            self.addItem(layer.name, layer)
        if chosen in images:
            self.setCurrentIndex(images.index(chosen))
        self.blockSignals(False)
        if self.layer is not chosen:
            self.currentIndexChanged.emit(self.currentIndex())

    def showPopup(self) -> None:
        """Show the list, with names as they are now."""
        self.refresh()
        super().showPopup()

    @property
    def layer(self) -> Image | None:
        """The layer that is chosen."""
        data: Image | None = self.currentData()
        return data

    def set_layer(self, layer: Image) -> None:
        """Choose a layer."""
        for index in range(self.count()):
            if self.itemData(index) is layer:
                self.setCurrentIndex(index)


class OptionalLayerBox(LayerBox):
    """Choice of an image layer, or of none."""

    none = "none"

    def refresh(self, _: Any = None) -> None:
        """Take the layers and their names anew; the choice stays."""
        chosen = self.layer
        self.blockSignals(True)
        super().refresh()
        self.blockSignals(True)  # that of the base has ended
        self.insertItem(0, self.none, None)
        found = [i for i in range(self.count()) if self.itemData(i) is chosen]
        self.setCurrentIndex(found[0] if found else 0)
        self.blockSignals(False)
        if self.layer is not chosen:
            self.currentIndexChanged.emit(self.currentIndex())


class AxesChips(QWidget):
    """One small choice a dimension: what it is, and how long."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._chips: list[QComboBox] = []

    def set_layer(self, layer: Image | None) -> None:
        """Guess the axes of a layer."""
        while (item := self._row.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        self._chips = []
        if layer is None:
            return
        guess = guess_layer_axes(layer)
        for letter, length in zip(guess, full_data(layer).shape, strict=True):
            self._row.addWidget(self._chip(letter, length))

    def _chip(self, letter: str, length: int) -> QWidget:
        chip = QComboBox()
        chip.addItems([*LETTERS, *([letter] if letter not in LETTERS else [])])
        chip.setCurrentText(letter)
        chip.setToolTip(
            f"What this dimension of length {length} is: "
            + ", ".join(f"{k} {v}" for k, v in LETTERS.items())
        )
        chip.currentTextChanged.connect(self._on_changed)
        self._chips.append(chip)
        size = QLabel(str(length))
        size.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        both = QWidget()
        column = QVBoxLayout(both)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(chip)
        column.addWidget(size)
        return both

    def _on_changed(self, _: str) -> None:
        self.changed.emit()

    @property
    def axes(self) -> str:
        """One letter a dimension."""
        return "".join(chip.currentText() for chip in self._chips)

    def set_axes(self, axes: str) -> None:
        """Correct the axes."""
        for chip, letter in zip(self._chips, axes, strict=True):
            chip.setCurrentText(letter)


class RunBar(QWidget):
    """Buttons, progress with time left, and what came of it.

    Parameters
    ----------
    viewer : ViewerModel
        Its window, if there is one, shows the progress in the Activity panel too.
    starts : dict of str to callable
        Text of each button and what it starts.
    cancel : callable
        Called for Cancel, here or in the Activity panel.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        starts: dict[str, Callable[[], None]],
        cancel: Callable[[], None],
    ) -> None:
        super().__init__()
        self._cancel = cancel
        self._activity = _Activity(viewer)
        self._time = TimeLeft()
        self.buttons = {text: QPushButton(text) for text in starts}
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        row = QHBoxLayout()
        for text, start in starts.items():
            self.buttons[text].clicked.connect(functools.partial(_call, start))
            row.addWidget(self.buttons[text])
        self.cancel_button.clicked.connect(functools.partial(_call, self._on_cancel))
        row.addWidget(self.cancel_button)
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setFormat("")
        self.status = note()
        # two lines are kept free, so that nothing jumps while it runs
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status.setSizePolicy(
            QSizePolicy.Policy.Preferred, QSizePolicy.Policy.MinimumExpanding
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        self.destroyed.connect(self._activity.close)

    def begin(self, text: str) -> None:
        """Show that work is under way."""
        self._time = TimeLeft()
        for button in self.buttons.values():
            button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self.bar.setRange(0, 0)
        self.status.setText(text)
        self._activity.open(text)

    def show_progress(self, event: Progress) -> None:
        """Show how far it is."""
        left = self._time.update(event.done, event.total)
        # as long as nothing is done the model is being loaded
        self.bar.setRange(0, event.total if event.done else 0)
        self.bar.setValue(event.done)
        self.bar.setFormat("%p %")
        if event.done:
            counted = f"{event.done} of {event.total} {event.unit}s"
            self.status.setText(f"{counted}, {left}" if left else counted)
        if self._activity.show(event) and self.cancel_button.isEnabled():
            self._on_cancel()

    def end(self, text: str) -> None:
        """Make the buttons usable again and say what came of it."""
        for button in self.buttons.values():
            button.setEnabled(True)
        self.cancel_button.setEnabled(False)
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        self.bar.setFormat("")
        self.status.setText(text)
        self._activity.close()

    def _on_cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.status.setText("Cancelling ...")
        self._cancel()


def _call(function: Callable[[], None], _: Any = None) -> None:
    """Call without what Qt's signal carries."""
    function()

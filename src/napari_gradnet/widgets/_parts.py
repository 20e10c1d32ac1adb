"""Pieces of forms that the widgets share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from napari.layers import Image
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet.widgets._fields import narrow
from napari_gradnet.widgets._layers import full_data, guess_layer_axes, is_preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel


__all__ = [
    "AxesChips",
    "LayerBox",
    "OptionalLayerBox",
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


def connect(
    owner: QWidget, emitter: Any, callback: Callable[..., None]
) -> Callable[[], None]:
    """Connect a napari event until `owner` is destroyed, or what is returned called."""
    emitter.connect(callback)
    link = _Link(emitter, callback)
    owner.destroyed.connect(link)
    return link


def follow_layers(
    owner: QWidget, viewer: ViewerModel, callback: Callable[..., None]
) -> None:
    """Call back when layers come, go, move or, as newer napari tells, are renamed."""
    events = viewer.layers.events
    for name in ("inserted", "removed", "reordered", "renamed"):
        if hasattr(events, name):
            connect(owner, getattr(events, name), callback)


class _Link:
    """A connection that ends when this is called, even in a garbage collection."""

    def __init__(self, emitter: Any, callback: Callable[..., None]) -> None:
        self.pair: tuple[Any, Callable[..., None]] | None = (emitter, callback)

    def __call__(self, _: Any = None) -> None:
        if (pair := getattr(self, "pair", None)) is not None:
            pair[0].disconnect(pair[1])
            self.pair = None


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
    """Choice of an image layer of a viewer; keeps up with the layer list.

    Parameters
    ----------
    viewer : ViewerModel
        Its layers are offered.
    parent : QWidget, optional
        As in Qt.
    previews : bool
        Offer the previews of widgets too.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        parent: QWidget | None = None,
        *,
        previews: bool = True,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._previews = previews
        narrow(self)
        self.refresh()
        active = viewer.layers.selection.active
        images = [x for x in viewer.layers if isinstance(x, Image)]
        shown = [x for x in images if x.visible and not is_preview(x)]
        if isinstance(active, Image) and not is_preview(active):
            self.set_layer(active)
        elif shown:
            self.set_layer(shown[-1])
        follow_layers(self, viewer, self.refresh)

    def refresh(self, _: Any = None) -> None:
        """Take the layers and their names anew; the choice stays."""
        chosen = self.layer
        images = [x for x in self._viewer.layers if isinstance(x, Image)]
        if not self._previews:
            images = [x for x in images if not is_preview(x)]
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

    def set_layer(self, layer: Image) -> bool:
        """Choose a layer; whether it is listed."""
        for index in range(self.count()):
            if self.itemData(index) is layer:
                self.setCurrentIndex(index)
                return True
        return False


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
    """One small choice a dimension: what it is, and how long.

    What the user has corrected is remembered for each layer.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._chips: list[QComboBox] = []
        self._shape: tuple[int, ...] = ()
        self._layer: ReferenceType[Image] | None = None
        self._corrected: WeakKeyDictionary[Image, str] = WeakKeyDictionary()

    def set_layer(self, layer: Image | None) -> None:
        """Show the axes of a layer: as they were corrected, or a guess."""
        while (item := self._row.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        self._chips = []
        self._shape = () if layer is None else tuple(full_data(layer).shape)
        self._layer = None if layer is None else ref(layer)
        if layer is None:
            return
        letters = self._corrected.get(layer, "")
        if len(letters) != len(self._shape):  # it has other data now
            letters = guess_layer_axes(layer)
        for letter, length in zip(letters, self._shape, strict=True):
            self._row.addWidget(self._chip(letter, length))

    def follow(self, layer: Image) -> None:
        """Take over the shape of other data; letters stay where they still fit."""
        if full_data(layer).shape != self._shape:
            self.set_layer(layer)

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
        layer = self._layer and self._layer()
        if layer is not None:
            self._corrected[layer] = self.axes
        self.changed.emit()

    @property
    def axes(self) -> str:
        """One letter a dimension."""
        return "".join(chip.currentText() for chip in self._chips)

    def set_axes(self, axes: str) -> None:
        """Correct the axes."""
        for chip, letter in zip(self._chips, axes, strict=True):
            chip.setCurrentText(letter)

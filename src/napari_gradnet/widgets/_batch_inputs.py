"""Files and folders that are to be denoised: added by dialogue or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent

__all__ = ["InputList"]

_FILTER = "Images and lists (*.tif *.tiff *.png *.jpg *.jpeg *.csv);;All files (*)"


class _DropList(QListWidget):
    """A list onto which files can be dropped."""

    dropped = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setToolTip(
            "Images, folders with all images below them, OME-Zarr folders, or .csv "
            "lists with a column 'input'; drop them here"
        )

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files."""
        self._take(event)

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:
        """Take files."""
        self._take(event)

    def _take(self, event: QDragEnterEvent | QDragMoveEvent | None) -> None:
        data = None if event is None else event.mimeData()
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Add files."""
        data = None if event is None else event.mimeData()
        if event is not None and data is not None:
            self.dropped.emit([url.toLocalFile() for url in data.urls()])
            event.acceptProposedAction()


class InputList(QWidget):
    """A list of inputs with buttons to add and to remove."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.list = _DropList()
        self.list.dropped.connect(self.add)
        self.list.setFixedHeight(4 * self.list.fontMetrics().height())
        self.buttons = {
            "Add files ...": self.ask_files,
            "Add folder ...": self.ask_folder,
            "Remove": self.remove,
        }
        row = QHBoxLayout()
        made = {text: QPushButton(text) for text in self.buttons}
        for text, button in made.items():
            button.clicked.connect(self.buttons[text])
            row.addWidget(button)
        self.remove_button = made["Remove"]
        self.remove_button.setToolTip("Remove what is selected; Ctrl+A selects all")
        self.list.itemSelectionChanged.connect(self._on_selected)
        self._on_selected()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addLayout(row)

    @property
    def paths(self) -> tuple[str, ...]:
        """What is listed."""
        items = (self.list.item(i) for i in range(self.list.count()))
        return tuple(item.text() for item in items if item is not None)

    def add(self, paths: Iterable[str | Path]) -> None:
        """Add files or folders that are not listed yet."""
        known = set(self.paths)
        for path in map(str, paths):
            if path and path not in known:
                item = QListWidgetItem(path)
                item.setToolTip(path)
                self.list.addItem(item)
                known.add(path)
        self.changed.emit()

    def remove(self) -> None:
        """Remove what is selected."""
        for item in self.list.selectedItems():
            self.list.takeItem(self.list.row(item))
        self.changed.emit()

    def _on_selected(self) -> None:
        self.remove_button.setEnabled(bool(self.list.selectedItems()))

    def ask_files(self) -> None:
        """Ask for files."""
        names, _ = QFileDialog.getOpenFileNames(self, "Add files", "", _FILTER)
        self.add(names)

    def ask_folder(self) -> None:
        """Ask for a folder."""
        if name := QFileDialog.getExistingDirectory(self, "Add a folder"):
            self.add([name])

"""The files of a batch: how far each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_gradnet.widgets._timing import in_words

if TYPE_CHECKING:
    from napari_gradnet.batch.events import FileEvent

__all__ = ["FileTable"]

_COLUMNS = ("File", "State", "Time left")
#: Seen on dark and on light ground.
_COLOURS = {"failed": QColor(220, 80, 70), "done": QColor(70, 160, 90)}
_WORDS = {
    "queued": "waiting",
    "started": "started",
    "done": "done",
    "skipped": "done before",
    "failed": "failed",
}
_ENDED = ("done", "skipped", "failed")


class FileTable(QTableWidget):
    """A row a file, with its state and the time left."""

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setMinimumHeight(80)
        self.setWordWrap(False)
        if (rows := self.verticalHeader()) is not None:
            rows.setVisible(False)
        if (columns := self.horizontalHeader()) is not None:
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setColumnWidth(1, 90)
        self.setColumnWidth(2, 90)
        self._parts: dict[int, float] = {}
        self._ended: set[int] = set()

    def begin(self) -> None:
        """Forget the files."""
        self.setRowCount(0)
        self._parts.clear()
        self._ended.clear()

    def show_event(self, event: FileEvent) -> None:
        """Show what happened to a file."""
        row = event.number - 1
        if row >= self.rowCount():
            self._add_rows(event.number)
        name = self.item(row, 0)
        if name is not None and not name.text():
            name.setText(event.path.name)
            name.setToolTip(f"{event.path}\n\u2192 {event.output}")
        share = event.done / event.total if event.total else 0.0
        self._parts[event.number] = share
        left = ""
        if event.state == "progress" and event.done:
            left = in_words(event.seconds / share * (1 - share))
        self._write(row, event, _WORDS.get(event.state, f"{share:.0%}"), left)
        if event.state in _ENDED:
            self._ended.add(event.number)
            self._parts.pop(event.number, None)
        if event.state == "started":
            self.scrollToItem(name)

    def _add_rows(self, count: int) -> None:
        for row in range(self.rowCount(), count):
            self.insertRow(row)
            for column in range(len(_COLUMNS)):
                self.setItem(row, column, QTableWidgetItem())

    def _write(self, row: int, event: FileEvent, state: str, left: str) -> None:
        told, time = self.item(row, 1), self.item(row, 2)
        if told is None or time is None:
            return
        told.setText(state)
        told.setToolTip(event.message)
        colour = _COLOURS.get(event.state)
        told.setForeground(QBrush() if colour is None else colour)
        time.setText(left)

    def stop(self) -> None:
        """Show that files which have not ended will not."""
        for row in range(self.rowCount()):
            told, time = self.item(row, 1), self.item(row, 2)
            if row + 1 not in self._ended and told is not None and time is not None:
                told.setText("stopped")
                time.setText("")

    @property
    def share(self) -> float:
        """How much of all files is done, in files."""
        return len(self._ended) + sum(self._parts.values())

    def states(self) -> dict[str, str]:
        """State of each file, by name."""
        found = {}
        for row in range(self.rowCount()):
            name, state = self.item(row, 0), self.item(row, 1)
            if name is not None and state is not None:
                found[name.text()] = state.text()
        return found

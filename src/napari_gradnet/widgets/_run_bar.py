"""Buttons that start work, its progress, and Cancel."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from napari.utils import cancelable_progress
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._timing import TimeLeft

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_gradnet.events import Progress

__all__ = ["RunBar"]


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

"""What every form has in common: it ends when its dock is closed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QWidget

from napari_gradnet.widgets._job import Job

__all__ = ["Form"]


class Form(QWidget):
    """A widget that ends with its dock.

    Notes
    -----
    When a dock is closed for good, napari takes the widget out of it and leaves it
    alone: no event of closing comes, and Python keeps it until a garbage collection.
    Its work would go on with nothing left to stop it.
    """

    _was_docked = False

    def event(self, event: Any) -> bool:
        """Look where the form is, as Qt tells of it in no other way."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._was_docked = True
            elif self._was_docked:
                # a script may put it into another dock at once
                QTimer.singleShot(0, self._end_if_alone)
        return bool(super().event(event))

    def _end_if_alone(self) -> None:
        if self.parent() is not None:
            return
        for job in self.findChildren(Job):
            job.cancel()
        for timer in self.findChildren(QTimer):
            timer.stop()
        self._wind_up()
        self.deleteLater()

    def _wind_up(self) -> None:
        """End what neither a job nor a timer does."""

"""A page that scrolls where a window is too low for it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QScrollArea, QWidget

__all__ = ["ScrolledPage"]


class ScrolledPage(QScrollArea):
    """A page that scrolls up and down, and is never narrower than what it holds."""

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(page)

    def _wide(self, size: QSize) -> QSize:
        page, bar = self.widget(), self.verticalScrollBar()
        wanted = 0 if page is None else page.minimumSizeHint().width()
        wanted += 0 if bar is None else bar.sizeHint().width()
        return QSize(max(size.width(), wanted), size.height())

    def minimumSizeHint(self) -> QSize:
        """As wide as the page and its bar need."""
        return self._wide(super().minimumSizeHint())

    def sizeHint(self) -> QSize:
        """As tall as the page."""
        page = self.widget()
        hint = super().sizeHint() if page is None else page.sizeHint()
        return self._wide(hint)

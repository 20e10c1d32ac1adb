"""Curves of a training, and its preview."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QPainter, QPalette, QPen, QPixmap
from qtpy.QtWidgets import QWidget

from napari_gradnet.widgets._noise_plot import ACCENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["CurvePlot", "PicturePlot"]

_GAP = 4


class CurvePlot(QWidget):
    """Draws one curve over the steps, with its lowest, highest and last value.

    Parameters
    ----------
    title : str
        What is drawn.
    unit : str
        Behind the numbers.
    logarithmic : bool
        Draw the logarithm.

    Attributes
    ----------
    waiting : str
        Stands there as long as there are no points.
    """

    def __init__(
        self, title: str, unit: str = "", *, logarithmic: bool = False
    ) -> None:
        super().__init__()
        self.title, self.unit, self.logarithmic = title, unit, logarithmic
        self.waiting = ""
        self.points: list[tuple[float, float]] = []
        self.reference: float | None = None
        self.setMinimumHeight(110)

    def sizeHint(self) -> QSize:
        """Preferred size."""
        return QSize(280, 120)

    def set_points(
        self, points: Sequence[tuple[float, float]], reference: float | None = None
    ) -> None:
        """Show points (step, value), and that of the noisy images as a dashed line."""
        self.points = list(points)
        self.reference = reference
        self.update()

    def _say(self, value: float | None) -> str:
        if value is None:
            return ""
        digits = f"{value:.2f}" if self.unit else f"{value:.4g}"
        return f"{digits} {self.unit}".strip()

    def paintEvent(self, _: Any) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().lineSpacing()
        area = QRectF(self.rect()).adjusted(1, line + _GAP, -1, -(line + _GAP))
        text = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(QPen(text, 1))
        flags = Qt.AlignmentFlag
        last = self._say(self.points[-1][1]) if self.points else ""
        painter.drawText(self.rect(), flags.AlignTop | flags.AlignLeft, self.title)
        painter.drawText(self.rect(), flags.AlignTop | flags.AlignRight, last)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        if self.points:
            steps = f"step {self.points[-1][0]:,.0f}"
            painter.drawText(self.rect(), flags.AlignBottom | flags.AlignRight, steps)
            painter.drawText(
                self.rect(), flags.AlignBottom | flags.AlignLeft, self._range()
            )
            self._draw(painter, area)
        else:
            painter.drawText(area, flags.AlignCenter, self.waiting)
        painter.end()

    def _range(self) -> str:
        values = [y for _, y in self.points]
        return f"{self._say(min(values))} to {self._say(max(values))}"

    def _height(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.logarithmic else value

    def _draw(self, painter: QPainter, area: QRectF) -> None:
        heights = [self._height(y) for _, y in self.points]
        if self.reference is not None:
            heights.append(self._height(self.reference))
        low, high = min(heights), max(heights)
        span = (high - low) or 1.0
        first, last = self.points[0][0], self.points[-1][0]
        width = (last - first) or 1.0

        def place(x: float, y: float) -> QPointF:
            # 5 % are free above and below
            part = 0.05 + 0.9 * (self._height(y) - low) / span
            return QPointF(
                area.left() + (x - first) / width * area.width(),
                area.bottom() - part * area.height(),
            )

        text = self.palette().color(QPalette.ColorRole.WindowText)
        if self.reference is not None:
            painter.setPen(QPen(text, 1, Qt.PenStyle.DashLine))
            y = place(first, self.reference).y()
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            above = y - area.top() > painter.fontMetrics().lineSpacing()
            box = QRectF(area.left(), y - 40 if above else y, area.width() - 2, 40)
            edge = Qt.AlignmentFlag.AlignBottom if above else Qt.AlignmentFlag.AlignTop
            name = f"noisy {self._say(self.reference)}"
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | edge, name)
        painter.setPen(QPen(ACCENT, 2))
        placed = [place(x, y) for x, y in self.points]
        for one, two in itertools.pairwise(placed):
            painter.drawLine(one, two)
        painter.setBrush(ACCENT)
        painter.drawEllipse(placed[-1], 2, 2)


class PicturePlot(QWidget):
    """Shows noisy, denoised and clean side by side, as wide as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.pixmap = QPixmap()
        self.setToolTip("A held-out image: noisy, denoised, clean")

    def set_file(self, path: Path) -> None:
        """Show a picture."""
        pixmap = QPixmap(str(path))
        if not pixmap.isNull():
            self.pixmap = pixmap
            self.updateGeometry()
            self.update()

    def _title_height(self) -> int:
        return self.fontMetrics().lineSpacing() + _GAP

    def sizeHint(self) -> QSize:
        """Preferred size."""
        if self.pixmap.isNull():
            return QSize(280, 0)
        return QSize(280, self.heightForWidth(280))

    def minimumSizeHint(self) -> QSize:
        """Room for the picture at the width that there is."""
        return QSize(0, self.heightForWidth(max(self.width(), 1)))

    def resizeEvent(self, event: Any) -> None:
        """Keep the shape of the picture."""
        super().resizeEvent(event)
        self.updateGeometry()

    def heightForWidth(self, width: int) -> int:
        """Height that the picture needs."""
        if self.pixmap.isNull():
            return 0
        shape = self.pixmap.height() / self.pixmap.width()
        return round(width * shape) + self._title_height()

    def paintEvent(self, _: Any) -> None:
        """Draw."""
        if self.pixmap.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        top = self._title_height()
        third = self.width() / 3
        for number, title in enumerate(("noisy", "denoised", "clean")):
            box = QRectF(number * third, 0, third, top)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, title)
        shape = self.pixmap.height() / self.pixmap.width()
        target = QRectF(0, top, self.width(), self.width() * shape)
        painter.drawPixmap(target, self.pixmap, QRectF(self.pixmap.rect()))
        painter.end()

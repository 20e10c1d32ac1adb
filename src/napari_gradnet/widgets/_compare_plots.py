"""Plots of the removed noise: its histogram and its autocorrelation."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from napari_gradnet.api import ResidualReport

__all__ = ["AutocorrelationPlot", "HistogramPlot"]

_MARGIN, _TOP, _BOTTOM = 4, 20, 20
#: Correlation that is drawn in full colour, at least.
_FULL = 0.1
#: Seen on dark and on light ground.
_ACCENT = QColor(230, 130, 40)


class _Plot(QWidget):
    """A title above and a line below what is drawn of a report."""

    title = ""

    def __init__(self) -> None:
        super().__init__()
        self._report: ResidualReport | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Preferred size."""
        return QSize(150, 160)

    def set_report(self, report: ResidualReport | None) -> None:
        """Show a report, or nothing."""
        self._report = report
        self.update()

    def paintEvent(self, _: Any) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        area = QRectF(self.rect()).adjusted(_MARGIN, _TOP, -_MARGIN, -_BOTTOM)
        painter.setPen(QPen(text, 1))
        top = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter
        painter.drawText(self.rect(), top, self.title)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if self._report is not None:
            self._draw(painter, area, self._report)
        painter.end()

    @abstractmethod
    def _draw(self, painter: QPainter, area: QRectF, report: ResidualReport) -> None:
        """Draw into the area between title and caption."""

    def _caption(self, painter: QPainter, text: str) -> None:
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        bottom = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignHCenter
        painter.drawText(self.rect(), bottom, text)


class HistogramPlot(_Plot):
    """Values of the removed noise; the line is Gaussian noise of the same sigma."""

    title = "histogram"

    def _draw(self, painter: QPainter, area: QRectF, report: ResidualReport) -> None:
        counts = report.counts / max(int(report.counts.sum()), 1)
        middles = (report.edges[1:] + report.edges[:-1]) / 2
        width = report.edges[1] - report.edges[0]
        sigma = report.sigma or width
        gauss = np.exp(-0.5 * ((middles - report.mean) / sigma) ** 2)
        gauss *= width / (sigma * np.sqrt(2 * np.pi))
        top = max(float(counts.max()), float(gauss.max()), 1e-12) * 1.05
        step = area.width() / len(counts)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(QPalette.ColorRole.WindowText))
        for number, count in enumerate(counts.tolist()):
            height = count / top * area.height()
            left = area.left() + number * step
            painter.drawRect(QRectF(left, area.bottom() - height, step * 0.8, height))
        painter.setPen(QPen(_ACCENT, 2))
        points = [
            QPointF(
                area.left() + (number + 0.4) * step,
                area.bottom() - value / top * area.height(),
            )
            for number, value in enumerate(gauss.tolist())
        ]
        for first, second in itertools.pairwise(points):
            painter.drawLine(first, second)
        self._caption(painter, f"mean {report.mean:.3g}, sigma {report.sigma:.3g}")


class AutocorrelationPlot(_Plot):
    """How alike pixels are, by the rows and columns between them."""

    title = "autocorrelation"

    def _draw(self, painter: QPainter, area: QRectF, report: ResidualReport) -> None:
        values = report.autocorrelation.copy()
        middle = len(values) // 2
        values[middle, middle] = 0.0  # always 1: it would hide the others
        full = max(float(np.abs(values).max()), _FULL)
        side = min(area.width(), area.height() - 4) / len(values)
        left = area.center().x() - side * len(values) / 2
        painter.setPen(Qt.PenStyle.NoPen)
        for row, column in itertools.product(range(len(values)), repeat=2):
            painter.setBrush(_shade(float(values[row, column]) / full))
            corner = QPointF(left + column * side, area.top() + row * side)
            painter.drawRect(QRectF(corner.x(), corner.y(), side + 0.5, side + 0.5))
        self._caption(painter, f"white 0, colours to \u00b1{full:.2g}")


def _shade(value: float) -> QColor:
    """Red above 0, blue below, white at 0."""
    pale = round(255 * (1 - min(abs(value), 1.0)))
    return QColor(255, pale, pale) if value >= 0 else QColor(pale, pale, 255)

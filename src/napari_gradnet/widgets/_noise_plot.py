"""Noise variance against brightness, with the camera law that was fitted."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari_gradnet.noise.estimate import NoiseEstimate

__all__ = ["ACCENT", "NoisePlot"]

#: Colour of curves: seen on dark and on light themes, whose palettes tell of none.
ACCENT = QColor(230, 130, 40)
_LEFT, _BOTTOM, _TOP, _RIGHT = 8, 22, 22, 8


class NoisePlot(QWidget):
    """Draws the pairs (mean, variance) of an estimate and its law as a line."""

    def __init__(self) -> None:
        super().__init__()
        self._noise: NoiseEstimate | None = None
        self.setMinimumHeight(150)

    def sizeHint(self) -> QSize:
        """Preferred size."""
        return QSize(280, 150)

    def set_noise(self, noise: NoiseEstimate | None) -> None:
        """Show an estimate, or nothing."""
        self._noise = noise
        self.update()

    def paintEvent(self, _: Any) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        area = QRectF(self.rect()).adjusted(_LEFT, _TOP, -_RIGHT, -_BOTTOM)
        painter.setPen(QPen(text, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        top = Qt.AlignmentFlag.AlignTop
        bottom = Qt.AlignmentFlag.AlignBottom
        left = Qt.AlignmentFlag.AlignLeft
        painter.drawText(self.rect(), top | left, "noise variance")
        painter.drawText(
            self.rect(), bottom | Qt.AlignmentFlag.AlignHCenter, "brightness"
        )
        if self._noise is not None and len(self._noise.levels) > 1:
            low, high, most = self._draw(painter, area, self._noise)
            painter.setPen(QPen(text, 1))
            for where, words in (
                (bottom | left, f"{low:.4g}"),
                (bottom | Qt.AlignmentFlag.AlignRight, f"{high:.4g}"),
                (top | Qt.AlignmentFlag.AlignRight, f"up to {most:.3g}"),
            ):
                painter.drawText(self.rect(), where, words)
        painter.end()

    def _draw(
        self, painter: QPainter, area: QRectF, noise: NoiseEstimate
    ) -> tuple[float, float, float]:
        """Draw points and law; returns the ends of both axes."""
        means, variances = np.array(noise.levels).T
        low, high = float(means.min()), float(means.max())
        span = max(high - low, 1e-12)
        ends = noise.variance([low, high])
        if noise.gain <= 0:
            ends = np.full(2, noise.sigma**2)
        top = max(float(variances.max()), float(ends.max()), 1e-12) * 1.05

        def place(mean: float, variance: float) -> QPointF:
            return QPointF(
                area.left() + (mean - low) / span * area.width(),
                area.bottom() - variance / top * area.height(),
            )

        painter.setPen(QPen(ACCENT, 2))
        line = np.linspace(low, high, 64)
        law = noise.variance(line) if noise.gain > 0 else np.full(64, ends[0])
        points = [place(m, v) for m, v in zip(line.tolist(), law.tolist(), strict=True)]
        for first, second in itertools.pairwise(points):
            painter.drawLine(first, second)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(QPalette.ColorRole.WindowText))
        for mean, variance in zip(means.tolist(), variances.tolist(), strict=True):
            painter.drawEllipse(place(mean, variance), 2.5, 2.5)
        return low, high, top

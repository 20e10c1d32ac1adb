"""What a training measured so far, as it is plotted."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Curve", "History", "of_the_kept", "read_metrics"]

#: Points of a curve; where there are more, neighbours are averaged.
_MOST_POINTS = 512


class Curve:
    """Points in the order in which they came, thinned by averaging neighbours."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._width = 1
        self._sum, self._count, self._last = 0.0, 0, 0.0

    def add(self, x: float, y: float) -> None:
        """Add a point."""
        self._sum, self._count, self._last = self._sum + y, self._count + 1, x
        if self._count < self._width:
            return
        self.points.append((x, self._sum / self._count))
        self._sum, self._count = 0.0, 0
        if len(self.points) >= _MOST_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [(b[0], (a[1] + b[1]) / 2) for a, b in pairs]
            self._width *= 2


@dataclass
class History:
    """What was measured so far."""

    loss: Curve = field(default_factory=Curve)
    psnr: Curve = field(default_factory=Curve)
    noisy_psnr: float | None = None
    best_psnr: float | None = None
    progress: float = 0.0
    picture: Path | None = None

    @classmethod
    def of_run(cls, folder: Path) -> History:
        """Take up the curves of a run folder."""
        history = cls()
        picture = folder / "pictures" / "latest-0.png"
        history.picture = picture if picture.exists() else None
        rows = read_metrics(folder)
        history.best_psnr = of_the_kept(rows)
        for row in rows:
            history.psnr.add(row["step"], row["psnr"])
            if "loss" in row:
                history.loss.add(row["step"], row["loss"])
        return history


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """Validations that a run folder holds; up to a line that is broken."""
    rows: list[dict[str, float]] = []
    with (
        suppress(OSError, ValueError, KeyError),
        (folder / "metrics.csv").open(newline="", encoding="utf-8") as stream,
    ):
        for row in csv.DictReader(stream):
            values = {"step": float(row["step"]), "psnr": float(row["psnr"])}
            values |= {k: float(row[k]) for k in ("loss", "kept") if row.get(k)}
            rows.append(values)
    return rows


def of_the_kept(rows: list[dict[str, float]]) -> float | None:
    """PSNR of the weights that are the model so far; of none in an empty run."""
    kept = [row["psnr"] for row in rows if row.get("kept")]
    if kept:
        return kept[-1]
    # folders of older versions hold no such column
    return max((row["psnr"] for row in rows), default=None)

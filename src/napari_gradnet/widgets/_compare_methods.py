"""Several methods on what is on the screen, with picture, time and PSNR of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
)

from napari_gradnet.errors import InputError
from napari_gradnet.widgets._compare_tab import Chosen, CompareTab
from napari_gradnet.widgets._compare_view import check_alike
from napari_gradnet.widgets._compare_work import (
    Trial,
    iter_candidates,
    iter_trials,
)
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._layers import (
    full_data,
    guess_layer_axes,
    result_keywords,
    view_region,
)
from napari_gradnet.widgets._models import SHELF
from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._preferences import models_folder, preferred_options
from napari_gradnet.widgets._thumbnail import PICTURE, first_plane, thumbnail

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Image

    from napari_gradnet.events import Event, Progress
    from napari_gradnet.widgets._compare_work import Candidate
    from napari_gradnet.widgets._layers import Region

__all__ = ["MethodsTab"]

#: Largest side of the crop, pixels: the slowest method takes seconds on it.
CROP = 384
_COLUMNS = ("Method", "Result", "Time", "PSNR")


class MethodsTab(CompareTab):
    """Tries packaged models, the user's own and naive methods on a crop.

    Parameters
    ----------
    chosen : Chosen
        The layers; the first one is denoised, PSNR is measured to the reference.
    """

    def __init__(self, chosen: Chosen) -> None:
        super().__init__(chosen, "Try the ticked")
        self.candidates: list[Candidate] = []
        self.trials: dict[Candidate, Trial] = {}
        self._rgb: bool | None = None
        self._tried: tuple[Image, Region, str] | None = None
        self.scout = Job(self)
        self.scout.ended.connect(self._on_candidates)
        SHELF.changed.connect(self.look_again)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setIconSize(QSize(PICTURE, PICTURE))
        self.table.setMinimumHeight(260)
        if (rows := self.table.verticalHeader()) is not None:
            rows.setVisible(False)
        if (columns := self.table.horizontalHeader()) is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.doubleClicked.connect(self.add_result)
        self.add_button = QPushButton("Add the selected result as a layer")
        self.add_button.clicked.connect(self.add_result)
        self.column.addWidget(
            note(
                "Denoises what is on the screen, at most its middle "
                f"{CROP} x {CROP} pixels, with each method."
            )
        )
        self.column.addWidget(self.table, 1)
        self.column.addWidget(self.add_button)
        self.column.addWidget(self.bar)

    # --------------------------------------------------------------- methods

    def look_for_methods(self) -> None:
        """List the methods that fit the layer, in a thread."""
        layer = self.chosen.before.layer
        rgb = layer is not None and layer.rgb
        # while methods are tried their rows stay
        if self.scout.running or self.job.running or rgb == self._rgb:
            return
        self._rgb = rgb
        self.scout.start(iter_candidates(models_folder(), rgb=rgb))

    def look_again(self) -> None:
        """List the methods anew: there may be other models."""
        self._rgb = None
        self.look_for_methods()

    def _on_candidates(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._rgb = None
            show_error(f"methods cannot be listed: {outcome.error}")
        elif self.job.running:
            self._rgb = None  # again when it ends
        elif outcome.value is not None:
            if outcome.value != self.candidates:
                self._fill(outcome.value)
            self.look_for_methods()

    def _on_ended(self, outcome: Outcome) -> None:
        super()._on_ended(outcome)
        self.look_for_methods()

    def _fill(self, candidates: list[Candidate]) -> None:
        """List methods; ticks and results of those that were listed already stay."""
        off = [c for row, c in enumerate(self.candidates) if not self._is_ticked(row)]
        trials, self.trials = self.trials, {}
        self.candidates = candidates
        self.table.setRowCount(len(candidates))
        for row, candidate in enumerate(candidates):
            item = QTableWidgetItem(candidate.label)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            ticked = candidate not in off
            item.setCheckState(
                Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
            )
            item.setToolTip(candidate.about)
            self.table.setItem(row, 0, item)
            self._clear_row(row)
            if candidate in trials:
                self._show_trial(trials[candidate])

    def _clear_row(self, row: int) -> None:
        for column in range(1, len(_COLUMNS)):
            self.table.setItem(row, column, QTableWidgetItem(""))
        self.table.setRowHeight(row, self.table.fontMetrics().height() + 10)

    # ------------------------------------------------------------------ work

    def _make_work(self) -> tuple[Generator[Event, None, Any], tuple[Image, ...]]:
        layer, reference = self.chosen.before.layer, self.chosen.reference.layer
        if layer is None:
            msg = "there is no image layer: open an image first"
            raise InputError(msg)
        ticked = [
            candidate
            for row, candidate in enumerate(self.candidates)
            if self._is_ticked(row)
        ]
        if not ticked:
            msg = "no method is ticked: tick those that are to be tried"
            raise InputError(msg)
        if reference is layer:
            reference = None
        if reference is not None:
            check_alike(layer, reference, "the reference")
        axes = guess_layer_axes(layer)
        region = _crop(view_region(layer, self.chosen.viewer.dims, axes), axes)
        self._tried = (layer, region, axes)
        self.trials = {}
        for row in range(len(self.candidates)):
            self._clear_row(row)
        work = iter_trials(
            full_data(layer),
            axes,
            region,
            ticked,
            None if reference is None else full_data(reference),
            preferred_options(),
        )
        return work, (layer,) if reference is None else (layer, reference)

    def _is_ticked(self, row: int) -> bool:
        item = self.table.item(row, 0)
        return item is not None and item.checkState() == Qt.CheckState.Checked

    def _on_event(self, event: Progress | Trial) -> None:
        if isinstance(event, Trial):
            self._show_trial(event)
            return
        super()._on_event(event)
        # Qt has worked meanwhile: the end, or Cancel, may have said something else
        if event.message and self.job.running and self.bar.cancel_button.isEnabled():
            self.bar.status.setText(
                f"{event.done} of {event.total} methods; now {event.message}"
            )

    def _show_trial(self, trial: Trial) -> None:
        if self._tried is None:
            return
        layer, _, axes = self._tried
        row = self.candidates.index(trial.candidate)
        self.trials[trial.candidate] = trial
        if trial.image is None:
            item = QTableWidgetItem("failed")
            item.setToolTip(trial.error)
            self.table.setItem(row, 1, item)
            return
        limits = (0.0, 1.0) if layer.rgb else tuple(layer.contrast_limits)
        picture = QTableWidgetItem()
        plane = first_plane(trial.image, axes)
        picture.setIcon(_icon(thumbnail(plane, limits, rgb=layer.rgb)))
        self.table.setItem(row, 1, picture)
        self.table.setItem(row, 2, QTableWidgetItem(_in_seconds(trial.seconds)))
        if trial.psnr is not None:
            told = QTableWidgetItem(f"{trial.psnr:.2f} dB")
            self.table.setItem(row, 3, told)
        elif trial.error:
            told = QTableWidgetItem("none")
            told.setToolTip(trial.error)
            self.table.setItem(row, 3, told)
        self.table.setRowHeight(row, PICTURE + 6)

    def _show(self, value: Any) -> str:
        failed = [t for t in self.trials.values() if t.image is None]
        measured = [t for t in self.trials.values() if t.psnr is not None]
        text = f"{len(self.trials)} methods tried."
        if measured:
            best = max(measured, key=lambda trial: trial.psnr or 0.0)
            text += f" Best PSNR: {best.candidate.label}, {best.psnr:.2f} dB."
        if failed:
            text += f" {len(failed)} failed: point at them to see why."
        return text

    def _forget(self, layer: Image) -> None:
        if self._tried is not None and layer is self._tried[0]:
            self._tried, self.trials = None, {}

    def add_result(self, _: Any = None) -> None:
        """Add the result of the selected row as a layer, where the crop lies."""
        row = self.table.currentRow()
        candidate = self.candidates[row] if 0 <= row < len(self.candidates) else None
        trial = None if candidate is None else self.trials.get(candidate)
        if trial is None or trial.image is None or self._tried is None:
            show_warning("select a method that has a result")
            return
        layer, region, _ = self._tried
        record = {"source": layer.name, **trial.record}
        name = f"{layer.name} {trial.candidate.label}"
        keywords = result_keywords(layer, name, record, region)
        before = self.chosen.before.layer
        self.chosen.viewer.add_image(trial.image, **keywords)
        if before is not None:
            self.chosen.before.set_layer(before)


def _crop(region: Region, axes: str) -> Region:
    """The middle of a region that is too large."""
    parts = []
    for part, letter in zip(region, axes, strict=True):
        length = part.stop - part.start
        if letter in "YX" and length > CROP:
            start = part.start + (length - CROP) // 2
            parts.append(slice(start, start + CROP))
        else:
            parts.append(part)
    return tuple(parts)


def _in_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.0f} s"


def _icon(picture: np.ndarray[Any, Any]) -> QIcon:
    rows, columns, _ = picture.shape
    data = np.ascontiguousarray(picture).tobytes()
    image = QImage(data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    return QIcon(QPixmap.fromImage(image.copy()))

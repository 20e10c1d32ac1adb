"""PSNR and SSIM against a reference layer, as a table to be copied and saved."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
)

from napari_gradnet.errors import InputError
from napari_gradnet.quality import EPSILON
from napari_gradnet.widgets._compare_tab import Chosen, CompareTab, ScopeBox
from napari_gradnet.widgets._compare_view import check_alike
from napari_gradnet.widgets._compare_work import iter_qualities
from napari_gradnet.widgets._copies import copy_text
from napari_gradnet.widgets._fields import form_layout
from napari_gradnet.widgets._layers import full_data, guess_layer_axes

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Image

    from napari_gradnet.api import Quality
    from napari_gradnet.events import Event

__all__ = ["QualityTab"]

#: Field of a measurement: what it is called in the table, and digits.
_ROWS = {
    "psnr": ("PSNR, dB", 2),
    "psnr_textured": ("  textured", 2),
    "psnr_smooth": ("  smooth", 2),
    "ssim": ("SSIM", 4),
    "ssim_textured": ("  textured", 4),
    "ssim_smooth": ("  smooth", 4),
}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class _Measured:
    """One column of the table."""

    layer: str
    reference: str
    scope: str
    epsilon: float
    fitted: bool
    quality: Quality

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.layer, self.reference, self.scope, self.epsilon, self.fitted)

    def as_row(self) -> dict[str, Any]:
        row = {
            "layer": self.layer,
            "reference": self.reference,
            "scope": self.scope,
            "texture_threshold": self.epsilon,
            "brightness_fitted": self.fitted,
        }
        return row | self.quality.as_dict()


class QualityTab(CompareTab):
    """Measures both layers against the reference.

    Parameters
    ----------
    chosen : Chosen
        The layers.
    """

    def __init__(self, chosen: Chosen) -> None:
        super().__init__(chosen, "Measure")
        self._measured: list[_Measured] = []
        self._asked: dict[str, Any] = {}
        self.scope = ScopeBox()
        self.epsilon = QDoubleSpinBox()
        self.epsilon.setRange(0.05, 5.0)
        self.epsilon.setSingleStep(0.5)
        self.epsilon.setValue(EPSILON)
        self.epsilon.setToolTip(
            "Least gradient of the reference that counts as texture, black to white "
            "being 1; the GradNet paper uses 0.5, 1, 1.5 and 2"
        )
        self.fit = QCheckBox("fit to the reference first")
        self.fit.setToolTip("For a reference of another exposure or black level")
        form = form_layout()
        form.addRow("Measure", self.scope)
        form.addRow("Texture from", self.epsilon)
        form.addRow("Brightness", self.fit)
        self.table = QTableWidget(len(_ROWS), 0)
        self.table.setVerticalHeaderLabels([label for label, _ in _ROWS.values()])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setMinimumHeight(220)
        self.buttons = {
            "Copy": self.copy,
            "Save as CSV ...": self.ask_file,
            "Clear": self.clear,
        }
        row = QHBoxLayout()
        for text, action in self.buttons.items():
            button = QPushButton(text)
            button.clicked.connect(action)
            row.addWidget(button)
        self.column.addLayout(form)
        self.column.addWidget(self.bar)
        self.column.addWidget(self.table, 1)
        self.column.addLayout(row)

    # ------------------------------------------------------------------ work

    def _make_work(self) -> tuple[Generator[Event, None, Any], tuple[Image, ...]]:
        reference = self.chosen.reference.layer
        if reference is None:
            msg = "choose the reference layer: an image of the same scene without noise"
            raise InputError(msg)
        layers = []
        for box in (self.chosen.before, self.chosen.after):
            layer = box.layer
            if layer is not None and layer is not reference and layer not in layers:
                check_alike(reference, layer, "the image")
                layers.append(layer)
        if not layers:
            msg = "choose an image layer that is not the reference itself"
            raise InputError(msg)
        self._asked = {
            "reference": reference.name,
            "scope": self.scope.currentText(),
            "epsilon": self.epsilon.value(),
            "fitted": self.fit.isChecked(),
        }
        region = self.scope.region(reference, self.chosen.viewer)
        work = iter_qualities(
            {layer.name: full_data(layer) for layer in layers},
            full_data(reference),
            guess_layer_axes(reference),
            region,
            epsilon=self.epsilon.value(),
            fit=self.fit.isChecked(),
        )
        return work, (reference, *layers)

    def _show(self, value: dict[str, Quality]) -> str:
        for name, quality in value.items():
            new = _Measured(layer=name, quality=quality, **self._asked)
            keys = [m.key for m in self._measured]
            if new.key in keys:
                self._measured[keys.index(new.key)] = new
            else:
                self._measured.append(new)
        self._fill()
        quality = next(iter(value.values()))
        planes = (
            "1 plane" if quality.num_planes == 1 else f"{quality.num_planes} planes"
        )
        ends = f"black {quality.black:.4g}, white {quality.white:.4g}"
        return f"Mean of {planes}; {ends}."

    # ----------------------------------------------------------------- table

    def _fill(self) -> None:
        self.table.setColumnCount(len(self._measured))
        for column, measured in enumerate(self._measured):
            head = QTableWidgetItem(measured.layer)
            told = "\n".join(f"{k}: {v}" for k, v in measured.as_row().items())
            head.setToolTip(told)
            self.table.setHorizontalHeaderItem(column, head)
            values = measured.quality.as_dict()
            for row, (name, (_, digits)) in enumerate(_ROWS.items()):
                item = QTableWidgetItem(_say(values[name], digits))
                item.setToolTip(told)
                item.setTextAlignment(_RIGHT)
                self.table.setItem(row, column, item)

    def as_text(self, separator: str = "\t") -> str:
        """Write the table, one line a measurement.

        Parameters
        ----------
        separator : str
            Tab for spreadsheets, comma for CSV.
        """
        if not self._measured:
            return ""
        rows = [measured.as_row() for measured in self._measured]
        text = io.StringIO()
        writer = csv.DictWriter(
            text, list(rows[0]), delimiter=separator, lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def copy(self) -> None:
        """Put the table on the clipboard."""
        if not self._measured:
            show_warning("there is nothing to copy: measure first")
        else:
            copy_text("table", self.as_text)

    def ask_file(self) -> None:
        """Ask where to save the table, and save it."""
        if not self._measured:
            show_warning("there is nothing to save: measure first")
            return
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the table", "quality.csv", "CSV (*.csv)"
        )
        if name:
            self.save(Path(name))

    def save(self, path: Path) -> None:
        """Write the table as CSV; a file that is there stays until it is complete."""
        path = path if path.suffix else path.with_suffix(".csv")
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_text(self.as_text(","), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            show_error(
                f"{path} could not be written ({error.strerror}): choose another"
            )
            return
        show_info(f"table saved as {path}")

    def clear(self) -> None:
        """Empty the table."""
        self._measured.clear()
        self._fill()


def _say(value: float, digits: int) -> str:
    return "\u2013" if value != value else f"{value:.{digits}f}"

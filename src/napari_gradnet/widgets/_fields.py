"""Fields and layouts that the forms share."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)
from superqt import QCollapsible

__all__ = ["AdvancedSection", "FolderField", "form_layout", "narrow"]

# arrows as icons keep the colour of the first theme, as text they follow it
_TITLES = {False: "▶ Advanced", True: "▼ Advanced"}


def form_layout(content: QWidget | None = None) -> QFormLayout:
    """Rows of labels and fields as wide as the dock; without a margin in `content`."""
    form = QFormLayout()
    if content is not None:
        content.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def narrow(box: QComboBox) -> QComboBox:
    """Keep long names from widening the dock."""
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(12)
    return box


class FolderField(QWidget):
    """A folder, typed or chosen.

    Parameters
    ----------
    title : str
        Of the dialog.
    hint : str
        Shown where nothing is typed.
    """

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self.line = QLineEdit()
        self.line.setPlaceholderText(hint)
        button = QPushButton("Choose ...")
        button.clicked.connect(self._ask)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(button)

    def _ask(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self._title, self.line.text())
        if name:
            self.line.setText(name)

    @property
    def folder(self) -> str:
        """The folder, or an empty text."""
        return str(self.line.text()).strip()


class AdvancedSection(QCollapsible):
    """Options that most people leave alone: closed at first.

    Attributes
    ----------
    rows : QFormLayout
        Takes the fields.
    """

    def __init__(self) -> None:
        super().__init__(
            _TITLES[False], expandedIcon=_no_icon(), collapsedIcon=_no_icon()
        )
        self.toggled.connect(self._on_toggled)
        content = QWidget()
        self.rows = form_layout(content)
        self.addWidget(content)
        self.setDuration(0)
        # napari paints the title like a selection
        self.toggleButton().setStyleSheet(
            "QPushButton { background: transparent; border: none; text-align: left; "
            "padding: 4px 0px; }"
        )

    def _on_toggled(self, expanded: bool) -> None:
        self.setText(_TITLES[expanded])


def _no_icon() -> QIcon:
    """Icon of which nothing is seen; PySide takes an empty one for none at all."""
    pixmap = QPixmap(1, 1)
    pixmap.fill(Qt.GlobalColor.transparent)
    return QIcon(pixmap)

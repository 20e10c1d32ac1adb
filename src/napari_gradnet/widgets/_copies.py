"""What the forms say, as text on the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_gradnet.errors import GradNetError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["copy_text", "script_buttons"]


def script_buttons(
    python: Callable[[], None], command: Callable[[], None], tip: str = ""
) -> QHBoxLayout:
    """Buttons for a script and for a command, the latter with a tip."""
    as_python, as_command = (
        QPushButton("Copy as Python"),
        QPushButton("Copy as command"),
    )
    as_python.clicked.connect(python)
    as_command.clicked.connect(command)
    as_command.setToolTip(tip)
    row = QHBoxLayout()
    row.addWidget(as_python)
    row.addWidget(as_command)
    return row


def copy_text(what: str, write: Callable[[], str]) -> None:
    """Put a text on the clipboard, or say why it cannot be written."""
    try:
        text = write()
    except GradNetError as error:
        show_warning(str(error))
        return
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
        show_info(f"{what} copied to the clipboard")

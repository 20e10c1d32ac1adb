"""Forms that open as they were left, also in the next session.

napari keeps preferences, not what stood in a form: that is kept by Qt's settings, in a
file beside napari's own.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QAbstractButton, QComboBox

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["recall", "remember", "remember_fields"]

logger = logging.getLogger(__name__)


def memory_file() -> Path | None:
    """Where it is kept; none where napari keeps nothing either."""
    from napari.settings import get_settings

    path = get_settings().config_path
    return Path(path).with_name("napari-gradnet-forms.ini") if path else None


def _settings() -> QSettings | None:
    path = memory_file()
    return QSettings(str(path), QSettings.Format.IniFormat) if path else None


def remember(form: str, name: str, value: Any) -> None:
    """Keep a value of a form.

    Parameters
    ----------
    form, name : str
        Which form, and which of its fields.
    value : bool, int, float, str or None
        What it holds.
    """
    settings = _settings()
    if settings is not None:
        settings.setValue(f"{form}/{name}", json.dumps(value))


def recall(form: str, name: str) -> Any:
    """Value that was kept, or None."""
    settings = _settings()
    text = settings.value(f"{form}/{name}") if settings is not None else None
    try:
        return json.loads(str(text)) if text is not None else None
    except ValueError:  # edited by hand
        logger.debug("%s of form %s is not readable: %r", name, form, text)
        return None


def remember_fields(form: str, **fields: QWidget) -> None:
    """Fill fields with what was kept of them, and keep what changes.

    Parameters
    ----------
    form : str
        Name of the form.
    fields : QComboBox, QAbstractButton or one with `value`, `setValue`, `valueChanged`
        By name. What does not fit any more is passed over.
    """
    for name, field in fields.items():
        value = recall(form, name)
        if value is not None:
            _fill(field, value)
        _changed(field).connect(_Keeper(form, name))


class _Keeper:
    """Keeps the value that a signal carries."""

    def __init__(self, form: str, name: str) -> None:
        self._place = (form, name)

    def __call__(self, value: Any) -> None:
        remember(*self._place, value)


def _fill(field: Any, value: Any) -> None:
    if isinstance(field, QComboBox):
        if (index := field.findText(str(value))) >= 0:
            field.setCurrentIndex(index)
    elif isinstance(field, QAbstractButton):
        field.setChecked(value is True)
    elif isinstance(value, int | float):
        field.setValue(type(field.value())(value))


def _changed(field: Any) -> Any:
    if isinstance(field, QComboBox):
        return field.currentTextChanged
    if isinstance(field, QAbstractButton):
        return field.toggled
    return field.valueChanged

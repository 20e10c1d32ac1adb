"""What is said of a failure, and whether it lies in the file itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_gradnet.errors import (
    DeviceError,
    FileFormatError,
    GradNetError,
    InputError,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["explain_failure", "is_final"]

logger = logging.getLogger(__name__)


def is_final(error: BaseException | None) -> bool:
    """Whether a failure lies in the file itself, so that its finished units are lost.

    A full disk, a vanished folder, a device without memory or a lost connection passes,
    and of what is not known nobody can say; what is finished is kept for the next run.
    """
    final = isinstance(error, FileFormatError | InputError)
    while error is not None:
        if isinstance(error, OSError | MemoryError | DeviceError):
            return False
        error = error.__cause__ or error.__context__
    return final


def explain_failure(error: BaseException, place: Path | None = None) -> str:
    """Say an error in one line for the report; `place` where it names none."""
    if isinstance(error, GradNetError):
        return str(error)
    if isinstance(error, OSError):
        where = error.filename or place
        reason = error.strerror or str(error)
        if where and isinstance(error, PermissionError):
            reason += " (this user may not read or write it)"
        return f"{where}: {reason}" if where else reason
    if isinstance(error, MemoryError):
        return "out of memory: use fewer workers or smaller tiles"
    logger.error("unexpected failure", exc_info=error)
    return f"{type(error).__name__}: {error}"

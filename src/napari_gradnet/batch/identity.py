"""Whether a file is still the one that a batch began with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["differences", "file_identity", "file_node"]

#: Bytes that are hashed at the beginning, the middle and the end of a file.
_PART = 1 << 16


def file_identity(path: Path) -> dict[str, Any]:
    """Describe a file so that a change is noticed, without reading all of it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        ``size`` in bytes, ``mtime_ns``, and ``hash`` of at most 192 KiB: the beginning,
        the middle and the end.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    state = path.stat()
    size = state.st_size
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        for start in sorted({0, max(0, (size - _PART) // 2), max(0, size - _PART)}):
            file.seek(start)
            digest.update(file.read(_PART))
    return {"size": size, "mtime_ns": state.st_mtime_ns, "hash": digest.hexdigest()}


def file_node(path: Path) -> tuple[int, int] | None:
    """What a file or folder has in common with its links; None where nothing is."""
    try:
        state = path.stat()
    except OSError:
        return None
    return (state.st_dev, state.st_ino) if state.st_ino else None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Tell in which values two descriptions differ.

    Parameters
    ----------
    before, now : mapping
        JSON, nested as deep as it likes.

    Returns
    -------
    dict of str to str
        The dotted name of each value that differs: "was ..., is ...".
    """
    old, new = dict(_flat(before)), dict(_flat(now))
    return {
        name: f"was {_tell(old, name)}, is {_tell(new, name)}"
        for name in [*old, *(n for n in new if n not in old)]
        if (name in old) != (name in new) or old.get(name) != new.get(name)
    }


def _tell(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "not there"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

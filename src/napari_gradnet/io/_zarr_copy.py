"""What else lies in an OME-Zarr (labels, tables, OME-XML), copied as it is."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from typing import TYPE_CHECKING

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._partial import explain_write_error, short_name
from napari_gradnet.io._zarr_store import METADATA_NAMES, check_inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["check_rest", "copy_rest", "remove_leftovers"]

_MAX_DEPTH = 64
#: What zarr and `copy_rest` leave when they are killed while writing a file.
_LEFTOVER = re.compile(r"\.(?:[0-9a-f]{32}\.partial|[0-9a-f]{12}\.tmp)$")


def _walk(root: Path, folder: Path, skip: set[Path], depth: int) -> Iterator[Path]:
    """All files below a folder that belong to a store, checked one by one."""
    if depth > _MAX_DEPTH:
        msg = f"{folder}: folders nested more than {_MAX_DEPTH} deep: not copied"
        raise FileFormatError(msg)
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = folder / entry.name
            if path in skip:
                continue
            if entry.is_symlink():
                real = check_inside(root, path)
                if real.is_dir():
                    msg = (
                        f"{path} is a link to the folder {real}: a store with linked "
                        "folders is not copied: put real folders in their place"
                    )
                    raise FileFormatError(msg)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, path, skip, depth + 1)
            elif stat.S_ISREG(entry.stat().st_mode):
                yield path
            else:
                msg = f"{path} is no regular file: a store holds regular files only"
                raise FileFormatError(msg)


def _rest(root: Path, levels: Sequence[str]) -> Iterator[Path]:
    skip = {root / name for name in (*METADATA_NAMES, *levels)}
    try:
        yield from _walk(root, root, skip, 0)
    except OSError as error:
        msg = f"{root} cannot be read: {error.strerror or error}"
        raise FileFormatError(msg) from error


def check_rest(root: Path, levels: Sequence[str]) -> int:
    """Check what `copy_rest` would copy, before hours of work.

    Returns
    -------
    int
        Its size, in bytes.
    """
    return sum(path.stat().st_size for path in _rest(root, levels))


def copy_rest(root: Path, target: Path, levels: Sequence[str]) -> int:
    """Copy all files of a store but its metadata and some levels.

    Parameters
    ----------
    root, target : Path
        The store, and the folder that takes them.
    levels : sequence of str
        Paths of the arrays that are made anew.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    FileFormatError
        A link leads out of the store, there is something else than files and folders,
        or the disk refuses.
    """
    count = 0
    for path in _rest(root, levels):
        copy = target / path.relative_to(root)
        with explain_write_error(target):
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary = copy.with_name(
                f"{short_name(copy.name)}.{secrets.token_hex(6)}.tmp"
            )
            try:
                shutil.copyfile(path, temporary)
                temporary.replace(copy)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        count += 1
    return count


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written below a folder."""
    for where, _, files in os.walk(folder):
        for name in files:
            if _LEFTOVER.search(name):
                os.unlink(os.path.join(where, name))  # noqa: PTH108, PTH118 - many

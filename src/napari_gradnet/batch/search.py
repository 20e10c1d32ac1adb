"""Where images are: folders with all that is below them, and patterns.

What may not be read is found as well, with the reason, so that it is reported like any
other input that fails.
"""

from __future__ import annotations

import glob
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gradnet.batch.failures import explain_failure
from napari_gradnet.batch.journal import JOURNAL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "IMAGE_SUFFIXES",
    "NO_FILE",
    "ZARR_SUFFIX",
    "Found",
    "explain_fault",
    "explain_nothing",
    "file_kind",
    "fixed_folder",
    "is_zarr",
    "match_images",
    "walk_images",
]

#: Files that are taken from folders; a file that is named is taken whatever its name.
IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
ZARR_SUFFIX = ".zarr"
#: Reading a pipe or a device may never end.
NO_FILE = "{} is neither a file nor a folder (a pipe, a device): it is not read"
_CIRCLE = "{} is a link to a folder that holds it: it is not followed"
_ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


@dataclass(frozen=True)
class Found:
    """An input.

    Parameters
    ----------
    path : Path
        A file, or the folder of an OME-Zarr; with a fault any folder.
    fault : str
        Why it cannot be looked at; mostly empty.
    """

    path: Path
    fault: str = ""


def file_kind(path: Path) -> str:
    """Tell ``"file"``, ``"folder"`` and ``"other"`` apart; empty where nothing is.

    Raises
    ------
    OSError
        That may not be known; `Path.is_dir` would say no in some versions of Python.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def is_zarr(path: Path) -> bool:
    """Whether a path is a folder that should be an OME-Zarr.

    Raises
    ------
    OSError
        It may not be looked into.
    """
    if file_kind(path) != "folder":
        return False
    if path.suffix.lower() == ZARR_SUFFIX:
        return True
    return any(file_kind(path / name) == "file" for name in _ZARR_FILES)


def explain_fault(path: Path, error: OSError) -> str:
    """Say it of what was named or found, not of what was looked for in it."""
    return explain_failure(type(error)(error.errno, error.strerror, str(path)))


def explain_nothing(path: Path, *, is_folder: bool) -> str:
    """Say why a folder or pattern gave no images."""
    kinds = ", ".join((*IMAGE_SUFFIXES, ZARR_SUFFIX))
    if is_folder:
        return f"{path} holds no images ({kinds}), outputs of batches apart"
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - as in `match_images`
    if any(os.path.isfile(match) for match in matches):  # noqa: PTH113 - texts
        return (
            f"what matches {path} is no image ({kinds}) or the output of a batch: name "
            "a file itself to have it taken whatever its suffix"
        )
    if matches:
        return f"only folders match {path}: add /**/* to take the images in them"
    literal = str(path).replace("[", "[[]")
    if glob.glob(literal, recursive=True):  # noqa: PTH207 - as in `match_images`
        return (
            f"nothing matches {path}: brackets stand for one of the characters in "
            f"them; for a name with brackets write {literal}"
        )
    return f"nothing matches {path}: check the pattern and put it in quotes"


def _holds_outputs(folder: Path) -> bool:
    return file_kind(folder / JOURNAL_NAME) == "file"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def walk_images(
    folder: Path, leave_out: Path, above: tuple[Path, ...] = ()
) -> Iterator[Found]:
    """Images below a folder, by name; links are followed, but not in circles.

    Folders in it that hold the outputs of a batch are left out.
    """
    real = folder.resolve()
    if real in above:
        yield Found(folder, _CIRCLE.format(folder))
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        yield Found(folder, explain_fault(folder, error))
        return
    for path in paths:
        if path.name.startswith("."):
            continue
        try:
            kind = file_kind(path)
            within = kind == "folder" and not is_zarr(path)
            if within and (path.resolve() == leave_out or _holds_outputs(path)):
                continue
        except OSError as error:
            yield Found(path, explain_fault(path, error))
            continue
        if within:
            yield from walk_images(path, leave_out, (*above, real))
        elif kind == "folder" or _is_image(path):
            yield Found(path, NO_FILE.format(path) if kind == "other" else "")


def fixed_folder(pattern: str) -> Path:
    """The folders of a pattern before its first wildcard."""
    parts = Path(pattern).parts
    return Path(*parts[: _first_wildcard(parts)])


def _first_wildcard(parts: tuple[str, ...]) -> int:
    return next(i for i, part in enumerate(parts) if glob.has_magic(part))


def match_images(pattern: str, leave_out: Path) -> Iterator[Found]:
    """Images that match a pattern with wildcards, by name, and none within a zarr."""
    # outputs of an earlier run are no inputs, where the pattern reaches them
    fixed = fixed_folder(pattern)
    reaches = not fixed.resolve().is_relative_to(leave_out)
    yield from _locked_folders(pattern)
    known: dict[Path, Path] = {}
    circles: set[Path] = set()
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(match)
        circle = _first_circle(path, fixed, known)
        if circle is not None:
            if circle not in circles:
                circles.add(circle)
                yield Found(circle, _CIRCLE.format(circle))
            continue
        try:
            if any(is_zarr(p) for p in path.parents if p != Path()):
                continue
            below = [p for p in path.parents if p != fixed and p.is_relative_to(fixed)]
            if any(_holds_outputs(p) for p in below):
                continue
            taken = is_zarr(path) or (_is_image(path) and file_kind(path) == "file")
        except OSError as error:
            yield Found(path, explain_fault(path, error))
            continue
        if taken and not (reaches and path.resolve().is_relative_to(leave_out)):
            yield Found(path)


def _first_circle(path: Path, fixed: Path, known: dict[Path, Path]) -> Path | None:
    """The first folder on the way to a path that lies in itself, by a link.

    `known` keeps what folders really are: looking takes its time.
    """
    above: set[Path] = set()
    for folder in reversed(path.parents):
        if not folder.is_relative_to(fixed):
            continue
        if folder not in known:
            known[folder] = folder.resolve()
        if known[folder] in above:
            return folder
        above.add(known[folder])
    return None


def _locked_folders(pattern: str) -> Iterator[Found]:
    """Folders that a pattern reaches and may not list; `glob` passes over them."""
    parts = Path(pattern).parts
    seen: set[Path] = set()
    for stop in range(_first_wildcard(parts), len(parts)):
        folders = f"{Path(*parts[:stop])}/"  # the slash: no files
        for match in sorted(glob.glob(folders, recursive=True)):  # noqa: PTH207 - as in `match_images`
            path = Path(match)
            if path in seen:
                continue
            seen.add(path)
            try:
                os.scandir(path).close()
            except OSError as error:
                yield Found(path, explain_fault(path, error))

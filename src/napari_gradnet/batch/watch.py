"""Files that arrive while a batch runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gradnet.batch.inputs import make_task
from napari_gradnet.batch.search import walk_images
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gradnet.batch.inputs import AnyPath, Task
    from napari_gradnet.batch.options import BatchOptions

__all__ = ["iter_arrivals", "watched_folders"]

#: Seconds between two looks at the folders.
_LOOK_SECONDS = 1.0


def watched_folders(inputs: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """Check what is to be watched.

    Raises
    ------
    InputError
        It is no folder.
    """
    names = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    folders = [Path(name).expanduser() for name in names]
    for folder in folders:
        if not folder.is_dir():
            msg = f"{folder} is no folder: only folders can be watched"
            raise InputError(msg)
    return folders


def iter_arrivals(
    folders: Sequence[Path],
    output: Path,
    options: BatchOptions,
    settle_seconds: float,
) -> Iterator[Task | None]:
    """Find files that are there or arrive, each once, without end.

    A file is handed out when its size and its time of change have been the same for
    `settle_seconds` (of an OME-Zarr, those of all its files), or if it changes again.

    Parameters
    ----------
    folders : sequence of Path
        Searched with all that is below them.
    output : Path
        The output folder, which is left out.
    options : BatchOptions
        For all files.
    settle_seconds : float
        Seconds without a change.

    Yields
    ------
    Task or None
        None: nothing new for now.
    """
    seen: dict[Path, tuple[tuple[int, ...], float]] = {}
    handed: set[Path] = set()
    looked = -_LOOK_SECONDS
    pace = min(_LOOK_SECONDS, settle_seconds / 2)
    while True:
        if time.monotonic() - looked < pace:
            yield None
            continue
        looked = time.monotonic()
        for folder in folders:
            for path in _images(folder, output):
                if path in handed:
                    continue
                state = _state(path)
                now = time.monotonic()
                before, since = seen.get(path, ((), now))
                if state is None or state != before:
                    seen[path] = (state or (), now)
                elif now - since >= settle_seconds:
                    handed.add(path)
                    del seen[path]
                    yield make_task(path, folder, output, options)
        yield None


def _images(folder: Path, output: Path) -> Iterator[Path]:
    try:
        for found in walk_images(folder, output.resolve()):
            if not found.fault:  # what may not be read now may be later
                yield found.path
    except OSError:  # a network folder that is away for a while
        return


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes while a file is written; None where it cannot be told."""
    try:
        if not path.is_dir():
            one = path.stat()
            return (one.st_size, one.st_mtime_ns) if one.st_size else None
        size = newest = count = 0
        for place, _, names in os.walk(path):
            for name in names:
                one = Path(place, name).stat()
                size += one.st_size
                newest = max(newest, one.st_mtime_ns)
                count += 1
    except OSError:
        return None
    return size, newest, count

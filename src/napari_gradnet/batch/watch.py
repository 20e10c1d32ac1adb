"""Files that arrive while a batch runs."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gradnet.batch.inputs import make_task
from napari_gradnet.batch.search import walk_images
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gradnet.batch.book import Book
    from napari_gradnet.batch.inputs import AnyPath, Task
    from napari_gradnet.batch.options import BatchOptions

__all__ = ["iter_arrivals", "watched_folders"]

#: Seconds between two looks at the folders.
_LOOK_SECONDS = 1.0

#: See `_state`.
_State = tuple[int, ...]


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
    book: Book,
) -> Iterator[Task | None]:
    """Find files that are there or arrive, without end.

    A file is handed out when its size and its time of change have been the same for
    `settle_seconds` (of an OME-Zarr, those of all its files), and again if it changes
    after that, once the work on it is over.

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
    book : Book
        Of the run, which knows what is over.

    Yields
    ------
    Task or None
        None: nothing new for now.
    """
    arrivals = _Arrivals(folders, output, options, settle_seconds, book)
    pace = min(_LOOK_SECONDS, settle_seconds / 2)
    pause, looked = 0.0, time.monotonic()
    while True:
        if time.monotonic() - looked < pause:
            yield None
            continue
        began = time.monotonic()
        ready = arrivals.look()
        looked = time.monotonic()
        # large stores take a while to look through
        pause = max(pace, 4 * (looked - began))
        yield from ready
        yield None


class _Arrivals:
    """What was seen in the watched folders, and what was handed out."""

    def __init__(
        self,
        folders: Sequence[Path],
        output: Path,
        options: BatchOptions,
        settle_seconds: float,
        book: Book,
    ) -> None:
        self._folders = folders
        self._output = output
        self._options = options
        self._settle_seconds = settle_seconds
        self._book = book
        self._seen: dict[Path, tuple[_State, float]] = {}
        #: The state in which a file was handed out, and how often that was done.
        self._handed: dict[Path, tuple[_State, int]] = {}
        self._sources: dict[str, Path] = {}

    def look(self) -> list[Task]:
        """Look once through all folders; what is ready."""
        return [
            self._task(path, folder)
            for folder in self._folders
            for path in _images(folder, self._output)
            if self._is_ready(path)
        ]

    def _is_ready(self, path: Path) -> bool:
        state = _state(path)
        before, times = self._handed.get(path, ((), 0))
        if state is not None and state == before:
            self._seen.pop(path, None)
            return False
        now = time.monotonic()
        last, since = self._seen.get(path, ((), now))
        if state is None or state != last:
            self._seen[path] = (state or (), now)
            return False
        if now - since < self._settle_seconds:
            return False
        if times and sum(r.path == path for r in tuple(self._book.reports)) < times:
            return False  # the work on what it was is not over
        self._handed[path] = (state, times + 1)
        del self._seen[path]
        return True

    def _task(self, path: Path, folder: Path) -> Task:
        task = make_task(path, folder, self._output, self._options)
        other = self._sources.setdefault(os.path.normcase(task.name), path)
        if other != path:
            msg = (
                f"{other} and {path} would both be written to {task.target}: watch "
                "them with one output folder for each"
            )
            # no output of its own, so no name of another's either
            return replace(task, fault=msg, name=str(path))
        return replace(task, fault=self._fault(task))

    def _fault(self, task: Task) -> str:
        """Say why an output must not be written where links may lead it."""
        root = self._output.resolve()
        target = Path(os.path.realpath(task.target))
        for folder in self._folders:
            inputs = folder.resolve()
            below = root != inputs and root.is_relative_to(inputs)
            if target.is_relative_to(inputs) and not (
                below and target.is_relative_to(root)
            ):
                return (
                    f"{task.target} leads into the watched folder {folder}, whose "
                    "files are inputs: choose another output folder"
                )
        if not Path(os.path.realpath(task.target.parent)).is_relative_to(root):
            return f"{task.target} leads out of the output folder: refused"
        return ""


def _images(folder: Path, output: Path) -> Iterator[Path]:
    try:
        for found in walk_images(folder, output.resolve()):
            if not found.fault:  # what may not be read now may be later
                yield found.path
    except OSError:  # a network folder that is away for a while
        return


def _state(path: Path) -> _State | None:
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

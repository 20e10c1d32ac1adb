"""The journal of a batch: what was begun and what is finished, one line each.

It lies in the output folder and is only ever appended to. A line that a crash cut off
is dropped by the next run. One run at a time may use it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from napari_gradnet import __version__
from napari_gradnet.batch.entries import Entries
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from napari_gradnet.batch.entries import Entry
    from napari_gradnet.batch.job import UnitResult

__all__ = ["JOURNAL_NAME", "Journal"]

JOURNAL_NAME = "gradnet-journal.jsonl"
_LOCK_NAME = ".gradnet-journal.lock"
#: Seconds after which lines are brought to the disk, against a power cut. What the
#: program has written survives its own death at once.
_SYNC_SECONDS = 1.0


class Journal:
    """The journal of one output folder, open for appending.

    Parameters
    ----------
    folder : Path
        The output folder; made if missing.

    Raises
    ------
    InputError
        Another run is using it, the file is no journal, or the folder cannot be
        written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        try:
            self._start(folder)
        except OSError as error:
            msg = (
                f"{error.filename or self.path} cannot be written "
                f"({error.strerror or error}): nothing was done; choose an output "
                "folder that you may write to and that has room"
            )
            raise InputError(msg) from error

    def _start(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._folder_lock = FileLock(folder / _LOCK_NAME)
        try:
            self._folder_lock.acquire(timeout=0)
        except Timeout:
            msg = (
                f"another batch is writing to {folder}: wait for its end or choose "
                "another output folder"
            )
            raise InputError(msg) from None
        self._entries = Entries()
        try:
            whole = self._entries.load(self.path)
            self._file = self.path.open("ab", buffering=0)
            self._file.truncate(whole)
        except BaseException:
            self._folder_lock.release()
            raise
        self._synced = time.monotonic()
        if whole == 0:
            try:
                self._append({"gradnet_journal": 1, "version": __version__}, sync=True)
            except BaseException:
                self.close()
                raise

    # ------------------------------------------------------------------- reading
    def entry(self, name: str) -> Entry | None:
        """What is known of an output, by its name in the output folder."""
        return self._entries.get(name)

    def is_in_place(self) -> bool:
        """Whether the file still lies where it was opened.

        Not if the output folder was moved away or its disk unmounted: what is written
        there now would be lost, and folders made again would hide it.
        """
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def check_place(self) -> None:
        """Raise an `OSError` where the file lies there no more, see `is_in_place`."""
        if not self.is_in_place():
            raise FileNotFoundError(
                errno.ENOENT, os.strerror(errno.ENOENT), str(self.path)
            )

    def make_folders(self, folder: Path) -> None:
        """Make a folder below the output folder, but not that one again."""
        root = self.path.parent
        for path in reversed([folder, *folder.parents]):
            if path != root and path.is_relative_to(root):
                path.mkdir(exist_ok=True)

    # ------------------------------------------------------------------- writing
    def _append(self, line: Mapping[str, Any], *, sync: bool = False) -> None:
        data = (json.dumps(line, separators=(",", ":")) + "\n").encode()
        with self._guard:
            self._write(data)
            if sync or time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def _write(self, data: bytes) -> None:
        """Write a whole line or, where the disk is full, nothing of it."""
        start = self._file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(start)
            raise

    def _record(self, line: Mapping[str, Any], *, sync: bool = False) -> None:
        self._append(line, sync=sync)
        self._entries.take(line)

    def start(
        self,
        name: str,
        fingerprint: Mapping[str, Any],
        *,
        source: str = "",
        again: bool = False,
        replaces: bool = False,
    ) -> None:
        """Say that an output is begun, before anything is written for it.

        Parameters
        ----------
        name : str
            Of the output in the output folder.
        fingerprint : mapping
            JSON; what stands under ``input`` is the file's own, the rest is stored once
            for all files that have it in common.
        source : str
            The input, for messages.
        again : bool
            Whether the work goes on, so that the finished units stay.
        replaces : bool
            Whether this batch has made what stands under the output's name.
        """
        plain = json.loads(json.dumps(dict(fingerprint)))
        own = {key: plain.pop(key) for key in ["input"] if key in plain}
        text = json.dumps(plain, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        if digest not in self._entries.shared:
            self._record({"shared": digest, "values": plain})
        line = {
            "file": name,
            "state": "started",
            "options": digest,
            "own": own,
            "source": source,
        }
        flags = {
            key: True for key, on in (("again", again), ("replaces", replaces)) if on
        }
        self._record({**line, **flags})

    def unit(self, name: str, result: UnitResult) -> None:
        """Say that a unit is written; on a full disk it is done again next time."""
        line = {
            "file": name,
            "state": "unit",
            "unit": result.unit,
            "checksum": result.checksum,
            "seconds": round(result.seconds, 4),
        }
        with contextlib.suppress(OSError):
            self._record(line)

    def finishing(self, name: str, *, receipt: str = "") -> None:
        """Say that the output may appear from now on.

        Parameters
        ----------
        name : str
            Of the output.
        receipt : str
            Name of a file that will stand beside it before it does, if there is one.

        Raises
        ------
        OSError
            The disk is full, or the output folder has vanished.
        """
        self.check_place()
        told = {"receipt": receipt} if receipt else {}
        self._record({"file": name, "state": "finishing", **told}, sync=True)

    def done(self, name: str, figures: Mapping[str, Any]) -> None:
        """Say that the output stands under its name.

        On a full disk the next run completes it once more, with the same bytes.

        Parameters
        ----------
        name : str
            Of the output.
        figures : mapping
            JSON, for the reports of later runs.
        """
        with contextlib.suppress(OSError):
            self._record({"file": name, "state": "done", "figures": dict(figures)})

    def failed(self, name: str, error: str) -> None:
        """Say that an output failed; its finished units stay."""
        if name in self._entries:
            with contextlib.suppress(OSError):
                self._record({"file": name, "state": "failed", "error": error})

    def outdate(self, name: str) -> None:
        """Say that all of an output is to be begun anew, now or by the next run."""
        entry = self.entry(name)
        if entry is not None and not entry.outdated:
            entry.outdated = True
            with contextlib.suppress(OSError):  # on a full disk it holds for this run
                self._append({"file": name, "state": "outdated"})

    def forget(self, name: str) -> None:
        """Begin an output anew."""
        self._record({"file": name, "state": "forgotten"})

    def close(self) -> None:
        """Bring all lines to the disk and let go of the folder."""
        with contextlib.suppress(OSError, ValueError):
            os.fsync(self._file.fileno())
        self._file.close()
        self._folder_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

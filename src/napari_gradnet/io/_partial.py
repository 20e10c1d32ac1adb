"""A file that appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from typing import TYPE_CHECKING

from napari_gradnet.errors import FileFormatError, GradNetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PartialFile", "explain_write_error", "short_name", "temporary_path"]

#: Bytes of a name that is kept whole; most file systems take 255, and temporary names
#: are longer than the final ones.
_MOST_BYTES = 120


def short_name(name: str) -> str:
    """Shorten a long file name for temporary names: its beginning and a hash of it.

    Parameters
    ----------
    name : str
        Of a file. Names of up to 120 bytes stay as they are.
    """
    data = os.fsencode(name)
    if len(data) <= _MOST_BYTES:
        return name
    # the cut may go through a character
    start = data[: _MOST_BYTES - 20].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(data).hexdigest()[:16]}"


def temporary_path(path: Path) -> Path:
    """Choose a temporary name beside a file, which tells whose it is."""
    name = f".{short_name(path.name)}.{secrets.token_hex(6)}.part"
    return path.with_name(name)


@contextlib.contextmanager
def explain_write_error(path: Path) -> Iterator[None]:
    """Turn what stops the writing of `path` into a sentence.

    That is the disk, or an encoder that does not take what a damaged input says.

    Raises
    ------
    FileFormatError
        In place of the first error, which stays as its cause.
    """
    try:
        yield
    except (GradNetError, MemoryError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        msg = f"{path} could not be written ({reason}): nothing was stored"
        raise FileFormatError(msg) from error


def _refuse_existing(path: Path) -> FileFormatError:
    return FileFormatError(
        f"{path} already exists: choose another name or allow overwriting"
    )


class PartialFile:
    """A temporary file beside `path`, renamed to it by `commit`.

    Parameters
    ----------
    path : Path
        The final name. A symbolic link is followed, so that its target is replaced.
    source : Path, optional
        The file that is read. Writing onto it is refused even with `overwrite`, by
        whatever name (symbolic or hard link), since it is the user's only original.
    overwrite : bool
        Whether an existing `path` may be replaced.

    Raises
    ------
    FileFormatError
        `path` exists, is a folder, is the input, or its folder cannot be written.
    """

    def __init__(self, path: Path, source: Path | None, *, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        with explain_write_error(path):
            self._check(source)
            self._target = path.resolve()
            folder = self._target.parent
            if not folder.is_dir():
                msg = f"{path}: the folder {folder} does not exist: create it first"
                raise FileFormatError(msg)
            self.temporary = temporary_path(self._target)
            # 0o666 leaves the permissions to the user's umask; mkstemp would not
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            os.close(os.open(self.temporary, flags, 0o666))

    def _check(self, source: Path | None) -> None:
        path = self.path
        if source is not None and path.exists() and path.samefile(source):
            msg = f"{path} is the input {source} itself: choose another output name"
            raise FileFormatError(msg)
        if path.is_dir():
            msg = f"{path} is a folder: name a file in it"
            raise FileFormatError(msg)
        if not self._overwrite and os.path.lexists(path):
            raise _refuse_existing(path)

    def commit(self) -> None:
        """Bring the data to the disk and give the file its final name.

        Raises
        ------
        FileFormatError
            The name was taken in the meantime, or the disk refuses.
        """
        with explain_write_error(self.path):
            with self.temporary.open("rb+") as file:
                os.fsync(file.fileno())
            if self._overwrite:
                self.temporary.replace(self._target)
            else:
                self._rename_without_replacing()
            self._sync_folder()

    def _rename_without_replacing(self) -> None:
        try:
            # unlike a rename, a hard link fails where the name is taken
            os.link(self.temporary, self._target)
        except FileExistsError as error:
            raise _refuse_existing(self.path) from error
        except OSError:  # a file system without hard links
            if os.path.lexists(self._target):
                raise _refuse_existing(self.path) from None
            self.temporary.rename(self._target)
        else:
            self.temporary.unlink()

    def _sync_folder(self) -> None:
        # opening a folder is not possible everywhere (Windows, some network disks)
        with contextlib.suppress(OSError):
            handle = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        with contextlib.suppress(OSError):
            self.temporary.unlink(missing_ok=True)

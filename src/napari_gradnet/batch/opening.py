"""Whether an output may be made: what stands there, what an earlier run left of it."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_gradnet.batch.identity import differences
from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.io import short_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_gradnet.batch.entries import Entry
    from napari_gradnet.batch.inputs import Task
    from napari_gradnet.batch.job import Job
    from napari_gradnet.batch.journal import Journal

__all__ = ["ChangedOptionsError", "Opened", "Opener", "compare"]


class ChangedOptionsError(InputError):
    """An output was begun or made with other options: nothing is done."""


class Opened(NamedTuple):
    """A job that may begin, and what the journal knew of its output."""

    job: Job
    entry: Entry | None


class Opener:
    """Opens outputs one by one, each once.

    Parameters
    ----------
    journal : Journal
        Of the output folder.
    make_job : callable
        Task and whether an existing output may be replaced, to a job.
    overwrite : bool
        Whether existing outputs that the journal does not know are replaced.
    restart : bool
        Whether what the journal knows of these outputs is outdated.
    """

    def __init__(
        self,
        journal: Journal,
        make_job: Callable[[Task, bool], Job],
        *,
        overwrite: bool = False,
        restart: bool = False,
    ) -> None:
        self._journal = journal
        self._make_job = make_job
        self._overwrite = overwrite
        self._restart = restart

    def expect(self, task: Task) -> None:
        """Note that a task will be opened, now or, where the run stops, by the next."""
        if self._restart:
            self._journal.outdate(task.name)

    def open(self, task: Task) -> Opened | None:
        """Open an output that was expected, or None where an earlier run has made it.

        Raises
        ------
        ChangedOptionsError
            The output was begun with other options: the whole run should stop.
        FileFormatError
            The output exists and is none of ours.
        InputError
            The task is at fault, or its input has changed.
        OSError
            The output folder has vanished or takes no files.
        """
        if task.fault:
            raise InputError(task.fault)
        self._journal.check_place()
        entry = self._journal.entry(task.name)
        exists = os.path.lexists(task.target)
        mine = entry is not None and entry.owns(task.target)
        job = self._make_job(task, self._overwrite or mine)
        try:
            fingerprint = dict(job.fingerprint)
            if entry is not None and entry.outdated:  # the input can be read
                _clean_temporaries(task.target)
                self._make_job(task, True).discard()
                entry = None
            if entry is not None:
                compare(task, entry, fingerprint, kept=job.keeps_units)
                if entry.state == "done" and exists:
                    job.close()
                    return None
                _clean_temporaries(task.target)
                # somebody removed the output, or what was unfinished of it
                if entry.state == "done" or not job.keeps_units:
                    entry = None
            if exists and not (self._overwrite or mine):
                msg = (
                    f"{task.target} already exists: choose another output folder or "
                    "allow overwriting"
                )
                raise FileFormatError(msg)
            self._journal.make_folders(task.target.parent)
            self._journal.start(
                task.name,
                fingerprint,
                source=str(task.source.absolute()),
                again=entry is not None,
                replaces=mine and exists,
            )
        except BaseException:
            job.close()
            raise
        return Opened(job, entry)


def compare(
    task: Task, entry: Entry, fingerprint: Mapping[str, Any], *, kept: bool = True
) -> None:
    """Compare what a task would do with what an earlier run did.

    Parameters
    ----------
    task : Task
        The file.
    entry : Entry
        What the journal tells of the earlier run.
    fingerprint : mapping
        What results depend on, now.
    kept : bool
        Whether anything that is unfinished was kept.

    Raises
    ------
    ChangedOptionsError
        It was done with other options.
    InputError
        The input is another one.
    """
    changed = differences(entry.fingerprint, fingerprint)
    if entry.state == "done" or not kept:  # no output would be of two versions
        changed.pop("version", None)
    ours = entry.owns(task.target) and os.path.lexists(task.target)
    nothing = entry.state != "done" and not kept and not ours
    if nothing or not changed:
        return
    state = "made" if entry.state == "done" else "begun"
    others = {n: how for n, how in changed.items() if not n.startswith("input")}
    if others:
        listed = "; ".join(f"{n} {how}" for n, how in list(others.items())[:3])
        msg = (
            f"{task.target} was {state} with other options ({listed}): set them "
            "back, choose another output folder, or begin anew (--restart)"
        )
        raise ChangedOptionsError(msg)
    source = str(task.source.absolute())
    if entry.source and entry.source != source:
        msg = (
            f"{task.target} was {state} from {entry.source}, not from {source}: "
            "choose another output folder for this one"
        )
        raise InputError(msg)
    name, how = next(iter(changed.items()))
    msg = (
        f"{task.source} has changed since {task.target} was {state} ({name} {how}):"
        " begin it anew (--restart) or choose another output folder"
    )
    raise InputError(msg)


def _clean_temporaries(output: Path) -> None:
    """Remove what a killed run left beside an output under a temporary name."""
    pattern = re.compile(
        re.escape(f".{short_name(output.name)}.") + r"[0-9a-f]{12}\.part"
    )
    with contextlib.suppress(OSError):
        for path in output.parent.iterdir():
            if pattern.fullmatch(path.name):
                path.unlink(missing_ok=True)

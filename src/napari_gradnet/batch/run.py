"""Run a batch: inputs to jobs, jobs to an engine, and the report at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.book import Book
from napari_gradnet.batch.failures import explain_failure
from napari_gradnet.batch.identity import differences
from napari_gradnet.batch.image import ImageJob
from napari_gradnet.batch.inputs import Task, find_tasks
from napari_gradnet.batch.journal import Journal
from napari_gradnet.batch.opening import Opener
from napari_gradnet.batch.options import BatchOptions, make_operation
from napari_gradnet.batch.report import reserve_room, write_report
from napari_gradnet.batch.watch import iter_arrivals, watched_folders
from napari_gradnet.errors import ConfigError, GradNetError, InputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from napari_gradnet.batch.events import BatchReport, FileEvent
    from napari_gradnet.batch.inputs import AnyPath
    from napari_gradnet.batch.job import Job
    from napari_gradnet.io.volumes import ZarrLayout

__all__ = [
    "auto_workers",
    "checked_workers",
    "iter_batch",
    "make_job",
    "make_layout",
    "num_processors",
]

logger = logging.getLogger(__name__)

#: Memory that one worker may need, bytes: tiles, planes in the queues, codecs.
_WORKER_MEMORY = 3 << 29
_GPU_WORKERS = 2


def make_job(task: Task, overwrite: bool, *, leads: bool = False) -> Job:
    """Make the job of a task.

    Parameters
    ----------
    task : Task
        An input with its options.
    overwrite : bool
        Whether an existing output is replaced.
    leads : bool
        See `make_operation`.
    """
    options = task.options
    operation = make_operation(options, leads=leads)
    measure = options.gradient is None
    source, target = task.source, task.target
    if leads:  # workers may have been started in another folder
        source, target = source.absolute(), target.absolute()
    if not (task.is_zarr or options.format == "ome-zarr"):
        return ImageJob(
            source,
            target,
            operation,
            axes=options.axes,
            overwrite=overwrite,
            measure_noise=measure,
        )
    from napari_gradnet.batch.volume import VolumeJob

    return VolumeJob(
        source,
        target,
        operation,
        layout=make_layout(options),
        axes=options.axes,
        overwrite=overwrite,
        measure_noise=measure,
    )


def make_layout(options: BatchOptions) -> ZarrLayout:
    """How OME-Zarr outputs are stored."""
    from napari_gradnet.io.volumes import ZarrLayout

    try:
        return ZarrLayout(**options.zarr)
    except TypeError as error:
        msg = f"zarr={options.zarr}: {error}"
        raise ConfigError(msg) from error


def auto_workers(tasks: Sequence[Task]) -> int:
    """Choose how many threads compute: processors and memory, or two for a GPU."""
    device = "cpu"
    network = next((t.options for t in tasks if t.options.uses_network), None)
    if network is not None:
        from napari_gradnet.inference.device import resolve_device

        device = resolve_device(network.device).type
    if device != "cpu":
        return _GPU_WORKERS
    import psutil

    fitting = psutil.virtual_memory().available // _WORKER_MEMORY
    return max(1, min(num_processors(), fitting))


def num_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_workers(workers: int | str, tasks: Sequence[Task]) -> int:
    """Turn ``auto`` into a number of workers, see `auto_workers`.

    Raises
    ------
    InputError
        It is no number of at least 1.
    """
    if workers == "auto":
        return auto_workers(tasks)
    if not isinstance(workers, int) or workers < 1:
        msg = f"workers={workers!r}: give a number of at least 1, or 'auto'"
        raise InputError(msg)
    return workers


def iter_batch(  # noqa: PLR0913 - the options of the public function
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    options: BatchOptions,
    *,
    workers: int | str = "auto",
    scheduler: Any = None,
    local_cluster: int | None = None,
    overwrite: bool = False,
    restart: bool = False,
    watch: bool = False,
    settle_seconds: float = 5.0,
) -> Generator[FileEvent, None, BatchReport]:
    """Do the work of `api.denoise_files` as a generator; see there.

    Closing it cancels within one plane or block; what is finished is kept.
    """
    folder = Path(output).expanduser()
    if watch:
        watched, found = watched_folders(inputs), []
    else:
        watched, found = [], find_tasks(inputs, folder, options)
    # what arrives later has the same options
    expected = [Task(folder, folder, "", options)] if watch else found
    for task in {id(t.options): t for t in expected}.values():
        make_operation(task.options)  # a wrong option fails before all work
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(Journal(folder))
        is_cluster = scheduler is not None or local_cluster is not None
        make = functools.partial(make_job, leads=is_cluster)
        opener = Opener(journal, make, overwrite=overwrite, restart=restart)
        book = Book(journal, opener)
        tasks: Iterable[Task | None] = found
        if watch:
            tasks = iter_arrivals(watched, folder, options, settle_seconds, book)
        if is_cluster:
            from napari_gradnet.batch.cluster import ClusterEngine
            from napari_gradnet.batch.connect import connect

            client = stack.enter_context(connect(scheduler, local_cluster))
            engine: Any = ClusterEngine(client)
        else:
            from napari_gradnet.batch.local import LocalEngine

            count = checked_workers(workers, expected)
            engine = LocalEngine(count, threads=max(1, num_processors() // count))
        report: BatchReport | None = None
        try:
            reserve_room(folder, len(found))
            for task in found:
                book.queue(task)
            yield from engine.iter_run(_queued(tasks, found, book), book)
        finally:
            report = book.summary(engine.workers, engine.utilisation)
            try:
                write_report(report, folder)
            except OSError as error:  # what the run did is the more important
                message = f"no report could be written: {explain_failure(error)}"
                report = dataclasses.replace(report, message=message)
                logger.warning("%s", message)
        return report


def _queued(
    tasks: Iterable[Task | None], found: Sequence[Task], book: Book
) -> Iterator[Task | None]:
    """Take what arrives later into the book."""
    known = set(map(id, found))
    for task in tasks:
        if task is not None and id(task) not in known:
            _forget_failed(task, book.journal)
            book.queue(task)
        yield task


def _forget_failed(task: Task, journal: Journal) -> None:
    """Begin anew what failed and has changed, perhaps since it was not whole."""
    entry = journal.entry(task.name)
    if entry is None or entry.state != "failed" or task.fault:
        return
    if entry.owns(task.target) or entry.source not in ("", str(task.source.absolute())):
        return
    with contextlib.suppress(GradNetError, OSError):  # told when the file is begun
        job = make_job(task, True, leads=True)  # it does no work
        now = dict(job.fingerprint)
        if differences(entry.fingerprint.get("input", {}), now["input"]):
            journal.forget(task.name)
            job.discard()
        else:
            job.close()

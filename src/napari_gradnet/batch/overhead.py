"""What engines cost by themselves: units that only wait."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.book import Book
from napari_gradnet.batch.inputs import Task
from napari_gradnet.batch.journal import Journal
from napari_gradnet.batch.opening import Opener
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.simulated import SimulatedJob

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OverheadRow", "iter_overhead"]


@dataclass(frozen=True)
class OverheadRow:
    """What an engine costs with work that only waits.

    Parameters
    ----------
    engine : str
    workers : int
    units : int
    unit_seconds : float
        That each unit waits.
    seconds : float
        Of all.
    milliseconds_a_unit : float
        Beyond the waiting, spread over the workers.
    speedup : float or None
        Over one worker.
    """

    engine: str
    workers: int
    units: int
    unit_seconds: float
    seconds: float
    milliseconds_a_unit: float
    speedup: float | None


def iter_overhead(
    *,
    units: int = 2000,
    unit_seconds: float = 0.05,
    most_workers: int = 4,
    folder: Path | None = None,
) -> Iterator[OverheadRow]:
    """Measure engines with simulated units, which wait instead of computing.

    Parameters
    ----------
    units : int
        Units without any waiting, for the overhead of one.
    unit_seconds : float
        That each unit waits where the scaling with workers is measured.
    most_workers : int
        Clusters of 1, 2, 4, ... processes up to this many.
    folder : Path, optional
        For the journal.

    Yields
    ------
    OverheadRow
    """
    from napari_gradnet.batch.cluster import ClusterEngine
    from napari_gradnet.batch.connect import connect
    from napari_gradnet.batch.local import LocalEngine

    place = Path(tempfile.mkdtemp(prefix="gradnet-benchmark-", dir=folder))
    try:
        seconds = _simulate(LocalEngine(2), place, units, 0.0)
        yield _overhead("one machine", 2, units, 0.0, seconds, None)
        alone: float | None = None
        count = 1
        while count <= most_workers:
            with connect(None, count) as client:
                _simulate(ClusterEngine(client), place, 20, 0.0)
                if count == 1:
                    seconds = _simulate(ClusterEngine(client), place, units, 0.0)
                    yield _overhead("dask", 1, units, 0.0, seconds, None)
                number = 60 * count
                seconds = _simulate(ClusterEngine(client), place, number, unit_seconds)
                rate = number / seconds
                alone = alone or rate
                yield _overhead(
                    "dask", count, number, unit_seconds, seconds, rate / alone
                )
            count *= 2
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _overhead(
    engine: str,
    workers: int,
    units: int,
    unit_seconds: float,
    seconds: float,
    speedup: float | None,
) -> OverheadRow:
    beyond = seconds - units * unit_seconds / workers
    return OverheadRow(
        engine,
        workers,
        units,
        unit_seconds,
        seconds,
        1e3 * beyond / units,
        speedup,
    )


def _simulate(engine: Any, place: Path, units: int, unit_seconds: float) -> float:
    """Seconds that a volume of simulated units takes."""
    folder = Path(tempfile.mkdtemp(dir=place))
    task = Task(folder / "in", folder / "out", "out", BatchOptions(naive="median"))
    job = SimulatedJob("in", task.target, units, seconds=unit_seconds)
    with Journal(folder) as journal:
        book = Book(journal, Opener(journal, lambda _task, _overwrite: job))
        book.queue(task)
        began = time.perf_counter()
        for _ in engine.iter_run(iter([task]), book):
            pass
        return time.perf_counter() - began

"""What runs on the workers of a cluster: units of jobs, and small files as a whole."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gradnet.batch.job import UnitResult
from napari_gradnet.io import explain_write_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gradnet.batch.job import Job

__all__ = ["Whole", "run_units", "run_whole"]

#: Opened jobs that a worker keeps.
_KEPT_JOBS = 4


class _JobCache:
    """Jobs that this worker process has open, the last few."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def get(self, key: str, pickled: bytes) -> Job:
        """Open a job once; models are loaded once by `inference.models` anyway."""
        with self._guard:
            job = self._jobs.get(key)
            if job is None:
                job = pickle.loads(pickled)  # noqa: S301 - made by this program's `ClusterEngine`
                job.open()
                self._jobs[key] = job
                # those that fall out may be in use; they close with their last user
                while len(self._jobs) > _KEPT_JOBS:
                    self._jobs.popitem(last=False)
            self._jobs.move_to_end(key)
            return job


_cache = _JobCache()


def run_units(
    key: str, pickled: bytes, units: Sequence[str], finished: Mapping[str, str]
) -> tuple[list[UnitResult], BaseException | None]:
    """Run units of a prepared job, up to the first that fails; a task on a worker.

    Those that an earlier run has `finished` are not, where their data are still there.
    """
    results: list[UnitResult] = []
    job = _cache.get(key, pickled)
    for unit in units:
        try:
            results.append(_kept(job, unit, finished.get(unit)) or job.run(unit))
        except Exception as error:  # noqa: BLE001 - the finished ones must not be lost
            return results, error
    try:
        job.sync()
    except OSError as error:
        return [], error
    return results, None


def _kept(job: Job, unit: str, checksum: str | None) -> UnitResult | None:
    """What an earlier run has done of a unit, if that is still there."""
    began = time.perf_counter()
    if checksum is None or not job.holds(unit, checksum):
        return None
    seconds = time.perf_counter() - began
    return UnitResult(unit, seconds, seconds, 0.0, 0.0, 0, checksum)


@dataclass
class Whole:
    """What a worker did of a small file."""

    results: list[UnitResult] = field(default_factory=list)
    noise: tuple[float, float] | None = None
    message: str = ""
    num_values: int = 0


def run_whole(pickled: bytes, receipt: str) -> Whole:
    """Do all of a small file; a task on a worker.

    The file `receipt` stands from just before the output does until the journal knows
    of it: a task that is lost meanwhile and runs again may replace what it wrote, and
    nothing else.
    """
    job: Job = pickle.loads(pickled)  # noqa: S301 - made by this program's `ClusterEngine`
    done = Whole()
    written = Path(receipt)
    try:
        if written.exists():
            job.overwrite = True  # type: ignore[attr-defined]
        job.prepare()
        for stage in job.stages:
            done.results += [job.run(unit) for unit in stage]
        done.noise = job.noise()
        done.num_values = job.num_values
        with explain_write_error(written):
            written.touch()
        done.message = job.finish()
    except BaseException:
        with contextlib.suppress(OSError):
            written.unlink(missing_ok=True)
        job.discard()
        raise
    job.close()
    return done

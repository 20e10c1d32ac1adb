"""What a batch would do, and how long it may take."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.axes import ImageAxes
from napari_gradnet.batch.entries import Entries
from napari_gradnet.batch.failures import explain_failure
from napari_gradnet.batch.inputs import find_tasks
from napari_gradnet.batch.journal import JOURNAL_NAME
from napari_gradnet.batch.opening import compare
from napari_gradnet.batch.options import BatchOptions, make_operation
from napari_gradnet.batch.run import checked_workers, make_job, make_layout
from napari_gradnet.batch.volume_samples import RegionReader, as_plane, plane_region
from napari_gradnet.io import check_like, open_image
from napari_gradnet.io.volumes import plan_volume
from napari_gradnet.values import output_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.batch.inputs import AnyPath, Task
    from napari_gradnet.io import ImageSource

__all__ = ["FilePlan", "plan_batch"]

#: Side of the part of a plane that is worked on as a trial, pixels.
_TRIAL_SIDE = 512
_DONE = "done by an earlier run"
_REFUSED = "the output exists and would be refused: allow overwriting"


@dataclass(frozen=True)
class FilePlan:
    """What would be done with one file.

    Parameters
    ----------
    path, output : Path
    axes : str
        Empty where the file cannot be read.
    shape : tuple of int
    dtype : str
    megapixels : float
        Values, in millions.
    seconds : float or None
        It may take, with the others beside it; None where there was no trial.
    message : str
        Why it cannot be done, or what stands under the output's name already.
    would_fail : bool
        Whether the run would report it as failed.
    """

    path: Path
    output: Path
    axes: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    megapixels: float = 0.0
    seconds: float | None = None
    message: str = ""
    would_fail: bool = False


def plan_batch(
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    options: BatchOptions,
    *,
    workers: int | str = "auto",
    overwrite: bool = False,
    restart: bool = False,
) -> list[FilePlan]:
    """Open all inputs' headers and time one trial for each set of options."""
    folder = Path(output).expanduser()
    tasks = find_tasks(inputs, folder, options)
    entries = Entries()
    entries.load(folder / JOURNAL_NAME)
    count = checked_workers(workers, tasks)
    rates: dict[str, float] = {}
    plans = []
    for task in tasks:
        if task.fault:
            plans.append(_failing(task, task.fault))
            continue
        key = task.options.model_dump_json()
        try:
            standing = _standing(task, entries, overwrite, restart)
            with open_image(task.source, axes=task.options.axes) as image:
                _check_output(task, image)
                values = image.nbytes // image.dtype.itemsize
                if key not in rates:
                    rates[key] = _values_a_second(task, image)
                plans.append(
                    FilePlan(
                        task.source,
                        task.target,
                        image.axes.axes,
                        image.shape,
                        image.dtype.name,
                        values / 1e6,
                        (
                            0.0
                            if standing in (_DONE, _REFUSED)
                            else values / rates[key] / count
                        ),
                        standing,
                        standing == _REFUSED,
                    )
                )
        except Exception as error:  # noqa: BLE001 - told in the plan
            plans.append(_failing(task, explain_failure(error)))
    return plans


def _failing(task: Task, message: str) -> FilePlan:
    return FilePlan(task.source, task.target, message=message, would_fail=True)


def _check_output(task: Task, image: ImageSource) -> None:
    """Raise what would stop the run when the output is begun."""
    wanted = "float32" if task.options.gradient is not None else task.options.dtype
    dtype = output_dtype(wanted, image.dtype)
    if task.options.format == "same" and not task.is_zarr:
        check_like(image, task.target, dtype=dtype)
    else:
        plan_volume(image, dtype, make_layout(task.options), {})


def _standing(task: Task, entries: Entries, overwrite: bool, restart: bool) -> str:
    """Say what stands under the output's name; raise what would stop the run."""
    exists = os.path.lexists(task.target)
    entry = entries.get(task.name)
    mine = entry is not None and entry.owns(task.target)
    if exists and not overwrite and not mine:
        return _REFUSED
    anew = entry is None or restart or entry.outdated
    if entry is None or anew or (entry.state == "done" and not exists):
        return "the output exists and would be replaced" if exists else ""
    job = make_job(task, True, leads=True)  # it does no work
    try:
        compare(task, entry, job.fingerprint, kept=job.keeps_units)
    finally:
        job.close()
    return _DONE if entry.state == "done" else "begun by an earlier run"


def _values_a_second(task: Task, image: ImageSource) -> float:
    """Time the operation on the middle of the first plane; the second pass counts."""
    window = [
        slice(max(0, (size - _TRIAL_SIDE) // 2), min(size, (size + _TRIAL_SIDE) // 2))
        for size in image.axes.plane_shape[:2]
    ]
    block = RegionReader(image)(plane_region(image.axes, 0, *window))
    part = np.ascontiguousarray(as_plane(image.axes, block))
    axes = ImageAxes(image.axes.plane_axes, part.shape)
    operation = make_operation(task.options)
    state = json.loads(json.dumps(operation.settle(axes, part.dtype, {0: [part]})))
    work = operation.bind(axes, part.dtype, state)
    work.apply(part[:64, :64], 0)  # what is loaded at the first use
    began = time.perf_counter()
    work.apply(part, 0)
    return part.size / max(time.perf_counter() - began, 1e-9)

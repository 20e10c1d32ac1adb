"""What a batch costs beside the bare network, and what engines cost by themselves."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.batch.book import Book
from napari_gradnet.batch.inputs import Task
from napari_gradnet.batch.journal import Journal
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.run import checked_workers, iter_batch
from napari_gradnet.batch.simulated import SimulatedJob
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import drain
from napari_gradnet.inference.memory import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_gradnet.batch.events import BatchReport
    from napari_gradnet.inference.models import Model

__all__ = ["BatchSpeedRow", "OverheadRow", "iter_batch_speed", "iter_overhead"]

#: Different images among the files; the others are copies.
_NUM_IMAGES = 8
_BARE_SECONDS = 5.0


@dataclass(frozen=True)
class BatchSpeedRow:
    """Speed of one way to do the work.

    Parameters
    ----------
    what : str
    megapixels : float
    seconds : float
        From the first byte read to the last one written.
    megapixels_per_second : float
    fraction : float
        Of the bare network's rate.
    utilisation : float or None
        See `BatchReport`.
    peak_megabytes : float
        Largest memory of this process and its children, beyond what it had before.
    """

    what: str
    megapixels: float
    seconds: float
    megapixels_per_second: float
    fraction: float
    utilisation: float | None
    peak_megabytes: float


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


def iter_batch_speed(  # noqa: PLR0913 - one option a line, all but one by name
    model: str = "dn-resnet-13-gray",
    *,
    num_files: int = 200,
    size: int = 1024,
    num_planes: int = 32,
    workers: int | str = "auto",
    distributed: int = 2,
    device: str = "auto",
    vst: bool | str = "auto",
    folder: Path | None = None,
) -> Iterator[BatchSpeedRow]:
    """Measure files and a volume, one by one and as a batch, here and distributed.

    Parameters
    ----------
    model : str
        Name or file of a grey model.
    num_files : int
        TIFFs of uint16, one plane each.
    size : int
        Side of a plane, pixels.
    num_planes : int
        Planes of the OME-Zarr volume; 0 for none.
    workers : int or "auto"
        Of the batch on this machine.
    distributed : int
        Processes of the dask cluster; 0 for none.
    device : str
        See `api.denoise`.
    vst : bool or "auto"
        See `api.denoise`.
    folder : Path, optional
        Where inputs and outputs are made, in a folder that is removed at the end.

    Yields
    ------
    BatchSpeedRow
        The first one is the bare network.

    Raises
    ------
    GradNetError
        A file could not be denoised.
    """
    from napari_gradnet.inference.models import open_model

    opened = open_model(model, device=device)
    options = BatchOptions.parse({"model": model, "device": device, "vst": vst})
    count = checked_workers(workers, [Task(Path(), Path(), "", options)])
    place = Path(tempfile.mkdtemp(prefix="gradnet-benchmark-", dir=folder))
    try:
        files = _write_files(place / "files", num_files, size)
        bare = _bare_rate(opened, size, count)
        yield BatchSpeedRow("bare network", bare[0], bare[1], bare[2], 1.0, None, 0.0)
        seconds, peak = _timed(lambda: _one_by_one(files, place / "single", options))
        # the machine's speed drifts: the bare rate is taken anew beside each row
        megapixels = num_files * size * size / 1e6
        yield _row("file by file", megapixels, seconds, bare[2], None, peak)
        cases: list[tuple[str, Path, dict[str, Any]]] = [
            (f"batch, {count} workers", place / "files", {"workers": count})
        ]
        there, cluster = f"{distributed} distributed", {"local_cluster": distributed}
        if distributed:
            cases.append((f"batch, {there}", place / "files", cluster))
        if num_planes:
            volume = _write_volume(place, num_planes, size)
            name = f"volume of {num_planes} planes"
            cases.append((f"{name}, {count} workers", volume, {"workers": count}))
            if distributed:
                cases.append((f"{name}, {there}", volume, cluster))
        for number, (what, source, how) in enumerate(cases):
            now = _bare_rate(opened, size, count)[2]
            yield _batch_row(what, source, place / f"out {number}", options, how, now)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _row(
    what: str,
    megapixels: float,
    seconds: float,
    bare: float,
    utilisation: float | None,
    peak: float,
) -> BatchSpeedRow:
    rate = megapixels / seconds
    return BatchSpeedRow(
        what, megapixels, seconds, rate, rate / bare, utilisation, peak
    )


def _batch_row(
    what: str,
    source: Path,
    output: Path,
    options: BatchOptions,
    how: dict[str, Any],
    bare: float,
) -> BatchSpeedRow:
    reports: list[BatchReport] = []
    seconds, peak = _timed(
        lambda: reports.append(drain(iter_batch(source, output, options, **how)))
    )
    report = reports[0]
    if report.failed:
        raise GradNetError(report.failed[0].message)
    # a cluster's start is no part of the work
    seconds = min(seconds, report.seconds)
    return _row(what, report.megapixels, seconds, bare, report.utilisation, peak)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and peak memory of some work."""
    with PeakMemory(with_children=True) as memory:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    return seconds, memory.growth


def _write_files(folder: Path, count: int, size: int) -> list[Path]:
    import tifffile

    folder.mkdir()
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    light = 400 + 300 * np.sin(20 * rows) * np.cos(31 * columns)
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:04d}.tif")
        if number < _NUM_IMAGES:
            tifffile.imwrite(paths[-1], rng.poisson(light).astype(np.uint16))
        else:
            shutil.copyfile(paths[number % _NUM_IMAGES], paths[-1])
    return paths


def _write_volume(place: Path, count: int, size: int) -> Path:
    """Make an OME-Zarr of stacked planes: a batch that hardly changes a stack."""
    import tifffile

    stack = place / "stack.tif"
    rng = np.random.default_rng(1)
    with tifffile.TiffWriter(stack) as writer:
        for _ in range(count):
            plane = rng.poisson(500, (size, size)).astype(np.uint16)
            writer.write(plane, contiguous=True)
    options = BatchOptions(naive="gaussian", sigma=1e-3, axes="ZYX", format="ome-zarr")
    drain(iter_batch(stack, place / "volume", options))
    return place / "volume" / "stack.ome.zarr"


def _one_by_one(files: list[Path], output: Path, options: BatchOptions) -> None:
    """What a loop over `api.denoise_file` does."""
    from napari_gradnet.inference.files import iter_denoise_file
    from napari_gradnet.inference.options import StackOptions

    output.mkdir()
    for path in files:
        drain(
            iter_denoise_file(
                path,
                output / path.name,
                options.model,
                device=options.device,
                options=StackOptions(vst=options.vst),
            )
        )


def _bare_rate(model: Model, size: int, copies: int) -> tuple[float, float, float]:
    """The network's forward passes alone: megapixels, seconds and their ratio.

    The better of one copy with all of torch's threads and of `copies` copies with their
    share of them, so that a batch is compared with what the device can do.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        one = _passes(model, size, 1, threads)
        if model.device.type != "cpu" or copies == 1:
            return one
        several = _passes(model, size, copies, max(1, threads // copies))
    finally:
        torch.set_num_threads(threads)
    return max(one, several, key=lambda rate: rate[2])


def _passes(
    model: Model, size: int, copies: int, threads: int
) -> tuple[float, float, float]:
    import copy

    import torch

    tensor = torch.rand(1, model.header.channels, size, size, device=model.device)
    tensor = tensor.contiguous(memory_format=torch.channels_last)
    helper = tensor if model.pipeline.needs_guide else None
    done: list[int] = []
    end = [0.0]
    ready = threading.Barrier(copies)

    def work() -> None:
        torch.set_num_threads(threads)
        pipeline = copy.deepcopy(model.pipeline)
        with (
            torch.inference_mode(),
            torch.autocast(
                model.device.type, model.dtype, enabled=model.dtype != torch.float32
            ),
        ):
            pipeline(tensor, helper)
            ready.wait()
            end[0] = end[0] or time.perf_counter() + _BARE_SECONDS
            while time.perf_counter() < end[0] or not done:
                pipeline(tensor, helper).float().cpu()
                done.append(1)

    pool = [threading.Thread(target=work) for _ in range(copies)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    # from the barrier on: loading and the first pass are left out
    seconds = time.perf_counter() - (end[0] - _BARE_SECONDS)
    megapixels = len(done) * size * size / 1e6
    return megapixels, seconds, megapixels / seconds


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
    from napari_gradnet.batch.cluster import ClusterEngine, connect
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
        book = Book(journal, lambda _task, _overwrite: job)
        book.queue(task)
        began = time.perf_counter()
        for _ in engine.iter_run(iter([task]), book):
            pass
        return time.perf_counter() - began

"""What a batch costs beside the bare network, from disk to disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.batch.bare_speed import measure_bare
from napari_gradnet.batch.inputs import Task
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.overhead import OverheadRow, iter_overhead
from napari_gradnet.batch.run import checked_workers, iter_batch, num_processors
from napari_gradnet.errors import GradNetError, InputError
from napari_gradnet.events import drain
from napari_gradnet.inference.memory import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BatchSpeedRow", "OverheadRow", "iter_batch_speed", "iter_overhead"]

#: Different images among the files; the others are copies.
_NUM_IMAGES = 8


@dataclass(frozen=True)
class BatchSpeedRow:
    """Speed of one way to do the work.

    Parameters
    ----------
    what : str
    megapixels : float
    seconds : float
        From the first byte read to the last one that is on the disk.
    megapixels_per_second : float
    fraction : float
        Of the rate of the bare network with as many threads, measured just before.
    utilisation : float or None
        See `BatchReport`.
    peak_megabytes : float
        Largest resident memory of this process and its children together.
    """

    what: str
    megapixels: float
    seconds: float
    megapixels_per_second: float
    fraction: float
    utilisation: float | None
    peak_megabytes: float


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

    Outputs are on the disk before the clock stops, as always; inputs are taken out of
    the system's cache before each measurement, where the system lets that be asked.

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
    InputError
        A number of planes or processes is negative.
    GradNetError
        A file could not be denoised.
    """
    for name, number in {"num_planes": num_planes, "distributed": distributed}.items():
        if number < 0:
            msg = f"{name}={number} must be at least 0, which stands for none"
            raise InputError(msg)
    options = BatchOptions.parse({"model": model, "device": device, "vst": vst})
    count = checked_workers(workers, [Task(Path(), Path(), "", options)])
    place = Path(tempfile.mkdtemp(prefix="gradnet-benchmark-", dir=folder))
    try:
        files = _write_files(place / "files", num_files, size)
        volume = _write_volume(place, num_planes, size) if num_planes else None
        yield from _Bench(place, options, size, files, volume).iter_rows(
            count, distributed
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


class _Bench:
    """The inputs, and what is measured with them."""

    def __init__(
        self,
        place: Path,
        options: BatchOptions,
        size: int,
        files: list[Path],
        volume: Path | None,
    ) -> None:
        from napari_gradnet.inference.models import open_model

        self.place = place
        self.options = options
        self.size = size
        self.files = files
        self.model = open_model(options.model, device=options.device)
        self.inputs = [("batch", files[0].parent)]
        if volume is not None:
            self.inputs.append(("volume", volume))
        self._outputs = 0

    def iter_rows(self, count: int, distributed: int) -> Iterator[BatchSpeedRow]:
        """Measure everything."""
        import torch

        processors = num_processors()
        here = [(1, processors), (count, max(1, processors // count))]
        before = torch.get_num_threads()
        torch.set_num_threads(processors)  # for file by file, as a batch has them
        try:
            with PeakMemory(with_children=True) as memory:
                bare = measure_bare(self.model, self.size, here)
            rate, peak = bare.megapixels_per_second, memory.megabytes
            yield _row("bare network", bare.megapixels, bare.seconds, rate, None, peak)
            alone = self._one_by_one(here)
            yield alone
            for what, source in self.inputs:
                name = f"{what}, {count} workers"
                row = self._batch(name, source, here, {"workers": count})
                if source == self.files[0].parent:
                    gain = row.megapixels_per_second / alone.megapixels_per_second
                    row = replace(row, what=f"{name}: {gain:.2f}x file by file")
                yield row
            if distributed:
                yield from self._iter_distributed(distributed)
        finally:
            torch.set_num_threads(before)

    def _iter_distributed(self, count: int) -> Iterator[BatchSpeedRow]:
        from napari_gradnet.batch.connect import connect

        with connect(None, count) as client:
            # starting processes and loading torch and the model are no part of the work
            client.run(_load, self.options.model, self.options.device)
            ways = [(count, 1)]  # as dask's workers
            for what, source in self.inputs:
                name = f"{what}, {count} distributed"
                yield self._batch(name, source, ways, {"scheduler": client})

    def _one_by_one(self, ways: list[tuple[int, int]]) -> BatchSpeedRow:
        """What a loop over `api.denoise_file` does."""
        from napari_gradnet.inference.files import iter_denoise_file
        from napari_gradnet.inference.options import StackOptions

        output = self.place / "single"
        output.mkdir()
        rate = measure_bare(self.model, self.size, ways).megapixels_per_second
        _forget_cached(self.files[0].parent)
        with PeakMemory(with_children=True) as memory:
            began = time.perf_counter()
            for path in self.files:
                drain(
                    iter_denoise_file(
                        path,
                        output / path.name,
                        self.options.model,
                        device=self.options.device,
                        options=StackOptions(vst=self.options.vst),
                    )
                )
            seconds = time.perf_counter() - began
        megapixels = len(self.files) * self.size**2 / 1e6
        return _row("file by file", megapixels, seconds, rate, None, memory.megabytes)

    def _batch(
        self,
        what: str,
        source: Path,
        ways: list[tuple[int, int]],
        how: dict[str, Any],
    ) -> BatchSpeedRow:
        # the machine's speed drifts: the bare rate is taken anew beside each row
        rate = measure_bare(self.model, self.size, ways).megapixels_per_second
        self._outputs += 1
        output = self.place / f"out {self._outputs}"
        _forget_cached(source)
        with PeakMemory(with_children=True) as memory:
            began = time.perf_counter()
            report = drain(iter_batch(source, output, self.options, **how))
            seconds = time.perf_counter() - began
        if report.failed:
            raise GradNetError(report.failed[0].message)
        busy = report.utilisation
        return _row(what, report.megapixels, seconds, rate, busy, memory.megabytes)


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


def _forget_cached(source: Path) -> None:
    """Ask the system to drop what it keeps of files, so that the disk is read."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in source.rglob("*"):
        if path.is_file():
            with contextlib.suppress(OSError), path.open("rb") as file:
                os.fsync(file.fileno())  # what is not written yet is not dropped
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _load(model: str, device: str) -> None:
    """Load a model in a worker's process."""
    from napari_gradnet.inference.models import open_model

    open_model(model, device=device)


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
    axes = "ZYX" if count > 1 else "YX"  # a TIFF of one plane has no Z
    options = BatchOptions(naive="gaussian", sigma=1e-3, axes=axes, format="ome-zarr")
    drain(iter_batch(stack, place / "volume", options))
    return place / "volume" / "stack.ome.zarr"

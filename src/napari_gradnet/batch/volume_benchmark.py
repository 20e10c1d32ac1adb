"""How much memory a volume takes that is far larger than it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VolumeRow", "benchmark_volume", "make_sparse_volume"]

#: One plane in so many holds noise, the others are blank and take no room on the disk.
FILLED_EVERY = 50
_CHUNK = 512


@dataclasses.dataclass(frozen=True)
class VolumeRow:
    """What was measured with one operation on one volume.

    Parameters
    ----------
    operation : str
    gigabytes : float
        Size of the volume's full resolution, decoded.
    shape : tuple of int
        Its planes, rows and columns.
    units, total_units : int
        Blocks that were finished, of all of them (levels of the pyramid included).
    seconds : float
        Of the run, the start of its process left out.
    megapixels_per_second : float
        Of the full resolution, read to written.
    hours_for_all : float
        What the whole volume takes at this rate.
    utilisation : float
        Share of the time in which the workers computed.
    start_megabytes, peak_megabytes : float
        Resident memory of the process before the run, and at its most.
    """

    operation: str
    gigabytes: float
    shape: tuple[int, ...]
    units: int
    total_units: int
    seconds: float
    megapixels_per_second: float
    hours_for_all: float
    utilisation: float
    start_megabytes: float
    peak_megabytes: float


def make_sparse_volume(
    path: Path,
    gigabytes: float,
    *,
    side: int = 2048,
    depth: int = 1,
    dtype: str = "uint16",
) -> tuple[int, int, int]:
    """Write an OME-Zarr 0.5 that is large only when it is decoded.

    Parameters
    ----------
    path : Path
        The folder to make.
    gigabytes : float
        Decoded size of the full resolution (10**9 bytes).
    side : int
        Rows and columns, pixels.
    depth : int
        Planes of a chunk.
    dtype : str
        Of the pixels.

    Returns
    -------
    tuple of int
        The shape.
    """
    from napari_gradnet.io.volumes import (
        ZarrLayout,
        ZarrVolume,
        create_volume,
        plan_empty,
    )

    kind = np.dtype(dtype)
    planes = max(1, round(gigabytes * 1e9 / (kind.itemsize * side * side)))
    shape = (planes, side, side)
    chunk = min(_CHUNK, side)
    layout = ZarrLayout(chunks={"Z": depth, "Y": chunk, "X": chunk}, num_levels=3)
    plan = plan_empty("ZYX", shape, kind, layout, path.stem)
    create_volume(path, plan)
    volume = ZarrVolume(path, plan)
    rng = np.random.default_rng(0)
    light = 200 + 3000 * np.linspace(0, 1, side) ** 2  # brighter to the right
    block = rng.normal(light, 30, (depth, side, side)).astype(kind)
    for first in range(0, planes, FILLED_EVERY * depth):
        stop = min(first + depth, planes)
        region = (slice(first, stop), slice(0, side), slice(0, side))
        volume.write(0, region, block[: stop - first])
    return shape


def benchmark_volume(
    folder: Path | None = None,
    *,
    gigabytes: float = 60.0,
    side: int = 2048,
    depth: int = 1,
    dtype: str = "uint16",
    workers: int | str = "auto",
    seconds: float | None = None,
    **operation: Any,
) -> VolumeRow:
    """Work on a large volume in a process of its own, and watch its memory.

    Parameters
    ----------
    folder : Path, optional
        Takes input and output, which are removed at the end; a temporary one if not
        given. Some GB are needed.
    gigabytes, side, depth, dtype
        See `make_sparse_volume`.
    workers : int or "auto"
        See `api.denoise_files`.
    seconds : float, optional
        Stop after so long; the rest is estimated.
    **operation
        Options of `api.denoise_files`, such as ``gradient="magnitude"`` or ``model``.

    Raises
    ------
    InputError
        A number is out of its range.
    """
    if gigabytes <= 0 or side < 64 or depth < 1:
        msg = f"gigabytes={gigabytes}, side={side}, depth={depth}: use larger numbers"
        raise InputError(msg)
    with tempfile.TemporaryDirectory(dir=folder, prefix="gradnet-volume-") as name:
        source = Path(name) / "volume.ome.zarr"
        shape = make_sparse_volume(
            source, gigabytes, side=side, depth=depth, dtype=dtype
        )
        options = {"workers": workers, **operation}
        # a fresh process, so that nothing counts that was loaded before
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            found = pool.submit(_run, source, Path(name) / "out", options, seconds)
            measured = found.result()
    size = float(np.prod(shape, dtype=float))
    rate = measured["share"] * size / 1e6 / measured["seconds"]
    return VolumeRow(
        ", ".join(f"{key}={value}" for key, value in operation.items()) or "model=auto",
        np.dtype(dtype).itemsize * size / 1e9,
        shape,
        measured["units"],
        measured["total_units"],
        measured["seconds"],
        rate,
        size / 1e6 / rate / 3600 if rate else float("inf"),
        measured["utilisation"],
        measured["start_megabytes"],
        measured["peak_megabytes"],
    )


def _run(
    source: Path, output: Path, options: Mapping[str, Any], limit: float | None
) -> dict[str, Any]:
    """Run a batch of one volume; in its own process."""
    from napari_gradnet.api import iter_denoise_files

    start = _resident_megabytes(peak=False)
    began = time.perf_counter()
    done = total = 0
    utilisation = float("nan")
    work = iter_denoise_files([source], output, **options)
    try:
        while True:
            event = next(work)
            done, total = max(done, event.done), max(total, event.total)
            if event.state == "failed":
                raise InputError(event.message)
            if limit is not None and time.perf_counter() - began > limit and done:
                break
    except StopIteration as stop:
        utilisation = stop.value.utilisation
        done = total
    finally:
        work.close()
    return {
        "units": done,
        "total_units": total,
        "share": done / max(1, total),
        "seconds": time.perf_counter() - began,
        "utilisation": utilisation,
        "start_megabytes": start,
        "peak_megabytes": _resident_megabytes(peak=True),
    }


def _resident_megabytes(*, peak: bool) -> float:
    """Resident memory of this process, now or at its most."""
    import psutil

    memory = psutil.Process().memory_info()
    if not peak:
        return memory.rss / 1e6
    status = Path("/proc/self/status")
    if status.exists():  # not the maximum of getrusage, which a child inherits
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if hasattr(memory, "peak_wset"):  # Windows
        return memory.peak_wset / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6  # bytes on macOS

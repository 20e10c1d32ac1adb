"""Memory that ``gradnet denoise`` takes for a TIFF stack of any length."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_gradnet.errors import GradNetError
from napari_gradnet.inference.memory import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["StackMemory", "measure_stack_memory"]

#: Different planes; the stack repeats them, so that making it takes little time.
_NUM_DIFFERENT = 4


@dataclass(frozen=True)
class StackMemory:
    """What one stack took.

    Parameters
    ----------
    gigabytes : float
        Of pixels, 10**9 bytes.
    seconds : float
    peak_megabytes : float
        Largest resident memory of the process, 10**6 bytes.
    num_planes : int
        Planes of the output.
    """

    gigabytes: float
    seconds: float
    peak_megabytes: float
    num_planes: int


def measure_stack_memory(
    model: str,
    *,
    num_planes: int = 2048,
    size: int = 1024,
    folder: str | Path | None = None,
    device: str = "auto",
) -> StackMemory:
    """Denoise a 16-bit TIFF stack in a process of its own and watch its memory.

    Parameters
    ----------
    model : str
        Name or file of a grey model.
    num_planes, size : int
        Planes and their side in pixels; 2048 of 1024 are 4.3 GB.
    folder : path, optional
        Where there is room for the stack, twice; a temporary folder when not given.
    device : str
        See `denoise`.

    Raises
    ------
    GradNetError
        The run failed; with what it printed.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        source, target = (Path(temporary) / n for n in ("stack.tif", "denoised.tif"))
        shape = (num_planes, size, size)
        tifffile.imwrite(
            source,
            _iter_planes(num_planes, size),
            shape=shape,
            dtype=np.uint16,
            bigtiff=True,  # 4 GB are too much for a classic one
            photometric="minisblack",
        )
        program = "import sys; from napari_gradnet.cli import main; sys.exit(main())"
        words = ["denoise", str(source), "-o", str(target), "--model", model]
        command = [sys.executable, "-c", program, *words, "--device", device]
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as printed:
            # not a pipe, which would fill and stop a run that prints much
            with (
                subprocess.Popen(
                    [*command, "--axes", "ZYX"],
                    stdout=printed,
                    stderr=printed,
                    text=True,
                ) as process,
                PeakMemory(process.pid) as memory,
            ):
                process.wait()
            printed.seek(0)
            last_words = printed.read()[-500:]
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            msg = f"gradnet denoise ended with {process.returncode}: {last_words}"
            raise GradNetError(msg)
        with tifffile.TiffFile(target) as written:
            done = written.series[0].shape[0]
    total = num_planes * size**2 * 2
    return StackMemory(total / 1e9, seconds, memory.megabytes, done)


def _iter_planes(count: int, size: int) -> Iterator[NDArray[np.uint16]]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(100, 1000, size)
    planes = [
        (ramp + rng.normal(0, 50, (size, size))).astype(np.uint16)
        for _ in range(_NUM_DIFFERENT)
    ]
    for number in range(count):
        yield planes[number % _NUM_DIFFERENT]

"""The watched memory is that of the work."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

from napari_gradnet.inference.memory import PeakMemory


def test_growth_is_what_was_taken_in_between():
    with PeakMemory() as memory:
        time.sleep(0.05)
        held = np.ones(100_000_000, np.uint8)
        time.sleep(0.1)
    assert held[-1] == 1
    assert 90 < memory.growth < 200
    assert memory.megabytes > memory.growth


def test_another_process_and_children():
    program = "import time; held = b'x' * 80_000_000; time.sleep(1)"
    with (
        PeakMemory(with_children=True) as ours,
        subprocess.Popen([sys.executable, "-c", program]) as process,
        PeakMemory(process.pid) as its,
    ):
        process.wait()
    assert its.megabytes > 80
    assert ours.growth > 75

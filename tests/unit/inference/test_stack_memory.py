"""The benchmark of long stacks, on short ones."""

from __future__ import annotations

import pytest

from napari_gradnet.errors import GradNetError
from napari_gradnet.inference.stack_memory import measure_stack_memory


def test_a_stack_is_denoised_and_its_process_watched(tmp_path):
    row = measure_stack_memory("dncnn-gray", num_planes=3, size=64, folder=tmp_path)
    assert row.num_planes == 3
    assert row.gigabytes == pytest.approx(3 * 64 * 64 * 2 / 1e9)
    assert 50 < row.peak_megabytes < 3000  # a process with torch in it
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_says_what_it_printed(tmp_path):
    with pytest.raises(GradNetError, match=r"ended with [12].*nosuch"):
        measure_stack_memory("nosuch", num_planes=1, size=16, folder=tmp_path)

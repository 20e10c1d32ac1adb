"""Speed and memory of models."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gradnet.errors import ModelError
from napari_gradnet.inference import benchmark
from napari_gradnet.inference.benchmark import iter_speed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNUSUAL = 61


@pytest.fixture
def unusual_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(UNUSUAL)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("unusual_threads")
def test_each_model_runs_in_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[list[str]] = []

    class Recorded(ProcessPoolExecutor):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            pools.append([])

        def submit(self, function: Any, /, *args: Any, **options: Any) -> Any:
            pools[-1].append(args[0])
            return super().submit(function, *args, **options)

    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", Recorded)
    names = ["dncnn-gray", "ds-dn-resnet-13-gray"]
    rows = list(iter_speed(names, size=64, device="cpu", repeats=1))
    assert [row.model for row in rows] == names
    assert pools == [[name] for name in names]
    for row in rows:
        assert str(UNUSUAL) not in row.device  # what this process is set to
        assert row.macs_per_pixel > 0
        assert row.megapixels_per_second > 0


def test_what_is_no_model_is_told() -> None:
    with pytest.raises(ModelError, match="nosuch"):
        list(iter_speed(["nosuch"], size=64))


def test_a_script_without_a_main_guard_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from napari_gradnet import api\n"
        "list(api.benchmark_inference(['dncnn-gray'], size=64, repeats=1))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert 'ask below if __name__ == "__main__":' in done.stderr

"""Signals: what is left behind when ``gradnet`` is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.tiny_models import write_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other signals")
RUN = "import sys; from napari_gradnet.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def job(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A denoising that takes minutes, and the folder it works in."""
    folder = tmp_path / "work"
    folder.mkdir()
    model = write_tiny_model(tmp_path, "grey-attention")
    image = np.random.default_rng(0).integers(0, 999, (40, 200, 200), np.uint16)
    tifffile.imwrite(folder / "in.tif", image)
    arguments = ["denoise", "in.tif", "-o", "out.tif", "--model", str(model)]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments, "--tile", "8", "--vst", "off"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background has SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for _ in range(600):
            if len(list(folder.iterdir())) > 1 or process.poll() is not None:
                break
            time.sleep(0.1)
        time.sleep(0.3)
        assert process.poll() is None
        yield process, folder
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_trace(
    job: tuple[subprocess.Popen[str], Path], number: int
) -> None:
    process, folder = job
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in err
    assert [p.name for p in folder.iterdir()] == ["in.tif"]


def test_a_kill_leaves_no_half_output(job: tuple[subprocess.Popen[str], Path]) -> None:
    process, folder = job
    process.kill()
    process.communicate(timeout=60)
    left = sorted(p.name for p in folder.iterdir() if p.name != "in.tif")
    assert len(left) == 1
    assert left[0].startswith(".out.tif.")
    assert left[0].endswith(".part")

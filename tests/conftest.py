"""What every test may use."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

# Before NumPy and torch start their thread pools; subprocesses inherit it. Small
# tensors gain nothing from threads, and sums in one order are repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

settings.register_profile("gradnet", deadline=None, derandomize=True, database=None)
settings.load_profile("gradnet")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what `tests/run.py` left out."""
    if message := os.environ.get("GRADNET_GUI_NOT_RUN"):
        terminalreporter.section("not run", yellow=True)
        terminalreporter.write_line(message)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is none."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA or MPS device"))


def pytest_collection_finish() -> None:
    """Hold torch to one thread also where a plugin imported it before this file."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20200614)


def _sample(name: str) -> NDArray[np.float32]:
    from skimage import data

    image = getattr(data, name)().astype(np.float32) / np.float32(255)
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def photo() -> NDArray[np.float32]:
    """Clean colour photo, shape (512, 512, 3), float32 in 0..1, read-only."""
    return _sample("astronaut")


@pytest.fixture(scope="session")
def grey_photo() -> NDArray[np.float32]:
    """Clean grey photo, shape (512, 512), float32 in 0..1, read-only."""
    return _sample("camera")

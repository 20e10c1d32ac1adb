"""Opening a widget must not keep the viewer waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import sys
from napari_gradnet.widgets import {module}
from napari_gradnet import api
api.list_naive_methods()
heavy = [m for m in ("torch", "bm3d", "safetensors") if m in sys.modules]
sys.stdout.write(" ".join(heavy))
"""


@pytest.mark.parametrize(
    "module",
    ["denoise, naive, gradient, train, compare, batch, _commands", "_sample_data"],
)
def test_the_forms_import_no_torch(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


THREADS = """
import sys, threading
import numpy as np

class Watch:
    found = []

    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            main = threading.current_thread() is threading.main_thread()
            self.found.append("main" if main else "other")

sys.meta_path.insert(0, Watch())
from napari.components import ViewerModel
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

app = QApplication([])
from napari_gradnet.widgets.{module} import {widget}

viewer = ViewerModel()
viewer.add_image(np.zeros((2, 32, 32), np.uint16), contrast_limits=(0, 1))
form = {widget}(viewer)
jobs = [getattr(form, name) for name in ("scout", "estimator") if hasattr(form, name)]
while any(job.running for job in jobs):
    QTest.qWait(20)
sys.stderr.write("threads: " + " ".join(Watch.found))
"""


@pytest.mark.parametrize(
    ("module", "widget", "threads"),
    [
        ("denoise", "DenoiseWidget", "threads: other"),
        ("naive", "NaiveWidget", "threads: "),
        ("gradient", "GradientWidget", "threads: "),
    ],
)
def test_torch_is_never_imported_in_the_thread_of_the_gui(
    module: str, widget: str, threads: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS.format(module=module, widget=widget)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == threads

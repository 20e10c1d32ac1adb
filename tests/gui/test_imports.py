"""Opening a widget must not keep the viewer waiting."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from napari_gradnet.widgets import {module}
from napari_gradnet import api
api.list_naive_methods()
heavy = [m for m in ("torch", "bm3d", "safetensors") if m in sys.modules]
sys.stdout.write(" ".join(heavy))
"""


@pytest.mark.parametrize(
    "module", ["denoise, naive, gradient, train, _commands", "_sample_data"]
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

"""What starts fast must not import what is heavy.

Each case runs in an interpreter of its own and names the heavy modules it finds loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from napari_gradnet.cli import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

#: Top-level modules that cost a tenth of a second or more, or need a screen.
HEAVY = [
    *("PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui", "napari", "qtpy", "superqt"),
    *("PIL", "bm3d", "bm4d", "imagecodecs", "matplotlib", "pandas", "pywt", "scipy"),
    *(
        "dask",
        "distributed",
        "safetensors",
        "skimage",
        "tifffile",
        "torch",
        "torchvision",
        "vispy",
    ),
    *("yaozarrs", "zarr"),
]

REPORT = f"""
import json, sys
sys.stderr.write(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def heavy_modules_after(code: str) -> list[str]:
    """Run `code` in a fresh interpreter; the heavy modules loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def command_line(*arguments: str) -> str:
    """Code that runs ``gradnet`` and checks that it succeeded."""
    return (
        "from napari_gradnet.cli import main\n"
        f"code = main({list(arguments)!r})\n"
        "assert code == 0, code\n"
    )


def test_the_report_sees_a_heavy_module() -> None:
    assert heavy_modules_after("import scipy") == ["scipy"]


@pytest.mark.parametrize("module", ["napari_gradnet", "napari_gradnet.api"])
def test_import_is_light(module: str) -> None:
    assert heavy_modules_after(f"import {module}") == []


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_gradnet_is_light(option: str) -> None:
    assert heavy_modules_after(command_line(option)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_light(command: str) -> None:
    assert heavy_modules_after(command_line(command, "--help")) == []


@pytest.mark.parametrize(("command", "target"), COMMANDS.items())
def test_help_line_of_a_command(command: str, target: tuple[str, str]) -> None:
    # the line in `gradnet --help` is stored apart from the command: hold them together
    where, line = target
    module, _, attribute = where.partition(":")
    loaded = getattr(importlib.import_module(module), attribute)
    assert loaded.name == command
    assert loaded.get_short_help_str(limit=200) == line


@pytest.mark.parametrize("name", ["grey", "color", "gradnet", "grey-attention"])
def test_opening_a_model_brings_no_compiler(name: str, tmp_path: Path) -> None:
    from tests.tiny_models import write_tiny_model

    path = str(write_tiny_model(tmp_path, name))
    code = (
        f"from napari_gradnet import api; api.open_model({path!r}, device='cpu')\n"
        "import sys; assert 'torch._dynamo' not in sys.modules\n"
    )
    assert "torch" in heavy_modules_after(code)


def test_every_command_of_the_program_is_listed() -> None:
    expected = {"denoise", "naive", "gradient", "noise", "models", "demo", "benchmark"}
    assert expected <= set(COMMANDS)


def test_api_exports_what_it_lists() -> None:
    api = importlib.import_module("napari_gradnet.api")
    assert api.__all__
    assert len(set(api.__all__)) == len(api.__all__)
    for name in api.__all__:
        assert getattr(api, name) is not None


def test_console_script_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="gradnet")
    assert callable(script.load())
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    program = shutil.which("gradnet", path=path)
    assert program is not None
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("gradnet, version ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such-command"], 2, "No such command 'no-such-command'"),
        (["--no-such-option"], 2, "No such option '--no-such-option'"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], code: int, message: str) -> None:
    run = (
        f"import sys; from napari_gradnet.cli import main; sys.exit(main({arguments}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert message in done.stderr

"""The built wheel, the sdist and an editable install: their content, and do they work.

Built with this environment's hatchling and without network. The source is a git clone
or an unpacked sdist.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build import ProjectBuilder
from packaging.requirements import Requirement
from pyproject_hooks import quiet_subprocess_runner

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "napari_gradnet"
WEIGHTS = sorted(path.name for path in (ROOT / "weights").glob("*.safetensors"))
GUI = {"napari", "magicgui", "qtpy", "superqt", "pyqt5", "pyqt6", "pyside2", "pyside6"}
MAX_WHEEL_BYTES = 40_000_000

WHERE = """
import json
from importlib.metadata import entry_points, version
from importlib.resources import files
import napari_gradnet
from napari_gradnet.bundle import packaged_model_folder

(entry,) = entry_points(group="napari.manifest", name="napari-gradnet")
module, _, name = entry.value.partition(":")
folder = packaged_model_folder()
print(json.dumps({
    "package": napari_gradnet.__file__,
    "version": version("napari-gradnet"),
    "manifest": files(module).joinpath(name).read_text(encoding="utf-8"),
    "folder": str(folder),
    "weights": sorted(path.name for path in folder.glob("*.safetensors")),
}))
"""


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a "wheel", "sdist" or "editable" of `source` with the installed backend."""
    builder = ProjectBuilder(source, runner=quiet_subprocess_runner)
    return Path(builder.build(kind, out))


def where(*search_path: Path, cwd: Path) -> dict[str, str | list[str]]:
    """What an interpreter finds with `search_path` before anything else."""
    path = os.pathsep.join(str(folder) for folder in search_path)
    done = subprocess.run(
        [sys.executable, "-c", WHERE],
        env=os.environ | {"PYTHONPATH": path},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: Path) -> Message:
    files = contents(wheel)
    (name,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    return HeaderParser().parsestr(files[name].decode())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    archive = build("sdist", ROOT, folder)
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4
            opened.extraction_filter = tarfile.data_filter
        opened.extractall(folder)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the wheel alone."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index"]
    command += ["--no-deps", "--no-compile", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(contents(wheel))
    (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    assert {name.split("/")[0] for name in names} == {"napari_gradnet", info}
    assert f"{info}/licenses/LICENSE" in names
    sources = {
        f"napari_gradnet/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    code = {
        name for name in sources if name.endswith((".py", ".pyi", ".yaml", "/py.typed"))
    }
    assert {"napari_gradnet/napari.yaml", "napari_gradnet/py.typed"} <= code <= names
    weights = {name for name in names if name.startswith("napari_gradnet/weights/")}
    assert {f"napari_gradnet/weights/{name}" for name in WEIGHTS} == {
        name for name in weights if name.endswith(".safetensors")
    }
    assert {n for n in names if n.startswith("napari_gradnet/")} <= sources | weights


def test_wheel_is_small_enough_for_an_index(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_wheel_fits_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_base_requirements_bring_no_gui(wheel: Path) -> None:
    requirements = [
        Requirement(r) for r in metadata(wheel).get_all("Requires-Dist", [])
    ]
    base = {
        r.name.lower() for r in requirements if not (r.marker and "extra" in str(r))
    }
    assert {"torch", "numpy", "click", "bm3d"} <= base
    assert not base & GUI
    # open-ended: an upper bound or an exact version ties the user's environment
    bounds = {s.operator for r in requirements for s in r.specifier}
    assert bounds <= {">=", "!="}


def test_extras(wheel: Path) -> None:
    fields = metadata(wheel)
    assert {"napari", "all", "cluster", "test", "dev"} <= set(
        fields.get_all("Provides-Extra", [])
    )
    assert fields["Requires-Python"] == ">=3.11"
    assert fields["License-Expression"] == "BSD-3-Clause"


def test_sdist_holds_what_its_tests_need(unpacked: Path) -> None:
    for name in (
        *("pyproject.toml", "tox.ini", "constraints.txt", "README.md", "LICENSE"),
        *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "napari.yaml"),
        *("tests/run.py", "tests/conftest.py", "src/napari_gradnet/napari.yaml"),
        *(f"weights/{name}" for name in WEIGHTS),
    ):
        assert (unpacked / name).is_file(), name


def test_sdist_builds_the_same_wheel(
    wheel: Path, unpacked: Path, tmp_path: Path
) -> None:
    again = build("wheel", unpacked, tmp_path)
    assert again.name == wheel.name
    first, second = contents(wheel), contents(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_installed_wheel_finds_manifest_and_weights(
    wheel: Path, installed: Path, tmp_path: Path
) -> None:
    found = where(installed, cwd=tmp_path)
    assert found == {
        "package": str(installed / "napari_gradnet" / "__init__.py"),
        "version": metadata(wheel)["Version"],
        "manifest": (PACKAGE / "napari.yaml").read_text(encoding="utf-8"),
        "folder": str(installed / "napari_gradnet" / "weights"),
        "weights": WEIGHTS,
    }


def test_editable_install_finds_manifest_and_weights(tmp_path: Path) -> None:
    built = build("editable", ROOT, tmp_path)
    files = contents(built)
    # a copy of the weights would hide new ones
    assert not [name for name in files if name.startswith("napari_gradnet/")]
    (pth,) = (name for name in files if name.endswith(".pth"))
    source = Path(files[pth].decode().strip())
    assert source == ROOT / "src"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path / "site")
    found = where(source, tmp_path / "site", cwd=tmp_path)
    assert found["package"] == str(PACKAGE / "__init__.py")
    assert found["manifest"] == (PACKAGE / "napari.yaml").read_text(encoding="utf-8")
    assert Path(str(found["folder"])).resolve() == ROOT / "weights"
    assert found["weights"] == WEIGHTS


def test_top_level_manifest_is_the_packages() -> None:
    link, manifest = ROOT / "napari.yaml", PACKAGE / "napari.yaml"
    text = link.read_text(encoding="utf-8")
    if link.is_symlink() or text.strip() != "src/napari_gradnet/napari.yaml":
        assert text == manifest.read_text(encoding="utf-8")
    # else: git without symbolic links, as on Windows, writes the link's target


def test_version_is_the_installed_one() -> None:
    import napari_gradnet

    assert re.fullmatch(r"\d+\.\d+.*", napari_gradnet.__version__)

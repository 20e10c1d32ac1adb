"""``gradnet batch``: file names that are legal and awkward."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gradnet.cli import main

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ("--naive", "gaussian", "--sigma", "20")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path


def write_stack(path: Path | str, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 255, (2, 20, 21), np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_no_text_are_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stack("in/a.tif")
    os.rename("in/a.tif", b"in/\xff.tif")  # noqa: PTH104 - bytes
    printed = io.BytesIO()
    stdout = io.TextIOWrapper(printed, "utf-8", errors="strict", write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["batch", "in", "-o", "out", "--dry-run", *OPTIONS]) == 0
    assert main(["batch", "in", "-o", "out", *OPTIONS]) == 0
    assert printed.getvalue().count(b"\\udcff.tif -> out") == 2
    assert os.listdir(b"out").count(b"\xff.tif") == 1  # noqa: PTH208 - bytes


#: The longest that most file systems take: 255 bytes, here also in few characters.
LONG = ["x" * 250 + "1.tif", "x" * 250 + "2.tif", "\N{CJK RADICAL SUN}" * 80 + ".tif"]


def test_names_as_long_as_they_may_be(folder: Path) -> None:
    for seed, name in enumerate(LONG):
        write_stack(f"in/{name}", seed)
    assert main(["batch", "in", "-o", "out", *OPTIONS]) == 0
    made = [tifffile.imread(f"out/{name}") for name in LONG]
    assert not np.array_equal(made[0], made[1])
    left = {path.name for path in (folder / "out").iterdir() if path.name[0] == "."}
    assert left <= {".gradnet-journal.lock"}


def test_zarr_names_as_long_as_they_may_be(folder: Path) -> None:
    for seed in range(2):
        write_stack(f"in/{'x' * 245}{seed}.tif", seed)
    arguments = ["batch", "in", "-o", "out", "--format", "ome-zarr", *OPTIONS]
    assert main(arguments) == 0
    made = sorted(path.name for path in (folder / "out").glob("x*"))
    assert made == [f"{'x' * 245}{seed}.ome.zarr" for seed in range(2)]
    assert main([*arguments, "--restart"]) == 0

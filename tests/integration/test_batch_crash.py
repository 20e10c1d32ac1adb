"""A batch that is killed again and again ends as if it had not been."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gradnet import api

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and kills")

KILLS = 20

#: Imports once, then forks a child for every attempt. A child kills itself, at the
#: n-th change of a file (whatever makes it) or some milliseconds after the n-th line of
#: its journal: at a random moment, but always before its work is done.
DRIVER = """
import json, os, random, signal, sys, threading
import napari_gradnet.batch.image, napari_gradnet.batch.local, napari_gradnet.cli.batch
import napari_gradnet.batch.volume, zarr
import napari_gradnet.noise.estimate, napari_gradnet.inference.naive
import napari_gradnet.naive.classical, scipy.ndimage, scipy.stats
from napari_gradnet.batch.journal import Journal
from napari_gradnet.cli import main

CHANGES = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"}
kills, arguments = int(sys.argv[1]), sys.argv[2:]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(number):
    chance = random.Random(number)
    if number % 2:
        left, wait = chance.randint(1, 12), chance.uniform(0, 0.01)
        write = Journal._write

        def write_and_count(journal, data):
            nonlocal left
            write(journal, data)
            left -= 1
            if not left:
                threading.Timer(wait, die).start()

        Journal._write = write_and_count
    else:
        left = chance.randint(1, 45)

        def count(event, values):
            nonlocal left
            if event in CHANGES and "out" in str(values[0]):
                left -= 1
                if not left:
                    die()

        sys.addaudithook(count)
    os._exit(main(arguments))


ends = []
for number in range(kills):
    child = os.fork()
    if not child:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        attempt(number)
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(ends))
"""
RUN = "import sys; from napari_gradnet.cli import main; sys.exit(main(sys.argv[1:]))"


def _write_inputs(folder: Path) -> None:
    rng = np.random.default_rng(7)
    (folder / "stacks").mkdir(parents=True)
    for number in range(120):
        image = rng.poisson(60, (24, 31)).astype(np.uint16)
        tifffile.imwrite(folder / f"{number:03d}.tif", image)
    for number in range(6):
        stack = rng.poisson(60, (7, 20, 33)).astype(np.uint16)
        tifffile.imwrite(folder / "stacks" / f"{number}.tif", stack, imagej=True)
    api.denoise_files(
        folder / "stacks" / "0.tif",
        folder / "volumes",
        naive="gaussian",
        sigma=1e-3,
        format="ome-zarr",
        zarr={"chunks": {"Y": 16, "X": 16}, "num_levels": 2},
    )
    for path in (folder / "volumes").glob("*gradnet*"):
        path.unlink()


def _outputs(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "gradnet-" not in path.name
    }


def test_killed_twenty_times_and_still_the_same_bytes(tmp_path: Path) -> None:
    _write_inputs(tmp_path / "in")
    what = ["--naive", "gaussian", "--workers", "2"]
    arguments = ["batch", "in", "-o", "out", *what]
    killed = subprocess.run(
        [sys.executable, "-c", DRIVER, str(KILLS), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert killed.returncode == 0, killed.stderr
    ends = json.loads(killed.stdout.splitlines()[-1])
    assert ends == [-9] * KILLS  # each one hit a run with work left to do
    for folder in ("out", "whole"):
        arguments[3] = folder
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    resumed, whole = _outputs(tmp_path / "out"), _outputs(tmp_path / "whole")
    # hidden files of the killed runs would be more
    assert sorted(resumed) == sorted(whole)
    assert sum(name.endswith(".tif") for name in whole) == 126
    assert sum("0.ome.zarr/0/c/" in name for name in whole) == 7 * 2 * 3
    assert resumed == whole

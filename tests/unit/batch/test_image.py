"""Image files as jobs: resumable, the same bytes as in one go."""

from __future__ import annotations

import errno
import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_gradnet import api
from napari_gradnet.batch.cluster_worker import run_units
from napari_gradnet.batch.image import ImageJob
from napari_gradnet.batch.options import BatchOptions, make_operation
from napari_gradnet.batch.spool import Spool, spool_path
from napari_gradnet.errors import FileFormatError, GradNetError, InputError

if TYPE_CHECKING:
    from pathlib import Path

MEDIAN = BatchOptions(naive="median")
#: What the record in the output tells.
DEFAULTS = {"sigma": None, "sigma_factor": 1.0, "vst": "auto"}


@pytest.fixture
def stack_path(tmp_path: Path, rng: np.random.Generator) -> Path:
    path = tmp_path / "in.tif"
    image = rng.poisson(90, (2, 3, 21, 34)).astype(np.uint16)
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "TCYX"})
    return path


def job(path: Path, options: BatchOptions = MEDIAN, **keywords: bool) -> ImageJob:
    output = path.parent / "made" / path.name
    output.parent.mkdir(exist_ok=True)
    return ImageJob(path, output, make_operation(options), **keywords)


def run_all(work: ImageJob) -> None:
    work.prepare()
    for stage in work.stages:
        for unit in stage:
            work.run(unit)
    work.finish()
    work.close()


def expected(path: Path) -> bytes:
    whole = path.parent / "whole.tif"
    api.naive_denoise_file(path, whole, "median", **DEFAULTS)
    return whole.read_bytes()


def test_a_stack_equals_the_plain_function(stack_path: Path) -> None:
    work = job(stack_path)
    run_all(work)
    assert work.output.read_bytes() == expected(stack_path)
    assert [p.name for p in work.output.parent.iterdir()] == ["in.tif"]


def test_planes_survive_their_process(stack_path: Path) -> None:
    first = job(stack_path)
    first.prepare()
    units = list(first.stages[0])
    assert units == [f"plane-{k}" for k in range(6)]
    assert len(first.stages[0]) == 6
    first.run(units[4])
    first.run(units[0])
    first.close()
    assert not first.output.exists()
    second = job(stack_path)
    second.prepare()
    helper = pickle.loads(pickle.dumps(second))
    helper.open()
    results = {unit: helper.run(unit) for unit in (units[1], units[2])}
    helper.close()
    for unit in (units[3], units[5]):
        second.run(unit)
    assert results[units[1]].checksum == second.run(units[1]).checksum
    assert second.finish() == ""
    second.close()
    assert second.output.read_bytes() == expected(stack_path)
    assert not spool_path(second.output).exists()


def test_a_unit_run_again_has_the_same_checksum(stack_path: Path) -> None:
    work = job(stack_path)
    work.prepare()
    assert work.run("plane-1").checksum == work.run("plane-1").checksum
    assert work.run("plane-1").checksum != work.run("plane-2").checksum
    assert work.run("plane-1").num_bytes == 21 * 34 * 2
    work.discard()


def test_planes_lost_in_a_power_cut_are_made_again(stack_path: Path) -> None:
    work = job(stack_path)
    work.prepare()
    for unit in work.stages[0]:
        work.run(unit)
    work.close()
    path = spool_path(work.output)
    data = path.read_bytes()
    assert len(data) == 7 << 16  # the header and 6 planes
    path.write_bytes(data[: (6 << 16) + 700])  # as a file system leaves the last one
    again = job(stack_path)
    again.prepare()
    again.finish()
    again.close()
    assert again.output.read_bytes() == expected(stack_path)


def test_machines_that_share_a_spool(
    stack_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writes its own pages, and hands them over at the end of a task."""
    work = job(stack_path)
    work.prepare()
    path = spool_path(work.output)
    size = path.stat().st_size
    before = path.read_bytes()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    results, error = run_units("a", pickle.dumps(work), ["plane-2", "plane-3"], {})
    assert error is None
    assert [r.unit for r in results] == ["plane-2", "plane-3"]
    assert len(synced) == 1
    after = path.read_bytes()
    assert len(after) == size  # it does not grow
    changed = {k >> 16 for k in range(size) if before[k] != after[k]}
    assert changed == {3, 4}

    def full(_: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", full)
    results, error = run_units("a", pickle.dumps(work), ["plane-1"], {})
    assert results == []
    assert isinstance(error, OSError)
    work.discard()


def test_a_spool_of_other_options_is_refused(stack_path: Path) -> None:
    first = job(stack_path)
    first.prepare()
    first.run("plane-0")
    first.close()
    second = job(stack_path, BatchOptions(naive="gaussian"))
    with pytest.raises(InputError, match=r"begun otherwise .*'median', is 'gaussian'"):
        second.prepare()
    assert spool_path(second.output).exists()
    second.discard()
    assert list(second.output.parent.iterdir()) == []
    run_all(job(stack_path, BatchOptions(naive="gaussian")))


def test_a_torn_spool_is_begun_anew(stack_path: Path) -> None:
    work = job(stack_path)
    path = spool_path(work.output)
    for torn in (b"", b"gradnet spool 2\n\x10", b"rubbish" * 9):
        path.write_bytes(torn)
        with pytest.raises(FileFormatError, match="damaged"):
            Spool(path)
    run_all(work)
    assert work.output.read_bytes() == expected(stack_path)


def test_one_plane_leaves_no_spool(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "in.png"
    Image.fromarray(rng.integers(0, 255, (30, 31, 4), np.uint8)).save(path)
    work = job(path)
    assert work.is_small
    work.prepare()
    assert work.num_values == 30 * 31 * 4
    assert list(work.output.parent.iterdir()) == []
    (unit,) = work.stages[0]
    work.run(unit)
    before, after = work.noise()
    assert before > 40
    assert after < before / 2
    work.finish()
    work.close()
    whole = tmp_path / "whole.png"
    api.naive_denoise_file(path, whole, "median", **DEFAULTS)
    assert work.output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.lsm", MEDIAN, r"'\.lsm' names no format"),
        ("b.ome.tif", MEDIAN, "promises OME-TIFF, the input is none"),
        ("c.png", BatchOptions(gradient="magnitude"), "not float32: use .tif"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_the_work(
    stack_path: Path, name: str, options: BatchOptions, words: str
) -> None:
    path = stack_path.rename(stack_path.with_name(name))
    if name == "c.png":
        Image.fromarray(np.zeros((8, 9), np.uint8)).save(path)
    work = job(path, options)
    with pytest.raises(FileFormatError, match=words):
        work.prepare()
    work.close()
    assert list(work.output.parent.iterdir()) == []


def test_what_is_left_out_on_reading_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as writer:
        for side in (8, 9):
            writer.write(np.zeros((side, side), np.uint8))
    work = job(path)
    work.prepare()
    work.run("plane-0")
    assert work.finish() == "of 2 image series only the first, of shape (8, 8), is read"
    work.close()


def test_noise_is_not_told_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, np.arange(4, dtype=np.uint8).reshape(2, 2))
    work = job(path, BatchOptions(naive="median", sigma=1))
    work.prepare()
    work.run("plane-0")
    assert work.noise() is None
    work.discard()


def test_the_input_is_part_of_the_fingerprint(stack_path: Path) -> None:
    def fingerprint() -> dict[str, object]:
        work = job(stack_path)
        try:
            return dict(work.fingerprint)
        finally:
            work.close()

    before = fingerprint()
    assert fingerprint() == before
    with stack_path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    after = fingerprint()
    assert before["input"] != after["input"]
    assert before["operation"] == after["operation"]


@pytest.mark.parametrize("unit", ["plane-x", "block-1", "plane--1", ""])
def test_strange_units_are_refused(stack_path: Path, unit: str) -> None:
    work = job(stack_path)
    work.prepare()
    with pytest.raises(GradNetError, match="no unit of an image file"):
        work.run(unit)
    with pytest.raises(InputError, match=r"its planes are 0\.\.5"):
        work.run("plane-6")
    work.discard()

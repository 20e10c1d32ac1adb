"""Volumes that are tiny, damaged, enormous or gone."""

from __future__ import annotations

import pickle
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr
from tests.unit.batch.volume_jobs import everything, network, run, units_of
from tests.zarr_stores import ramp, write_ome
from zarr.storage import LocalStore

from napari_gradnet.batch.operations import GradientOperation, NaiveOperation
from napari_gradnet.batch.volume import VolumeJob
from napari_gradnet.errors import FileFormatError, GradNetError, InputError
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("_small_units")
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (3, 40, 1), (1, 2, 3)])
@pytest.mark.parametrize("model", ["grey", "grey-unshuffle", "grey-attention"])
def test_tiny_and_single_axes(
    tmp_path: Path, models: dict[str, Path], shape: tuple[int, ...], model: str
) -> None:
    data = ramp(shape)
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(1, 16, 16), num_levels=2)
    run(VolumeJob(path, tmp_path / "out", network(models[model], dtype="float32")))
    whole = denoise(data, models[model], axes="ZYX", device="cpu", dtype="float32")
    np.testing.assert_allclose(
        everything(tmp_path / "out"), whole, rtol=1e-4, atol=1e-2
    )


def test_nan_is_refused_or_kept(tmp_path: Path, models: dict[str, Path]) -> None:
    data = ramp((2, 40, 40), "f4")
    data[1, 5, 7] = np.nan
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(1, 16, 16))
    job = VolumeJob(path, tmp_path / "out", network(models["grey"]))
    with pytest.raises(InputError, match="of plane 1 are NaN"):
        run(job)
    job.discard()
    run(VolumeJob(path, tmp_path / "out", network(models["grey"], nan="keep")))
    got = everything(tmp_path / "out")
    np.testing.assert_array_equal(np.isnan(got), np.isnan(data))


def test_a_bad_chunk_spoils_its_units_only(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_gradnet.batch.volume_units.ENOUGH_PIXELS", 1)
    path = write_ome(tmp_path / "in", ramp((4, 40, 40)), "zyx", chunks=(1, 40, 40))
    job = VolumeJob(path, tmp_path / "out", network(models["grey"], value_range=(0, 9)))
    job.prepare()
    chunk = path / "0" / "c" / "2" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:50])
    failed = []
    for unit in units_of(job):
        try:
            job.run(unit)
        except GradNetError as error:
            failed.append((unit, str(error)))
    assert [unit for unit, _ in failed] == ["0/z2/y0/x0"]
    assert "the file may be damaged" in failed[0][1]


def test_planes_too_large_for_methods_that_need_them_whole(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "in")
    zarr.create_array(
        store, shape=(4, 20_000, 20_000), chunks=(1, 512, 512), dtype="u2"
    )
    job = VolumeJob(
        tmp_path / "in", tmp_path / "out", NaiveOperation("median", sigma=1)
    )
    with pytest.raises(InputError, match="needs whole planes, and 1 of 400,000,000"):
        job.prepare()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_a_part_of_an_endless_volume(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "in")
    array = zarr.create_array(
        store, shape=(10**6, 10**5, 10**5), chunks=(1, 256, 256), dtype="u1"
    )
    array[7, 300:400, 300:400] = 9
    job = VolumeJob(tmp_path / "in", tmp_path / "out", GradientOperation("magnitude"))
    job.prepare()
    assert len(job.stages[0]) > 10**8
    unit = f"0/z7/{'/'.join(job.stages[0][0].split('/')[2:])}"
    assert unit in job.stages[0]
    job.run(unit)
    level = zarr.open_array(LocalStore(tmp_path / ".out.gradnet-part"), path="0")
    assert level[7, 300, 300] > 0
    assert level[7, 350, 350] == 0
    job.discard()


def test_masks_are_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.ones((20, 20), bool))
    job = VolumeJob(tmp_path / "in.tif", tmp_path / "out", network(models["grey"]))
    with pytest.raises(GradNetError, match="bool"):
        job.prepare()
    assert not (tmp_path / "out").exists()


def test_the_vanished_output_is_told(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 40, 40)), "zyx")
    job = VolumeJob(path, tmp_path / "out", GradientOperation("magnitude"))
    job.prepare()
    copy = pickle.loads(pickle.dumps(job))
    shutil.rmtree(tmp_path / ".out.gradnet-part")
    with pytest.raises(FileFormatError, match="unfinished output"):
        copy.open()

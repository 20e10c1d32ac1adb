"""Volumes, denoised block by block."""

from __future__ import annotations

import pickle
import random
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.tiny_models import write_tiny_model
from tests.zarr_stores import ramp, read_attributes, read_level, write_ome
from zarr.storage import LocalStore

from napari_gradnet.batch.network import NetworkOperation
from napari_gradnet.batch.operations import (
    GradientOperation,
    NaiveOperation,
    PipelineOperation,
)
from napari_gradnet.batch.volume import VolumeJob
from napari_gradnet.batch.volume_state import VolumeState
from napari_gradnet.errors import FileFormatError, GradNetError, InputError
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.options import StackOptions
from napari_gradnet.io import open_image
from napari_gradnet.io.volumes import ZarrLayout, halve
from napari_gradnet.naive import naive_denoise

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.batch.job import Job

MODELS = ("grey", "grey-unshuffle", "grey-attention", "noisy-guide", "attention-guide")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    names = (*MODELS, "bm3d-guide", "color")
    return {name: write_tiny_model(folder, name) for name in names}


@pytest.fixture
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of single chunks, so that a small volume has many of them."""
    monkeypatch.setattr("napari_gradnet.batch.volume_open.MAX_UNIT_BYTES", 6000)


def network(path: Path, **options: Any) -> NetworkOperation:
    return NetworkOperation(path, device="cpu", options=StackOptions(**options))


def units_of(job: Job) -> list[str]:
    return [unit for stage in job.stages for unit in stage]


def run(job: Job) -> str:
    """What an engine does, with every unit on a copy that was sent elsewhere."""
    job.prepare()
    helper = pickle.loads(pickle.dumps(job))
    helper.open()
    for stage in job.stages:
        units = list(stage)
        random.Random(0).shuffle(units)
        for unit in units:
            helper.run(unit)
    helper.close()
    return job.finish()


def everything(path: Path) -> NDArray[Any]:
    with open_image(path) as image:
        return image.read_region(tuple(slice(0, n) for n in image.shape))


def contents(path: Path) -> dict[str, bytes]:
    files = (p for p in path.rglob("*") if p.is_file())
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


@pytest.mark.usefixtures("_small_units")
@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_blocks_equal_the_whole(
    tmp_path: Path, models: dict[str, Path], model: str, ensemble: bool
) -> None:
    data = ramp((2, 3, 53, 61))
    path = write_ome(tmp_path / "in", data, "czyx", chunks=(1, 2, 16, 16))
    operation = network(models[model], dtype="float32", ensemble=ensemble)
    job = VolumeJob(path, tmp_path / "out", operation)
    assert run(job) == ""
    options = {"axes": "CZYX", "device": "cpu", "ensemble": ensemble}
    whole = denoise(data, models[model], dtype="float32", **options)
    span = float(np.ptp(whole))
    np.testing.assert_allclose(
        everything(tmp_path / "out"), whole, rtol=0, atol=1e-5 * span
    )


@pytest.mark.usefixtures("_small_units")
def test_large_planes_take_their_statistics_from_the_documented_windows(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WHOLE_PIXELS", 1000), ("WINDOW", 32)):
        monkeypatch.setattr(f"napari_gradnet.inference.attention.{name}", value)
    data = ramp((2, 80, 75))
    data[:, :40, :40] += 3000  # windows and whole differ
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(1, 32, 32))
    model = models["grey-attention"]
    job = VolumeJob(path, tmp_path / "out", network(model, dtype="float32"))
    job.prepare()
    assert [stage[0].split("/")[0] for stage in job.stages] == ["means", "0"]
    run(job)
    options = {"axes": "ZYX", "device": "cpu", "dtype": "float32", "tile": 40}
    whole = denoise(data, model, **options)
    monkeypatch.setattr("napari_gradnet.inference.attention.WHOLE_PIXELS", 10**6)
    other = denoise(data, model, **options)
    got, span = everything(tmp_path / "out"), float(np.ptp(whole))
    assert np.abs(got - whole).max() <= 1e-5 * span
    assert np.abs(got - other).max() > 1e-4 * span


@pytest.mark.usefixtures("_small_units")
def test_integers_equal_denoise_and_pyramids_are_means(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    data = ramp((2, 50, 70))
    path = write_ome(
        tmp_path / "in", data, "zyx", chunks=(1, 16, 16), num_levels=3, version="0.4"
    )
    run(VolumeJob(path, tmp_path / "out", network(models["grey"])))
    got = everything(tmp_path / "out")
    whole = denoise(data, models["grey"], axes="ZYX", device="cpu")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, whole)
    for level in ("1", "2"):
        got = halve(got, "ZYX")
        np.testing.assert_array_equal(read_level(tmp_path / "out", level), got)
    record = read_attributes(tmp_path / "out")["napari-gradnet"][-1]
    assert (record["operation"], record["model"]) == ("denoise", "grey")
    assert len(record["model_sha256"]) == 64


def test_colours_and_alpha(tmp_path: Path, models: dict[str, Path]) -> None:
    data = ramp((40, 50, 4), "u1")
    tifffile.imwrite(
        tmp_path / "in.tif", data, photometric="rgb", extrasamples=["unassalpha"]
    )
    run(VolumeJob(tmp_path / "in.tif", tmp_path / "out", network(models["color"])))
    got = everything(tmp_path / "out")
    whole = denoise(data, models["color"], axes="YXS", device="cpu")
    np.testing.assert_array_equal(got, whole.transpose(2, 0, 1))
    np.testing.assert_array_equal(got[3], data[..., 3])
    # channels of an OME-Zarr that the user calls colours
    path = write_ome(tmp_path / "in", data[..., :3].transpose(2, 0, 1), "cyx")
    run(VolumeJob(path, tmp_path / "out2", network(models["color"]), axes="SYX"))
    whole = denoise(data[..., :3], models["color"], axes="YXS", device="cpu")
    np.testing.assert_array_equal(
        everything(tmp_path / "out2"), whole.transpose(2, 0, 1)
    )


@pytest.mark.usefixtures("_small_units")
def test_stacks_of_tiff_in_the_order_of_ome(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    data = ramp((2, 3, 2, 30, 40))
    tifffile.imwrite(tmp_path / "in.tif", data, imagej=True, metadata={"axes": "TZCYX"})
    layout = ZarrLayout(chunks={"Z": 2, "Y": 16, "X": 16}, shards={"Z": 4, "X": 32})
    operation = network(models["grey"])
    run(VolumeJob(tmp_path / "in.tif", tmp_path / "out", operation, layout=layout))
    whole = denoise(data, models["grey"], axes="TZCYX", device="cpu")
    got = everything(tmp_path / "out")
    np.testing.assert_array_equal(got, whole.transpose(0, 2, 1, 3, 4))


@pytest.mark.usefixtures("_small_units")
def test_gradients_by_blocks(tmp_path: Path) -> None:
    data = ramp((2, 40, 45), ">i2")
    path = write_ome(tmp_path / "in", data, "zyx", version="0.4", chunks=(2, 16, 7))
    run(VolumeJob(path, tmp_path / "out", GradientOperation("magnitude")))
    got = everything(tmp_path / "out")
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, sobel_gradient(data.astype("i2")))


@pytest.mark.usefixtures("_small_units")
@pytest.mark.parametrize("method", ["gaussian", "median", "wavelet"])
def test_naive_methods_see_whole_planes(tmp_path: Path, method: str) -> None:
    data = ramp((2, 40, 45))
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(1, 16, 16))
    job = VolumeJob(path, tmp_path / "out", NaiveOperation(method, sigma=900.0))
    run(job)
    whole = naive_denoise(data, method, sigma=900.0, axes="ZYX")
    np.testing.assert_array_equal(everything(tmp_path / "out"), whole)


def test_deep_chunks_are_cut_into_planes_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ramp((6, 40, 45))
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(6, 16, 16))
    operation = NaiveOperation("median", sigma=900.0)
    monkeypatch.setattr("napari_gradnet.io._zarr_layout._MAX_SHARD_BYTES", 10_000)
    monkeypatch.setattr("napari_gradnet.batch.volume_open.MAX_UNIT_BYTES", 16_000)
    job = VolumeJob(path, tmp_path / "out", operation)
    assert run(job) == "chunks are single planes, made as a whole"
    assert zarr.open_array(tmp_path / "out" / "0").chunks == (1, 16, 16)
    whole = naive_denoise(data, "median", sigma=900.0, axes="ZYX")
    np.testing.assert_array_equal(everything(tmp_path / "out"), whole)
    layout = ZarrLayout(chunks={"Z": 6})
    monkeypatch.setattr("napari_gradnet.batch.volume_open.MAX_WHOLE_VALUES", 10_000)
    with pytest.raises(InputError, match="give chunks of one plane"):
        VolumeJob(path, tmp_path / "out2", operation, layout=layout).prepare()


@pytest.mark.usefixtures("_small_units")
def test_pipelines(tmp_path: Path, models: dict[str, Path]) -> None:
    data = ramp((2, 40, 45))
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(1, 16, 16))
    steps = [network(models["grey"], dtype="float32"), GradientOperation("magnitude")]
    run(VolumeJob(path, tmp_path / "out", PipelineOperation(steps, dtype="float32")))
    whole = denoise(data, models["grey"], axes="ZYX", device="cpu", dtype="float32")
    wanted = sobel_gradient(whole)
    np.testing.assert_allclose(
        everything(tmp_path / "out"), wanted, rtol=0, atol=1e-5 * np.ptp(wanted)
    )


@pytest.mark.usefixtures("_small_units")
def test_everything_else_is_passed_through(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    path = write_ome(
        tmp_path / "in", ramp((2, 30, 30)), "zyx", num_levels=2, extra={"mine": 1}
    )
    labels = write_ome(path / "labels" / "cells", ramp((2, 30, 30), "u1"), "zyx")
    (path / "OME").mkdir()
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    run(VolumeJob(path, tmp_path / "out", network(models["grey"])))
    assert contents(tmp_path / "out" / "labels" / "cells") == contents(labels)
    assert (tmp_path / "out" / "OME" / "METADATA.ome.xml").read_text() == "<OME/>"
    assert read_attributes(tmp_path / "out")["mine"] == 1
    # nothing of ours is left behind
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.usefixtures("_small_units")
@pytest.mark.parametrize("model", ["grey", "grey-attention"])
def test_a_resumed_volume_is_the_same_byte_for_byte(
    tmp_path: Path, models: dict[str, Path], model: str
) -> None:
    path = write_ome(
        tmp_path / "in", ramp((2, 40, 45)), "zyx", chunks=(1, 16, 16), num_levels=2
    )

    def job(output: str) -> VolumeJob:
        return VolumeJob(path, tmp_path / output, network(models[model]))

    run(job("once"))
    first = job("twice")
    first.prepare()
    units = units_of(first)
    checksums = {unit: first.run(unit).checksum for unit in units[: len(units) // 2]}
    del first  # killed
    (tmp_path / ".twice.gradnet-part" / "0" / f"c.{'0' * 32}.partial").touch()
    second = job("twice")
    second.prepare()
    assert units_of(second) == units
    again = units[len(units) // 2 - 2 :]  # two units are done twice
    for unit in again:
        result = second.run(unit)
        assert checksums.get(unit, result.checksum) == result.checksum
    second.finish()
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


@pytest.mark.usefixtures("_small_units")
def test_the_scaling_is_settled_once(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 40, 45)), "zyx", chunks=(1, 16, 16))
    VolumeJob(path, tmp_path / "out", network(models["grey"])).prepare()

    def never(*_: object, **__: object) -> None:
        pytest.fail("settled again")

    monkeypatch.setattr("napari_gradnet.batch.volume.sample_volume", never)
    again = VolumeJob(path, tmp_path / "out", network(models["grey"]))
    again.prepare()
    assert again.run(again.stages[0][0]).num_bytes > 0


def test_changed_options_and_inputs_are_noticed(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 30, 30)), "zyx")
    VolumeJob(path, tmp_path / "out", network(models["grey"])).prepare()
    with pytest.raises(FileFormatError, match=r"other options \(operation.ensemble"):
        VolumeJob(
            path, tmp_path / "out", network(models["grey"], ensemble=True)
        ).prepare()
    layout = ZarrLayout(compression="blosc")
    with pytest.raises(FileFormatError, match=r"layout\.compression was 'zstd'"):
        VolumeJob(
            path, tmp_path / "out", network(models["grey"]), layout=layout
        ).prepare()
    chunk = next(p for p in (path / "0" / "c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes())
    with pytest.raises(FileFormatError, match=r"input\.times"):
        VolumeJob(path, tmp_path / "out", network(models["grey"])).prepare()
    job = VolumeJob(path, tmp_path / "out", network(models["grey"]))
    job.discard()
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    job.prepare()


def test_a_crash_between_renaming_and_tidying(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 30, 30)), "zyx")
    job = VolumeJob(path, tmp_path / "out", network(models["grey"]))

    remove = VolumeState.remove

    def die(self: VolumeState) -> None:
        if (tmp_path / "out").exists():
            raise KeyboardInterrupt
        remove(self)

    with monkeypatch.context() as patch:
        patch.setattr(VolumeState, "remove", die)
        with pytest.raises(KeyboardInterrupt):
            run(job)
    before = contents(tmp_path / "out")
    again = VolumeJob(path, tmp_path / "out", network(models["grey"]))
    again.prepare()
    assert units_of(again) == []
    again.finish()
    assert contents(tmp_path / "out") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_a_crash_while_the_output_is_started(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 30, 30)), "zyx")
    job = VolumeJob(path, tmp_path / "out", network(models["grey"]))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("napari_gradnet.batch.volume.VolumeState.save", die)
        with pytest.raises(KeyboardInterrupt):
            job.prepare()
    (tmp_path / ".out.gradnet-part" / "rubbish").touch()
    run(VolumeJob(path, tmp_path / "out", network(models["grey"])))
    assert not (tmp_path / "out" / "rubbish").exists()


def test_existing_outputs(tmp_path: Path, models: dict[str, Path]) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 30, 30)), "zyx")
    other = write_ome(tmp_path / "out", ramp((5, 5)), "yx")
    before = contents(other)
    job = VolumeJob(path, other, network(models["grey"]))
    with pytest.raises(FileFormatError, match="already exists"):
        job.prepare()
    job = VolumeJob(path, other, network(models["grey"]), overwrite=True)
    job.prepare()
    assert contents(other) == before  # until the new one is whole
    run(job)
    assert everything(other).shape == (2, 30, 30)
    with pytest.raises(FileFormatError, match="is the input"):
        VolumeJob(path, path, network(models["grey"]), overwrite=True).prepare()


def test_noise_before_and_after(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = np.full((3, 80, 90), 1000) + rng.normal(0, 50, (3, 80, 90))
    tifffile.imwrite(tmp_path / "in.tif", data.astype("f4"), photometric="minisblack")
    job = VolumeJob(tmp_path / "in.tif", tmp_path / "out", NaiveOperation("gaussian"))
    job.prepare()
    for unit in units_of(job):
        job.run(unit)
    before, after = job.noise() or (0, 0)
    assert before == pytest.approx(50, rel=0.1)
    assert after < 20
    silent = VolumeJob(
        tmp_path / "in.tif",
        tmp_path / "out2",
        GradientOperation("magnitude"),
        measure_noise=False,
    )
    silent.prepare()
    assert silent.noise() is None
    for opened in (job, silent):
        opened.discard()


def test_names_of_units_are_stable(tmp_path: Path, models: dict[str, Path]) -> None:
    data = ramp((1, 2, 3, 40, 45))
    path = write_ome(tmp_path / "in", data, chunks=(1, 1, 1, 16, 16), num_levels=2)
    layout = ZarrLayout(chunks={"Z": 2})
    job = VolumeJob(path, tmp_path / "out", network(models["grey"]), layout=layout)
    job.prepare()
    assert units_of(job) == [
        *(f"0/t0/c{c}/z{z}/y0/x0" for c in (0, 1) for z in (0, 1)),
        "1/t0/c0/z0/y0/x0",  # means of everything at once
    ]
    assert job.num_values == data.size


# -------------------------------------------------------------------- hostile input
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

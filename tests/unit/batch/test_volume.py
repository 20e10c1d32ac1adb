"""Volumes, denoised block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.unit.batch.volume_jobs import (
    MODELS,
    contents,
    everything,
    network,
    run,
    units_of,
)
from tests.zarr_stores import ramp, read_attributes, read_level, write_ome

from napari_gradnet.batch.operations import (
    GradientOperation,
    NaiveOperation,
    PipelineOperation,
)
from napari_gradnet.batch.volume import VolumeJob
from napari_gradnet.errors import InputError
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.io.volumes import ZarrLayout, halve
from napari_gradnet.naive import naive_denoise

if TYPE_CHECKING:
    from pathlib import Path


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
@pytest.mark.parametrize("ensemble", [False, True])
def test_large_planes_take_their_statistics_from_the_documented_windows(
    tmp_path: Path,
    models: dict[str, Path],
    ensemble: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("WHOLE_PIXELS", 1000), ("WINDOW", 32)):
        monkeypatch.setattr(f"napari_gradnet.inference.attention.{name}", value)
    data = ramp((2, 80, 75))
    data[:, :40, :40] += 3000  # windows and whole differ
    path = write_ome(tmp_path / "in", data, "zyx", chunks=(1, 32, 32))
    model = models["grey-attention"]
    operation = network(model, dtype="float32", ensemble=ensemble)
    job = VolumeJob(path, tmp_path / "out", operation)
    job.prepare()
    assert [stage[0].split("/")[0] for stage in job.stages] == ["means", "0"]
    run(job)
    options: dict[str, Any] = {"axes": "ZYX", "device": "cpu", "dtype": "float32"}
    options |= {"tile": 40, "ensemble": ensemble}
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

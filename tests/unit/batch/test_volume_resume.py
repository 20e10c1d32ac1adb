"""Volumes go on after a crash, unless something has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tifffile
from tests.unit.batch.volume_jobs import contents, everything, network, run, units_of
from tests.zarr_stores import ramp, write_ome

from napari_gradnet.batch.operations import NaiveOperation
from napari_gradnet.batch.volume import VolumeJob
from napari_gradnet.batch.volume_state import VolumeState
from napari_gradnet.errors import FileFormatError
from napari_gradnet.io.volumes import ZarrLayout

if TYPE_CHECKING:
    from pathlib import Path


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
@pytest.mark.parametrize("model", ["grey", "grey-attention"])
@pytest.mark.parametrize("damage", ["lost", "empty", "cut", "blank"])
def test_blocks_that_a_power_cut_took_are_noticed(
    tmp_path: Path, models: dict[str, Path], model: str, damage: str
) -> None:
    path = write_ome(
        tmp_path / "in", ramp((2, 40, 45)), "zyx", chunks=(1, 16, 16), num_levels=2
    )
    job = VolumeJob(path, tmp_path / "out", network(models[model]))
    job.prepare()
    checksums: dict[str, str] = {}
    written: dict[str, set[Path]] = {}
    for unit in units_of(job):
        before = set(contents(tmp_path))
        checksums[unit] = job.run(unit).checksum
        written[unit] = {tmp_path / k for k in set(contents(tmp_path)) - before}
    job.close()
    job = VolumeJob(path, tmp_path / "out", network(models[model]))
    job.prepare()
    assert all(job.holds(unit, checksum) for unit, checksum in checksums.items())
    stages = {unit.partition("/")[0]: unit for unit in checksums}
    assert len(stages) == (3 if model == "grey-attention" else 2)
    for unit in stages.values():  # the last of each stage
        file = min(written[unit])
        data = file.read_bytes()
        # "blank": of its length, as some file systems leave it
        damaged = {"empty": b"", "cut": data[:-1], "blank": bytes(len(data))}
        if damage == "lost":
            file.unlink()
        else:
            file.write_bytes(damaged[damage])
    held = {unit for unit, checksum in checksums.items() if job.holds(unit, checksum)}
    assert set(checksums) - held == set(stages.values())


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (">u2", {"byteorder": ">"}),
        (">f4", {"byteorder": ">"}),
        ("u2", {"photometric": "miniswhite"}),
    ],
)
def test_what_is_written_is_found_whatever_the_file(
    tmp_path: Path, dtype: str, options: dict[str, str]
) -> None:
    planes = ramp((2, 40, 45)).astype(dtype)
    tifffile.imwrite(tmp_path / "in.tif", planes, **options, metadata={"axes": "ZYX"})

    def start() -> VolumeJob:
        median = NaiveOperation("median")
        job = VolumeJob(tmp_path / "in.tif", tmp_path / "out", median)
        job.prepare()
        return job

    job = start()
    checksums = {unit: job.run(unit).checksum for unit in units_of(job)}
    job.close()
    job = start()
    held = [job.holds(unit, checksum) for unit, checksum in checksums.items()]
    job.close()
    assert all(held)


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
    (tmp_path / f".out.{'0' * 12}.old").mkdir()  # as of one that was replaced
    again = VolumeJob(path, tmp_path / "out", network(models["grey"]))
    again.prepare()
    assert units_of(again) == []
    assert again.num_values == 0  # the report asks for it
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

"""What an earlier run has begun: gone on with, done again or refused, never lost."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gradnet import api
from napari_gradnet.batch.image import ImageJob
from napari_gradnet.batch.journal import JOURNAL_NAME
from napari_gradnet.batch.local import LocalEngine
from napari_gradnet.batch.volume import VolumeJob
from napari_gradnet.cli import main
from napari_gradnet.errors import FileFormatError, GradNetError
from napari_gradnet.io import open_image
from napari_gradnet.io._zarr_read import ZarrSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.batch.job import Job

OPTIONS: dict[str, Any] = {"naive": "gaussian", "sigma": 20, "workers": 1}
ZARR: dict[str, Any] = {
    "format": "ome-zarr",
    "zarr": {"chunks": {"Y": 32, "X": 32}, "num_levels": 1},
}
VOLUME = "out/s.ome.zarr"


@pytest.fixture
def folder(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A stack of 3 planes in ``in``; the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    stack = rng.poisson(120, (3, 40, 40)).astype(np.uint16)
    tifffile.imwrite("in/s.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    return tmp_path


def pixels(path: str) -> NDArray[Any]:
    with open_image(path) as image:
        return np.stack([image.read_plane(k) for k in range(image.num_planes)])


def failing_at_last(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the last of the 3 units fail."""
    compute = VolumeJob.compute
    calls = []

    def fail(self: VolumeJob, unit: str, data: Any) -> Any:
        calls.append(unit)
        if len(calls) == 3:
            raise error
        return compute(self, unit, data)

    monkeypatch.setattr(VolumeJob, "compute", fail)


def nothing_before_the_stop(
    monkeypatch: pytest.MonkeyPatch, kind: type[Job], *, but: int = 0
) -> None:
    """Let all units, but those of so many first files, wait for the cancellation."""
    compute, iter_run = kind.compute, LocalEngine.iter_run
    engines: list[LocalEngine] = []
    jobs: list[int] = []

    def note(self: LocalEngine, *arguments: Any) -> Any:
        engines.append(self)
        return iter_run(self, *arguments)

    def wait(self: Job, unit: str, data: Any) -> Any:
        if id(self) not in jobs:
            jobs.append(id(self))
        if jobs.index(id(self)) >= but:
            assert engines[-1]._stop.wait(60)
        return compute(self, unit, data)

    # two would mix the units of two files
    monkeypatch.setattr("napari_gradnet.batch.local.NUM_READERS", 1)
    monkeypatch.setattr(LocalEngine, "iter_run", note)
    monkeypatch.setattr(kind, "compute", wait)


def count_units(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The units that are worked on from now on."""
    compute = VolumeJob.compute
    units: list[str] = []

    def count(self: VolumeJob, unit: str, data: Any) -> Any:
        units.append(unit)
        return compute(self, unit, data)

    monkeypatch.setattr(VolumeJob, "compute", count)
    return units


def lose_the_end(folder: Path) -> None:
    """A full disk took the journal's last line."""
    journal = folder / "out" / JOURNAL_NAME
    lines = journal.read_text().splitlines(keepends=True)
    assert '"done"' in lines[-1]
    journal.write_text("".join(lines[:-1]))


def let_it_fail(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        failing_at_last(patch, RuntimeError("of the GPU"))
        assert api.denoise_files("in", "out", **OPTIONS, **ZARR).count("failed") == 1


def let_another_appear(
    folder: Path, kind: type[Job], name: str, layout: dict[str, Any]
) -> None:
    """Let a folder of the output's name appear when all units are done."""
    noise = kind.noise

    def appear(self: Job) -> Any:
        (folder / name).mkdir()
        return noise(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "noise", appear)
        assert api.denoise_files("in", "out", **OPTIONS, **layout).count("failed") == 1


@pytest.mark.parametrize("accident", [lose_the_end, let_it_fail])
def test_units_whose_data_are_gone_are_done_again(
    folder: Path, accident: Callable[[Path], None]
) -> None:
    api.denoise_files("in", "out", **OPTIONS, **ZARR)
    expected = pixels(VOLUME)
    assert expected.min() > 0
    if accident is not lose_the_end:
        shutil.rmtree("out")
    accident(folder)
    assert api.denoise_files("in", "out", **OPTIONS, **ZARR).count("done") == 1
    assert np.array_equal(pixels(VOLUME), expected)


def test_a_volume_that_cannot_be_begun_keeps_what_is_there(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        failing_at_last(patch, OSError(28, "No space left on device"))
        api.denoise_files("in", "out", **OPTIONS, **ZARR)
    (folder / "out" / JOURNAL_NAME).unlink()
    other = {**OPTIONS, "sigma": 21}
    report = api.denoise_files("in", "out", **other, **ZARR)
    assert "finish it with those" in report.files[0].message
    assert (folder / "out" / ".s.ome.zarr.gradnet-part").is_dir()
    assert (folder / "out" / ".s.ome.zarr.gradnet-state").is_dir()


def test_what_a_full_disk_stopped_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        failing_at_last(patch, OSError(28, "No space left on device"))
        api.denoise_files("in", "out", **OPTIONS, **ZARR)
    units = count_units(monkeypatch)
    assert api.denoise_files("in", "out", **OPTIONS, **ZARR).count("done") == 1
    assert len(units) == 1


def test_a_finished_block_that_a_power_cut_took_is_done_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.denoise_files("in", "out", **OPTIONS, **ZARR)
    expected = pixels(VOLUME)
    shutil.rmtree("out")
    with pytest.MonkeyPatch.context() as patch:
        failing_at_last(patch, OSError(28, "No space left on device"))
        api.denoise_files("in", "out", **OPTIONS, **ZARR)
    (folder / "out" / ".s.ome.zarr.gradnet-part" / "0" / "c" / "1" / "0" / "0").unlink()
    units = count_units(monkeypatch)
    events = list(api.iter_denoise_files("in", "out", **OPTIONS, **ZARR))
    assert (events[-1].state, events[-1].done, events[-1].total) == ("done", 3, 3)
    assert sorted(units) == ["0/z1/y0/x0", "0/z2/y0/x0"]
    assert np.array_equal(pixels(VOLUME), expected)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), None])
def test_what_is_computed_is_written_though_another_unit_fails(
    folder: Path, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two units are ready and not written when the third fails."""
    failed = threading.Event()
    write = VolumeJob.write

    def wait(self: VolumeJob, unit: str, result: Any) -> Any:
        assert failed.wait(60)
        return write(self, unit, result)

    compute = VolumeJob.compute
    calls: list[str] = []

    def fail(self: VolumeJob, unit: str, data: Any) -> Any:
        calls.append(unit)
        if len(calls) == 3:
            failed.set()
            raise error or FileFormatError("the file is damaged")
        return compute(self, unit, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VolumeJob, "write", wait)
        patch.setattr(VolumeJob, "compute", fail)
        assert api.denoise_files("in", "out", **OPTIONS, **ZARR).count("failed") == 1
    units = count_units(monkeypatch)
    assert api.denoise_files("in", "out", **OPTIONS, **ZARR).count("done") == 1
    assert len(units) == (1 if error else 3)


@pytest.mark.parametrize("layout", [ZARR, {}])
def test_what_could_not_get_its_name_gets_it_in_the_next_run(
    folder: Path, layout: dict[str, Any]
) -> None:
    """Somebody else's file appeared: all the work was done and is kept."""
    kind = VolumeJob if layout else ImageJob
    name = VOLUME if layout else "out/s.tif"
    api.denoise_files("in", "out", **OPTIONS, **layout)
    expected = pixels(name)
    shutil.rmtree("out")
    let_another_appear(folder, kind, name, layout)
    assert api.denoise_files("in", "out", **OPTIONS, **layout).count("failed") == 1
    (folder / name).rmdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "compute", None)  # nothing is computed again
        assert api.denoise_files("in", "out", **OPTIONS, **layout).count("done") == 1
    assert np.array_equal(pixels(name), expected)
    assert not list((folder / "out").glob(".s*"))


@pytest.mark.parametrize("layout", [ZARR, {}])
def test_a_restart_that_was_stopped_can_go_on(
    folder: Path, layout: dict[str, Any]
) -> None:
    api.denoise_files("in", "out", **OPTIONS, **layout)
    again = {**OPTIONS, "sigma": 30}
    with pytest.MonkeyPatch.context() as patch:
        nothing_before_the_stop(patch, VolumeJob if layout else ImageJob)
        events = api.iter_denoise_files("in", "out", restart=True, **again, **layout)
        assert [next(events).state, next(events).state] == ["queued", "started"]
        events.close()
    assert api.denoise_files("in", "out", **again, **layout).count("done") == 1
    (output,) = (p for p in (folder / "out").iterdir() if p.name.startswith("s."))
    (folder / "other").mkdir()
    api.denoise_files("in", "other", **again, **layout)
    assert np.array_equal(pixels(str(output)), pixels(f"other/{output.name}"))


def test_a_restart_that_was_stopped_goes_on_with_all_files(folder: Path) -> None:
    for name in "abcdef":
        shutil.copy("in/s.tif", f"in/{name}.tif")
    api.denoise_files("in", "out", **OPTIONS)
    again = {**OPTIONS, "sigma": 30}
    with pytest.MonkeyPatch.context() as patch:
        nothing_before_the_stop(patch, ImageJob, but=1)
        events = api.iter_denoise_files("in", "out", restart=True, **again)
        next(event for event in events if event.state == "done")
        events.close()
    plans = api.plan_files("in", "out", **again)
    told = {plan.message for plan in plans}
    assert {"done by an earlier run", "the output exists and would be replaced"} <= told
    report = api.denoise_files("in", "out", **again)
    assert (report.count("skipped"), report.count("done")) == (1, 6)
    api.denoise_files("in", "other", **again)
    for name in "abcdefs":
        assert np.array_equal(pixels(f"out/{name}.tif"), pixels(f"other/{name}.tif"))


def test_what_another_version_has_made_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.denoise_files("in", "out", **OPTIONS)
    monkeypatch.setattr("napari_gradnet.batch.image.__version__", "99.0")
    assert api.denoise_files("in", "out", **OPTIONS).count("skipped") == 1
    # what it has only begun might come out in two ways
    shutil.rmtree("out")
    with pytest.MonkeyPatch.context() as patch:
        nothing_before_the_stop(patch, ImageJob)
        events = api.iter_denoise_files("in", "out", **OPTIONS)
        assert [next(events).state, next(events).state] == ["queued", "started"]
        events.close()
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    with pytest.raises(GradNetError, match=r"begun with .* \(version was '99.0'"):
        api.denoise_files("in", "out", **OPTIONS)


def test_a_dry_run_knows_what_was_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["batch", "in", "-o", "out", "--naive", "gaussian", "--sigma"]
    assert main([*plain, "20"]) == 0
    before = (folder / "out" / JOURNAL_NAME).read_bytes()
    assert main([*plain, "20", "--dry-run"]) == 0
    assert "about 0.0 s  (done by an earlier run)" in capsys.readouterr().out
    assert main([*plain, "30", "--dry-run"]) == 1
    assert "other options (operation.sigma was 20.0" in capsys.readouterr().out
    assert main([*plain, "30", "--restart", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "(the output exists and would be replaced)" in told
    (folder / "foreign").mkdir()
    (folder / "foreign" / "s.tif").write_bytes(b"somebody's")
    foreign = ["batch", "in", "-o", "foreign", "--naive", "gaussian", "--dry-run"]
    assert main(foreign) == 1
    told = capsys.readouterr().out
    assert "about 0.0 s  (the output exists and would be refused: allow overw" in told
    assert main([*foreign, "--overwrite"]) == 0
    assert "(the output exists and would be replaced)" in capsys.readouterr().out
    assert (folder / "out" / JOURNAL_NAME).read_bytes() == before


def test_a_dry_run_reads_a_part_of_a_large_plane(tmp_path: Path) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (1100, 700)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", plane)
    median = {"naive": "median", **ZARR}
    api.denoise_files(tmp_path / "a.tif", tmp_path / "zarr", **median)
    read: list[tuple[slice, ...]] = []
    region = ZarrSource.read_region
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ZarrSource, "read_region", lambda s, r: read.append(r) or region(s, r)
        )
        (plan,) = api.plan_files(tmp_path / "zarr", tmp_path / "out", **median)
    assert plan.seconds is not None
    assert read == [(slice(294, 806), slice(94, 606))]


def test_a_repaired_input_goes_on_where_a_foreign_output_stands(folder: Path) -> None:
    def damaged(*_: object) -> None:
        message = "a damaged plane"
        raise FileFormatError(message)

    (folder / "out").mkdir()
    (folder / "out" / "s.tif").write_bytes(b"somebody's")
    options = {**OPTIONS, "overwrite": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageJob, "compute", damaged)
        assert api.denoise_files("in", "out", **options).count("failed") == 1
    assert (folder / "out" / "s.tif").read_bytes() == b"somebody's"
    tifffile.imwrite("in/s.tif", np.ones((3, 41, 40), np.uint16), imagej=True)
    assert api.denoise_files("in", "out", **options).count("done") == 1
    assert pixels("out/s.tif").shape == (3, 41, 40)


def test_what_has_left_nothing_does_not_hold_a_batch_up(folder: Path) -> None:
    def damaged(*_: object) -> None:
        message = "a damaged plane"
        raise FileFormatError(message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageJob, "compute", damaged)
        assert api.denoise_files("in", "out", **OPTIONS).count("failed") == 1
    assert not (folder / "out" / "s.tif").exists()
    again = {**OPTIONS, "sigma": 30}
    assert api.denoise_files("in", "out", **again).count("done") == 1


def test_an_output_of_somebody_else_is_never_taken_for_ours(folder: Path) -> None:
    let_another_appear(folder, VolumeJob, VOLUME, ZARR)
    assert api.denoise_files("in", "out", **OPTIONS, **ZARR).count("failed") == 1
    assert not any((folder / VOLUME).iterdir())


def test_a_file_of_the_same_name_is_not_called_changed(folder: Path) -> None:
    api.denoise_files("in", "out", **OPTIONS)
    before = (folder / "out" / "s.tif").read_bytes()
    (folder / "more").mkdir()
    tifffile.imwrite("more/s.tif", np.full((2, 20, 20), 7, np.uint16))
    (file,) = api.denoise_files("more", "out", **OPTIONS).files
    source = folder / "in" / "s.tif"
    assert f"s.tif was made from {source}, not from" in file.message
    assert "--restart" not in file.message
    assert (folder / "out" / "s.tif").read_bytes() == before
    # the same file that lies elsewhere now
    (folder / "in").rename(folder / "moved")
    assert api.denoise_files("moved", "out", **OPTIONS).count("skipped") == 1


def test_a_dry_run_tells_names_that_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "s.tif").rename(folder / "in" / "s.ome.tif")
    assert main(["batch", "in", "-o", "out", "--naive", "median", "--dry-run"]) == 1
    assert "s.ome.tif" in capsys.readouterr().out
    assert not (folder / "out").exists()


def test_a_dry_run_checks_chunks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["batch", "in", "-o", "out", "--naive", "median", "--dry-run"]
    layout = ["--format", "ome-zarr", "--chunks", "Y=16,X=16", "--shards"]
    assert main([*plain, *layout, "Y=40,X=32"]) == 1
    assert "cannot be done  (shards of (1, 40, 32) pixels" in capsys.readouterr().out
    assert main([*plain, *layout, "Y=48,X=32"]) == 0


def test_volumes_tell_what_was_left_out(folder: Path) -> None:
    with tifffile.TiffWriter("in/s.tif") as file:
        file.write(np.ones((3, 40, 40), np.uint16), photometric="minisblack")
        file.write(np.ones((5, 40), np.uint16), photometric="minisblack")
    (done,) = api.denoise_files("in", "out", **OPTIONS, **ZARR).files
    assert "of 2 image series only the first" in done.message

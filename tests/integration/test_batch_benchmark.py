"""``gradnet benchmark batch`` and ``overhead``: every figure is there."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from tests.tiny_models import write_tiny_model

from napari_gradnet.batch import bare_speed, benchmark
from napari_gradnet.cli import main
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

ROW = re.compile(
    r"(?P<what>.{38})(?P<mp>.{8})(?P<s>.{9})(?P<rate>.{8})(?P<part>.{9})(?P<busy>.{7})"
    r"(?P<peak>.{9})"
)


def read_rows(printed: str) -> dict[str, dict[str, str]]:
    """Figures by what was measured, from the printed table."""
    head, *lines = printed.splitlines()
    assert re.split(r"  +", head) == [
        *("what", "MP", "s", "MP/s", "of bare", "busy", "peak MB")
    ]
    rows = {}
    for line in lines:
        values = ROW.fullmatch(line)
        assert values, line
        rows[values["what"].strip()] = {
            k: v.strip() for k, v in values.groupdict().items()
        }
    return rows


def test_every_figure_of_a_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(bare_speed, "SECONDS", 0.05)
    ways = []
    measure = benchmark.measure_bare

    def watch(model: object, size: int, how: list[tuple[int, int]]) -> object:
        ways.append(list(how))
        return measure(model, size, how)

    monkeypatch.setattr(benchmark, "measure_bare", watch)
    monkeypatch.setattr(benchmark, "num_processors", lambda: 2)
    model = str(write_tiny_model(tmp_path, "grey"))
    place = tmp_path / "disk"
    place.mkdir()
    arguments = ["--files", "4", "--size", "64", "--planes", "3", "--model", model]
    arguments += ["--workers", "1", "--distributed", "2", "--folder", str(place)]
    assert main(["benchmark", "batch", *arguments]) == 0
    rows = read_rows(capsys.readouterr().out)
    gain = next(name for name in rows if name.startswith("batch, 1 workers: "))
    assert list(rows) == [
        "bare network",
        "file by file",
        gain,
        "volume, 1 workers",
        "batch, 2 distributed",
        "volume, 2 distributed",
    ]
    megapixels = {"batch": 4 * 64 * 64 / 1e6, "volume": 3 * 64 * 64 / 1e6}
    for name, row in rows.items():
        assert float(row["s"]) >= 0
        assert float(row["rate"]) > 0
        assert float(row["peak"]) > 50  # Python with torch takes more
        if name == "bare network":
            assert float(row["part"]) == 1
            continue
        expected = megapixels["volume" if name.startswith("volume") else "batch"]
        assert float(row["mp"]) == pytest.approx(expected, abs=0.06)
        assert row["busy"] or name == "file by file"
    times = re.fullmatch(r"batch, 1 workers: (.+)x file by file", gain)
    assert times
    ratio = float(rows[gain]["rate"]) / float(rows["file by file"]["rate"])
    assert float(times[1]) == pytest.approx(ratio, rel=0.1, abs=0.02)
    # the bare network has the threads that the work beside it has
    assert ways == [[(1, 2), (1, 2)]] * 4 + [[(2, 1)]] * 2
    assert not list(place.iterdir())


def test_a_volume_of_one_plane(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bare_speed, "SECONDS", 0.05)
    model = str(write_tiny_model(tmp_path, "grey"))
    arguments = ["--files", "1", "--size", "64", "--planes", "1", "--model", model]
    arguments += ["--workers", "1", "--distributed", "0"]
    assert main(["benchmark", "batch", *arguments]) == 0
    assert "volume, 1 workers" in read_rows(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["num_planes", "distributed"])
def test_numbers_below_none_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}=-1 must be at least 0"):
        next(benchmark.iter_batch_speed(**{name: -1}))  # type: ignore[arg-type]


def test_files_are_read_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system's cache cannot be asked")
    (tmp_path / "deep").mkdir()
    paths = [tmp_path / "a", tmp_path / "deep" / "b"]
    for path in paths:
        path.write_bytes(b"x")
    dropped = []

    def note(handle: int, start: int, length: int, advice: int) -> None:
        assert (start, length, advice) == (0, 0, os.POSIX_FADV_DONTNEED)
        dropped.append(os.fstat(handle).st_ino)

    monkeypatch.setattr(os, "posix_fadvise", note)
    benchmark._forget_cached(tmp_path)
    assert sorted(dropped) == sorted(path.stat().st_ino for path in paths)


def test_the_overhead_of_engines(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    arguments = ["--units", "40", "--unit-seconds", "0.01", "--most-workers", "2"]
    assert main(["benchmark", "overhead", *arguments]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", head) == [
        *("engine", "workers", "units", "s/unit", "s"),
        *("ms a unit", "speed-up", "10^6 units"),
    ]
    found = [re.split(r"  +", line.strip()) for line in lines]
    assert [(row[0], row[1], row[2]) for row in found] == [
        ("one machine", "2", "40"),
        ("dask", "1", "40"),
        ("dask", "1", "60"),
        ("dask", "2", "120"),
    ]
    for row in found:
        assert row[-1].endswith(" min")
    # what waits 120 times on two workers takes at least so long
    assert float(found[3][4]) >= 120 * 0.01 / 2
    assert float(found[2][6]) == 1
    assert float(found[3][6]) > 0

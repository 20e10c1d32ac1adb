"""The report: whatever the files are called, and also where the disk is full."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from napari_gradnet.batch.events import BatchReport, FileReport
from napari_gradnet.batch.report import reserve_room, write_report

NAMES = ("a\nb.tif", "ü名.tif", 'quo"te,.tif', "bad\udcff.tif", "=1+2.tif")


def make_report(count: int = 1) -> BatchReport:
    files = [
        FileReport(Path(name), Path("out", name), "failed", message=f"{name} is bad")
        for name in NAMES * count
    ]
    return BatchReport(tuple(files), 1.5, 2.0, 2, 0.5)


def test_names_that_are_hardly_names(tmp_path: Path) -> None:
    write_report(make_report(), tmp_path)
    with (tmp_path / "gradnet-report.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [*NAMES[:3], "bad\\udcff.tif", NAMES[4]]
    assert rows[0]["message"] == "a\nb.tif is bad"
    values = json.loads((tmp_path / "gradnet-report.json").read_text())
    assert [row["file"] for row in values["files"]] == list(NAMES)


def test_room_is_kept_and_given_back(tmp_path: Path) -> None:
    reserve_room(tmp_path, 300)
    (kept,) = tmp_path.iterdir()
    size = kept.stat().st_size
    write_report(make_report(60), tmp_path)
    written = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert written.keys() == {"gradnet-report.csv", "gradnet-report.json"}
    assert sum(written.values()) <= size
    reserve_room(tmp_path, 10**9)
    assert kept.stat().st_size <= 1 << 24
    reserve_room(tmp_path / "absent", 1)  # no reason to fail

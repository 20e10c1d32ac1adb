"""The report of a batch: a table for people and spreadsheets, JSON for programs."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.batch.events import BatchReport, FileReport

__all__ = ["CSV_NAME", "JSON_NAME", "reserve_room", "write_report"]

CSV_NAME = "gradnet-report.csv"
JSON_NAME = "gradnet-report.json"
_RESERVE_NAME = ".gradnet-report.reserve"
#: Of both tables together, with a long message.
_BYTES_A_FILE = 1024
_MOST_RESERVED = 1 << 24
_COLUMNS = (
    "file",
    "output",
    "state",
    "seconds",
    "megapixels",
    "sigma_before",
    "sigma_after",
    "message",
)


def reserve_room(folder: Path, count: int) -> None:
    """Keep room on the disk for the report, which matters most when that is full.

    Parameters
    ----------
    folder : Path
        The output folder.
    count : int
        Files that will be reported.
    """
    size = min(_MOST_RESERVED, _BYTES_A_FILE * (count + 8))
    with contextlib.suppress(OSError), (folder / _RESERVE_NAME).open("wb") as file:
        for _ in range(0, size, _BYTES_A_FILE):
            file.write(bytes(_BYTES_A_FILE))


def write_report(report: BatchReport, folder: Path) -> None:
    """Write ``gradnet-report.csv`` and ``.json`` in place of those of an earlier run.

    Parameters
    ----------
    report : BatchReport
        Of a run, whole or not.
    folder : Path
        The output folder.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    with contextlib.suppress(OSError):
        (folder / _RESERVE_NAME).unlink(missing_ok=True)
    rows = [_row(file) for file in report.files]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, _COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    _replace(folder / CSV_NAME, table.getvalue())
    values = {
        "seconds": round(report.seconds, 3),
        "megapixels": round(report.megapixels, 6),
        "workers": report.workers,
        "utilisation": round(report.utilisation, 4),
        "done": report.count("done"),
        "skipped": report.count("skipped"),
        "failed": report.count("failed"),
        "files": rows,
    }
    _replace(folder / JSON_NAME, json.dumps(values, indent=1) + "\n")


def _row(file: FileReport) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "output": str(file.output),
        "state": file.state,
        "seconds": round(file.seconds, 3),
        "megapixels": round(file.megapixels, 6),
        "sigma_before": file.sigma_before,
        "sigma_after": file.sigma_after,
        "message": file.message,
    }


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        # names of files need not be text: what is none is written as \udcff
        data = text.encode("utf-8", "backslashreplace")
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise

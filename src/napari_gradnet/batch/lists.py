"""Lists of inputs: CSV files with a line a file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_gradnet.batch.failures import explain_failure
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.search import NO_FILE, explain_fault, file_kind
from napari_gradnet.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Row", "read_list"]

_INPUT, _OUTPUT = "input", "output"


class Row(NamedTuple):
    """What a line of a list says, for `make_task`."""

    source: Path
    base: Path
    options: BatchOptions
    target: str
    fault: str


def read_list(path: Path, options: BatchOptions) -> Iterator[Row]:
    """Read a CSV list; paths in it are relative to its own folder.

    Parameters
    ----------
    path : Path
        The list.
    options : BatchOptions
        Where a line says nothing else.

    Raises
    ------
    InputError
        It is no such list, or an input does not exist.
    ConfigError
        It holds an unknown column or a wrong value.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as CSV in UTF-8 ({error})"
        raise InputError(msg) from error
    except OSError as error:
        raise InputError(explain_failure(error)) from error
    if not rows or _INPUT not in rows[0]:
        msg = f"{path} needs a first line with a column 'input', and a line a file"
        raise InputError(msg)
    for number, row in enumerate(rows, start=2):
        source = path.parent / Path(row[_INPUT] or "").expanduser()
        fault = ""
        try:
            kind = file_kind(source)
        except OSError as error:
            fault, kind = explain_fault(source, error), "file"
        if kind == "other":
            fault = NO_FILE.format(source)
        if not row[_INPUT] or not kind:
            msg = f"{path}, line {number}: {row[_INPUT]!r} does not exist"
            raise InputError(msg)
        own = _row_options(row, options, f"{path}, line {number}")
        # what does not lie below the list's folder gives its output its name alone
        base = source.parent
        if source.is_relative_to(path.parent) and ".." not in Path(row[_INPUT]).parts:
            base = path.parent
        target = (row.get(_OUTPUT) or "").strip()
        yield Row(source, base, own, target, fault)


def _row_options(
    row: dict[str, Any], options: BatchOptions, where: str
) -> BatchOptions:
    if None in row:
        msg = f"{where}: more values than columns"
        raise InputError(msg)
    given = {
        key: _parsed(key, value)
        for key, value in row.items()
        if key not in (_INPUT, _OUTPUT) and value not in (None, "")
    }
    if not given:
        return options
    try:
        return BatchOptions.parse({**options.model_dump(), **given}, "list")
    except ConfigError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error


def _parsed(key: str, value: str) -> Any:
    """What a cell means where its text alone does not tell."""
    if key == "value_range":
        return value.replace(";", " ").split()
    if key == "vst":
        return {"on": True, "true": True, "off": False, "false": False}.get(
            value.lower(), value
        )
    return value

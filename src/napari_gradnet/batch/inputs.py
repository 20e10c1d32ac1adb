"""From patterns, folders and lists to inputs and outputs of a batch."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_gradnet.batch.failures import explain_failure
from napari_gradnet.batch.identity import file_node
from napari_gradnet.batch.lists import read_list
from napari_gradnet.batch.search import (
    NO_FILE,
    explain_fault,
    explain_nothing,
    file_kind,
    fixed_folder,
    is_zarr,
    match_images,
    walk_images,
)
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gradnet.batch.options import BatchOptions

    AnyPath = str | os.PathLike[str]

__all__ = ["Task", "find_tasks", "make_task"]

_RASTER = (".png", ".jpg", ".jpeg")
_DRIVE = re.compile("[A-Za-z]:")


@dataclass(frozen=True)
class Task:
    """One input and what becomes of it.

    Parameters
    ----------
    source : Path
        A file, or the folder of an OME-Zarr image.
    target : Path
        The output.
    name : str
        Of the output in the output folder, with ``/`` between folders.
    options : BatchOptions
    fault : str
        Why the input cannot be looked at, for the report; mostly empty.
    """

    source: Path
    target: Path
    name: str
    options: BatchOptions
    fault: str = ""

    @property
    def is_zarr(self) -> bool:
        """Whether the input is an OME-Zarr image."""
        return _is_folder(self.source)

    @property
    def num_bytes(self) -> int:
        """Bytes of the input file; 0 where that cannot be told."""
        try:
            return 0 if self.is_zarr else self.source.stat().st_size
        except OSError:
            return 0


def _is_folder(path: Path) -> bool:
    try:
        return file_kind(path) == "folder"
    except OSError:
        return False


def find_tasks(
    inputs: AnyPath | Sequence[AnyPath], output: AnyPath, options: BatchOptions
) -> list[Task]:
    """Find the inputs and name the outputs.

    Parameters
    ----------
    inputs : path or sequence of path
        Files, folders (searched with all that is below them, but for the output
        folders of batches), patterns such as ``raw/**/*.tif``, OME-Zarr folders, and
        lists: a ``.csv`` with a column ``input``, perhaps ``output`` (below the output
        folder), and any of the fields of `BatchOptions`.
    output : path
        The output folder. Outputs have the inputs' names, in the same folders below
        it as the inputs have below the folder or pattern that found them.
    options : BatchOptions
        For all files, unless a list says otherwise.

    Returns
    -------
    list of Task

    Raises
    ------
    InputError
        Nothing is found, two inputs would make one output, an output would lie outside
        the output folder or on an input, or links lead in a circle.
    ConfigError
        A list holds an unknown column or a wrong value.
    """
    folder = Path(output).expanduser()
    try:
        free = file_kind(folder) in ("", "folder")
    except OSError as error:
        raise InputError(explain_failure(error)) from error
    if not free:
        msg = f"{folder} is a file: name a folder for the outputs"
        raise InputError(msg)
    names = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not names:
        msg = "no inputs are given: name files, folders, patterns or a .csv list"
        raise InputError(msg)
    tasks: dict[str, Task] = {}
    for name in names:
        for task in _find(os.fspath(name), folder, options):
            _add(tasks, task)
    _check_outputs(tasks, folder)
    return list(tasks.values())


def _add(tasks: dict[str, Task], task: Task) -> None:
    key = os.path.normcase(task.name)
    other = tasks.setdefault(key, task)
    if other is task:
        return
    if other.source.absolute() != task.source.absolute():
        msg = (
            f"{other.source} and {task.source} would both be written to {task.target}: "
            "use one output folder for each, or a list with a column 'output'"
        )
        raise InputError(msg)
    if other.options != task.options:
        msg = f"{task.source} is listed twice, with different options"
        raise InputError(msg)


def _check_outputs(tasks: dict[str, Task], folder: Path) -> None:
    """Refuse outputs that lie elsewhere or whose writing would harm an input."""
    root = folder.resolve()
    sources = {file_node(t.source): t.source for t in tasks.values()}
    sources.pop(None, None)
    real = {_real(t.source) for t in tasks.values()}
    around = {p for r in {r.parent for r in real} for p in (r, *r.parents)}
    parents: set[Path] = set()
    for task in tasks.values():
        # links of an output may lead to the input of another one
        source = sources.get(file_node(task.target))
        if source is not None:
            also = "" if source == task.target else f", by a link {source},"
            msg = (
                f"{task.target}{also} is an input of this batch: choose another "
                "output folder"
            )
            raise InputError(msg)
        if _real(task.target) in around:
            msg = (
                f"{task.target} holds an input of this batch: choose another output "
                "folder"
            )
            raise InputError(msg)
        if task.target.parent in parents:
            continue
        parents.add(task.target.parent)
        # a link below the output folder may lead elsewhere
        parent = _real(task.target.parent)
        if not parent.is_relative_to(root):
            msg = f"{task.target} leads out of the output folder {folder}: refused"
            raise InputError(msg)
        if not real.isdisjoint((parent, *parent.parents)):
            msg = (
                f"{task.target} lies in an input of this batch: choose another output "
                "folder"
            )
            raise InputError(msg)


def _real(path: Path) -> Path:
    """Follow links; a circle of them is no error here, unlike for `Path.resolve`."""
    return Path(os.path.realpath(path))


def _find(name: str, folder: Path, options: BatchOptions) -> Iterator[Task]:
    path = Path(name).expanduser()
    fault = kind = ""
    single = False
    try:
        kind = file_kind(path)
        single = kind == "file" or is_zarr(path)
    except OSError as error:
        fault = explain_fault(path, error)
    if kind == "other":
        fault = NO_FILE.format(path)
    if fault:
        yield make_task(path, path.parent, folder, options, fault=fault)
        return
    if single and path.suffix.lower() == ".csv":
        yield from (
            make_task(r.source, r.base, folder, r.options, r.target, fault=r.fault)
            for r in read_list(path, options)
        )
        return
    if single:
        yield make_task(path, path.parent, folder, options)
        return
    if kind == "folder":
        base, images = path, walk_images(path, folder.resolve())
    elif glob.has_magic(str(path)):
        base, images = (
            fixed_folder(str(path)),
            match_images(str(path), folder.resolve()),
        )
    else:
        msg = f"{path} does not exist: name a file, a folder or a pattern"
        raise InputError(msg)
    found = False
    for image in images:
        found = True
        yield make_task(image.path, base, folder, options, fault=image.fault)
    if not found:
        raise InputError(explain_nothing(path, is_folder=kind == "folder"))


def make_task(
    source: Path,
    base: Path,
    folder: Path,
    options: BatchOptions,
    target: str = "",
    *,
    fault: str = "",
) -> Task:
    """Name the output of one input.

    Parameters
    ----------
    source : Path
        The input.
    base : Path
        What the output's folders are counted from.
    folder : Path
        The output folder.
    options : BatchOptions
        What is done, on which the suffix depends.
    target : str
        Name of the output below `folder`, instead of the input's.
    fault : str
        Why the input cannot be looked at.

    Raises
    ------
    InputError
        The output would lie outside the folder.
    """
    if target:
        name = PurePosixPath(target.replace("\\", "/"))
    else:
        try:
            name = PurePosixPath(source.relative_to(base).as_posix())
        except ValueError:
            name = PurePosixPath(source.name)
        if not name.parts:  # the folder itself, where that cannot be listed
            name = PurePosixPath(source.resolve().name or "root")
        if not fault:
            name = _suffixed(name, options, is_folder=_is_folder(source))
    if not name.parts:
        msg = (
            f"output {target!r} of {source} names no file: write '{source.name}' or "
            "leave it empty"
        )
        raise InputError(msg)
    # a colon elsewhere is a part of a name, as in 12:30.tif
    if name.is_absolute() or ".." in name.parts or _DRIVE.match(target):
        msg = f"output '{name}' of {source} leads out of the output folder: refused"
        raise InputError(msg)
    return Task(source, folder / name, str(name), options, fault)


def _suffixed(
    name: PurePosixPath, options: BatchOptions, *, is_folder: bool
) -> PurePosixPath:
    """Give a name the suffix of what will be written."""
    suffix = name.suffix.lower()
    if options.format == "ome-zarr" and not is_folder:
        stem = name.stem.removesuffix(".ome")
        return name.with_name(f"{stem}.ome.zarr")
    if suffix in _RASTER and options.gives_float:
        return name.with_suffix(".tif")
    return name

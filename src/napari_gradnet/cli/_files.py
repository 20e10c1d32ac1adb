"""Inputs and outputs of the commands that turn files into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_gradnet.batch.failures import explain_failure
from napari_gradnet.batch.identity import file_node
from napari_gradnet.cli._progress import ProgressBar
from napari_gradnet.errors import GradNetError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["AXES", "FILE_ARGUMENTS", "apply_options", "output_paths", "process_files"]

_IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")

AXES = click.option(
    "--axes",
    metavar="LETTERS",
    help="One letter a dimension, e.g. TZCYX or YXS, where the file's own are wrong.",
)


def _refuse_folders(
    _context: click.Context, _parameter: click.Parameter, paths: tuple[Path, ...]
) -> tuple[Path, ...]:
    for path in paths:
        if path.is_dir():
            msg = (
                f"{str(path)!r} is a folder: this command takes image files; for "
                "folders and OME-Zarr use 'gradnet batch' (with --naive or --gradient "
                "for what is not a network)"
            )
            raise click.BadParameter(msg)
    return paths


FILE_ARGUMENTS = (
    click.argument(
        "inputs",
        nargs=-1,
        required=True,
        metavar="IN...",
        type=click.Path(exists=True, path_type=Path),
        callback=_refuse_folders,
    ),
    click.option(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        type=click.Path(path_type=Path),
        help="Output file, or a folder (made if missing) that takes the inputs' names.",
    ),
    AXES,
    click.option("--overwrite", is_flag=True, help="Replace existing outputs."),
)


def apply_options(options: Iterable[Any]) -> Callable[[Any], Any]:
    """Put several click decorators into one, in reading order."""

    def decorate(function: Any) -> Any:
        for option in reversed(tuple(options)):
            function = option(function)
        return function

    return decorate


def output_paths(
    inputs: tuple[Path, ...], output: Path, suffix: str | None = None
) -> list[Path]:
    """Name an output for every input.

    Parameters
    ----------
    inputs : tuple of Path
        What was given.
    output : Path
        A file for one input, else a folder.
    suffix : str, optional
        Replaces the inputs' suffixes in a folder.

    Raises
    ------
    click.UsageError
        Two inputs would have the same output, or one file is named for many inputs.
    """
    if not output.is_dir():
        # with one input any suffix means a file: the writer tells which there are
        if len(inputs) == 1 and output.suffix:
            return [output]
        if output.suffix.lower() in _IMAGE_SUFFIXES:
            msg = (
                f"{len(inputs)} inputs cannot all be written to {output}: name a folder"
            )
            raise click.UsageError(msg)
        if output.exists():
            msg = f"{output} is a file: name a folder or an image file"
            raise click.UsageError(msg)
    names = [p.with_suffix(suffix).name if suffix else p.name for p in inputs]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        msg = f"several inputs are called {sorted(twice)[0]}: use one folder for each"
        raise click.UsageError(msg)
    output.mkdir(parents=True, exist_ok=True)
    return [output / name for name in names]


def _check_output(output: Path, source: Path | None, own: Path) -> None:
    """Refuse to replace another input; of the own one the writer tells."""
    if source is not None and source != own:
        msg = f"{output} is the input {source} as well: choose another output folder"
        raise InputError(msg)


def process_files(
    inputs: tuple[Path, ...],
    outputs: list[Path],
    work: Callable[[Path, Path, ProgressBar], str],
) -> int:
    """Work on files one after the other; one that fails does not stop the rest.

    Returns
    -------
    int
        Exit code: 0, or 1 when a file failed.
    """
    failed = 0
    sources = {file_node(path): path for path in inputs}
    sources.pop(None, None)
    for path, output in zip(inputs, outputs, strict=True):
        try:
            _check_output(output, sources.get(file_node(output)), path)
            with ProgressBar(path.name) as bar:
                message = work(path, output, bar)
            note = f" ({message})" if message else ""
            click.echo(f"{path} -> {output}  {bar.seconds:.1f} s{note}")
        except (GradNetError, OSError) as error:
            failed += 1
            click.echo(f"Error: {path}: {error}", err=True)
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - told; the other files go on
            failed += 1
            click.echo(f"Error: {path}: {explain_failure(error)}", err=True)
    if failed and len(inputs) > 1:
        click.echo(f"{failed} of {len(inputs)} files failed", err=True)
    return 1 if failed else 0

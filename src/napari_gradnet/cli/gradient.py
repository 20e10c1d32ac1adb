"""``gradnet gradient``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from napari_gradnet.cli._files import (
    FILE_ARGUMENTS,
    apply_options,
    output_paths,
    process_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.cli._progress import ProgressBar

__all__ = ["command"]


@click.command("gradient")
@apply_options(FILE_ARGUMENTS)
@click.option(
    "--kind",
    type=click.Choice(["magnitude", "horizontal", "vertical", "orientation"]),
    default="magnitude",
    show_default=True,
)
def command(inputs: tuple[Path, ...], output: Path, **options: Any) -> int:
    """Write the Sobel gradient of images, as float32 TIFF."""
    from napari_gradnet import api

    def work(path: Path, target: Path, bar: ProgressBar) -> str:
        return api.gradient_file(path, target, on_event=bar, **options)

    return process_files(inputs, output_paths(inputs, output, ".tif"), work)

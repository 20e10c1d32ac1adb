"""``gradnet naive``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from napari_gradnet.cli._files import (
    FILE_ARGUMENTS,
    apply_options,
    output_paths,
    process_files,
)
from napari_gradnet.cli.denoise import VST, VST_VALUES

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.cli._progress import ProgressBar

__all__ = ["command"]


@click.command("naive")
@apply_options(FILE_ARGUMENTS)
@click.option(
    "--method",
    default="bm3d",
    show_default=True,
    help="bm3d (licensed for non-commercial use only), dncnn, nlm, wavelet, tv, "
    "bilateral, median or gaussian.",
)
@click.option("--sigma", type=float, help="Noise, in the file's units; else estimated.")
@click.option(
    "--sigma-factor", type=float, default=1.0, show_default=True, help="Times sigma."
)
@click.option(
    "--dtype", type=click.Choice(["same", "float32"]), default="same", show_default=True
)
@VST
def command(inputs: tuple[Path, ...], output: Path, vst: str, **options: Any) -> int:
    """Denoise images with a classical method."""
    from napari_gradnet import api

    def work(path: Path, target: Path, bar: ProgressBar) -> str:
        return api.naive_denoise_file(
            path, target, vst=VST_VALUES[vst], on_event=bar, **options
        )

    return process_files(inputs, output_paths(inputs, output), work)

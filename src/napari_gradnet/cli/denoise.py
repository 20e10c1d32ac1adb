"""``gradnet denoise``."""

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

__all__ = ["DEVICE_OPTIONS", "ENSEMBLE", "VST", "VST_VALUES", "command"]

VST = click.option(
    "--vst",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Stabilise the variance of counts before denoising.",
)
VST_VALUES: dict[str, Any] = {"auto": "auto", "on": True, "off": False}

ENSEMBLE = click.option(
    "--ensemble/--no-ensemble",
    default=None,
    help="Average 8 flips and rotations; else as the model says.",
)

DEVICE_OPTIONS = (
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, mps."),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
    ),
    click.option("--tile", type=click.IntRange(1), help="Largest tile, pixels."),
    click.option(
        "--dtype", default="same", show_default=True, help="same, float32, ..."
    ),
    ENSEMBLE,
    VST,
    click.option(
        "--nan",
        type=click.Choice(["raise", "keep"]),
        default="raise",
        show_default=True,
        help="Refuse NaN and infinity, or keep them where they are.",
    ),
    click.option(
        "--range",
        "value_range",
        nargs=2,
        type=float,
        metavar="BLACK WHITE",
        help="In the file's units; measured when not given.",
    ),
)


@click.command("denoise")
@apply_options(FILE_ARGUMENTS)
@click.option(
    "--model",
    default="auto",
    show_default=True,
    help="A packaged model (see 'gradnet models') or a model file.",
)
@apply_options(DEVICE_OPTIONS)
def command(
    inputs: tuple[Path, ...],
    output: Path,
    vst: str,
    **options: Any,
) -> int:
    """Denoise images with a trained network.

    Each output is of the same kind as its input and keeps axes, pixel size, units,
    channel names, colours and time steps.
    """
    from napari_gradnet import api

    def work(path: Path, target: Path, bar: ProgressBar) -> str:
        return api.denoise_file(
            path, target, vst=VST_VALUES[vst], on_event=bar, **options
        )

    return process_files(inputs, output_paths(inputs, output), work)

"""``gradnet benchmark``: accuracy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from napari_gradnet.cli._benchmark_options import (
    DEVICE,
    FOLDER,
    GREY,
    LIMIT,
    LUMA,
    MODELS,
    NOISES,
    PRECISION,
    SIDE,
    SIGMAS,
    ManyValues,
)
from napari_gradnet.cli.denoise import ENSEMBLE, VST_VALUES

__all__ = ["accuracy", "card", "failures", "pairs", "tiles"]


@click.command("accuracy", cls=ManyValues)
@FOLDER
@SIGMAS
@MODELS
@click.option(
    "--naive",
    multiple=True,
    default=("bm3d",),
    show_default=True,
    help="'none' for none.",
)
@NOISES
@click.option(
    "--split",
    multiple=True,
    type=float,
    metavar="EPSILON",
    help="PSNR of textured and smooth pixels too (gradient above EPSILON or not).",
)
@GREY
@LUMA
@click.option("--crop", type=click.IntRange(8), help="Centre crop (Kodak24: 500).")
@LIMIT
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of the noise.",
)
@DEVICE
@PRECISION
@ENSEMBLE
def accuracy(
    folder: Path, models: tuple[str, ...], naive: tuple[str, ...], **options: Any
) -> None:
    """Measure PSNR and SSIM on made noise, unclipped and unquantised.

    Naive denoisers are told the true noise, networks are told nothing.
    """
    from napari_gradnet import api

    methods = () if naive == ("none",) else naive
    rows = api.benchmark_accuracy(folder, models or None, methods, **options)
    other = bool(options["noises"])
    width = 48 if other else 6
    title = "noise" if other else "sigma"
    click.echo(
        f"{'method':22s}{title:>{width}s}{'PSNR':>8s}{'SSIM':>8s}{'s/image':>9s}"
    )
    count = 0
    for row in rows:
        count = row.num_images
        noise = row.noise if other else f"{row.sigma:g}"
        click.echo(
            f"{row.method:22s}{noise:>{width}s}{row.psnr:8.2f}{row.ssim:8.4f}"
            f"{row.seconds:9.3f}"
        )
        for epsilon, textured, smooth in row.split:
            click.echo(
                f"  gradient above {epsilon:g}: textured {_decibels(textured)}, "
                f"smooth {_decibels(smooth)}"
            )
    click.echo(f"{count} images of {folder.name}; SSIM window 7; means over images")


def _decibels(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.2f} dB"


@click.command("pairs")
@click.argument("noisy")
@click.argument("clean")
@MODELS
@click.option("--naive", multiple=True, help="Classical methods, if any.")
@click.option(
    "--vst",
    multiple=True,
    type=click.Choice(list(VST_VALUES)),
    default=("auto",),
    show_default=True,
    help="Stabilise the variance of counts; several give a row each.",
)
@click.option("--affine", is_flag=True, help="Fit gain and offset to the clean image.")
@click.option("--every", type=click.IntRange(1), default=1, help="Each n-th pair.")
@click.option(
    "--write", metavar="NAME", help="Put the figures into the model files, so named."
)
@DEVICE
@PRECISION
@ENSEMBLE
def pairs(
    noisy: str,
    clean: str,
    models: tuple[str, ...],
    vst: tuple[str, ...],
    **options: Any,
) -> None:
    """Measure PSNR and SSIM on pairs of real images, folders or quoted globs."""
    from napari_gradnet import api

    kinds = [VST_VALUES[kind] for kind in vst]
    click.echo(
        f"{'method':22s}{'vst':>6s}{'PSNR':>8s}{'SSIM':>8s}{'worst gain':>12s}"
        f"{'s/image':>9s}"
    )
    count = 0
    for row in api.benchmark_pairs(noisy, clean, models or None, vst=kinds, **options):
        count = row.num_pairs
        click.echo(
            f"{row.method:22s}{row.vst!s:>6s}{row.psnr:8.2f}{row.ssim:8.4f}"
            f"{row.worst_gain:12.2f}{row.seconds:9.3f}"
        )
    click.echo(f"{count} pairs; SSIM window 7; means over images")


@click.command("tiles")
@FOLDER
@MODELS
@click.option(
    "--sigma",
    type=click.FloatRange(0),
    default=25.0,
    show_default=True,
    help="Levels of 255.",
)
@click.option("--tile", type=SIDE, default=300, show_default=True, help="Side, pixels.")
@LIMIT
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of the noise.",
)
@DEVICE
@PRECISION
def tiles(folder: Path, models: tuple[str, ...], **options: Any) -> None:
    """Compare tiles with the whole image, and both with the bare network."""
    from napari_gradnet import api

    click.echo(
        f"{'model':22s}{'size':>12s}{'bare dB':>9s}{'whole dB':>10s}{'tiled dB':>10s}"
        f"{'largest difference / 255':>26s}"
    )
    for row in api.benchmark_tiles(folder, models, **options):
        size = f"{row.size[0]} x {row.size[1]}"
        click.echo(
            f"{row.model:22s}{size:>12s}{row.plain_psnr:9.4f}{row.whole_psnr:10.4f}"
            f"{row.tiled_psnr:10.4f}{row.difference:26.6f}"
        )


@click.command("failures")
@click.argument("model")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture of all cases, PNG or JPEG.",
)
@click.option(
    "--noise",
    default="gaussian=25",
    show_default=True,
    metavar="KIND=NUMBER",
    help="Of all but the clean photo.",
)
@DEVICE
@PRECISION
def failures(model: str, output: Path | None, **options: Any) -> None:
    """Show what a model does to text, patterns, faint texture and a clean photo."""
    from napari_gradnet import api

    click.echo(f"{'case':12s}{'noisy dB':>10s}{'denoised dB':>13s}")
    for case in api.benchmark_failures(model, output, **options):
        click.echo(f"{case.name:12s}{case.psnr_noisy:10.2f}{case.psnr_denoised:13.2f}")


def _parse_crops(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, int]:
    crops = {}
    for value in values:
        name, sign, pixels = value.partition("=")
        if not sign or not pixels.isdecimal():
            msg = f"{value!r} is no FOLDER=PIXELS, such as Kodak24=500"
            raise click.BadParameter(msg)
        crops[name] = int(pixels)
    return crops


@click.command("card", cls=ManyValues)
@click.argument("model")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@SIGMAS
@NOISES
@click.option(
    "--crop",
    "crops",
    multiple=True,
    metavar="FOLDER=PIXELS",
    callback=_parse_crops,
    help="Centre crop of a folder's images, e.g. Kodak24=500.",
)
@GREY
@LUMA
@DEVICE
@click.option("--write", is_flag=True, help="Put the figures into the model file.")
def card(model: str, folders: tuple[Path, ...], **options: Any) -> None:
    """Measure the figures of a model's card on folders of clean images."""
    from napari_gradnet import api

    click.echo(api.benchmark_card(model, folders, **options))

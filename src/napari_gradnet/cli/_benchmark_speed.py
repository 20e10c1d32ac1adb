"""``gradnet benchmark``: speed and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from napari_gradnet.cli._benchmark_options import (
    COUNT,
    DEVICE,
    MODELS,
    PRECISION,
    SIDE,
)

__all__ = ["batch", "inference", "overhead", "stack", "training", "volume"]


@click.command("inference")
@MODELS
@DEVICE
@PRECISION
@click.option(
    "--size", type=SIDE, default=2048, show_default=True, help="Side, pixels."
)
@click.option("--repeats", type=COUNT, default=3, show_default=True)
def inference(models: tuple[str, ...], **options: Any) -> None:
    """Measure megapixels per second, memory, and what tiling and scaling cost.

    Each model runs in a process of its own, so that none uses memory that another left.
    """
    from napari_gradnet import api

    click.echo(
        f"{'model':22s}{'precision':>10s}{'weights':>10s}{'MAC/px':>11s}{'MP/s':>8s}"
        f"{'bare MP/s':>11s}{'ratio':>7s}{'peak MB':>9s}"
    )
    device = ""
    for row in api.benchmark_inference(models, **options):
        device = row.device
        click.echo(
            f"{row.model:22s}{row.precision:>10s}{row.parameters:10,d}"
            f"{row.macs_per_pixel:11,.0f}{row.megapixels_per_second:8.3f}"
            f"{row.bare_megapixels_per_second:11.3f}{row.ratio:7.2f}"
            f"{row.peak_megabytes:9.0f}"
        )
    click.echo(f"device: {device}; image: {options['size']} x {options['size']} pixels")


@click.command("training")
@click.option("--network", "networks", multiple=True, help="All when not given.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default=("float32",),
    show_default=True,
)
@DEVICE
@click.option(
    "--batch-size", type=COUNT, default=16, show_default=True, help="Patches a step."
)
@click.option("--patch-size", type=SIDE, default=64, show_default=True, help="Pixels.")
@click.option("--seconds", default=10.0, show_default=True, help="For each loop.")
@click.option(
    "--workers", default=2, show_default=True, help="Processes of the DataLoader."
)
def training(networks: tuple[str, ...], **options: Any) -> None:
    """Measure patches per second beside a plain PyTorch DataLoader loop."""
    from napari_gradnet import api

    click.echo(
        f"{'network':16s}{'precision':>10s}{'weights':>11s}{'patches/s':>11s}"
        f"{'waiting':>9s}{'DataLoader':>12s}{'matrix rate':>13s}"
    )
    device = ""
    for row in api.benchmark_training(networks, **options):
        device = row.device
        part = "" if row.matrix_fraction is None else f"{row.matrix_fraction:.1%}"
        click.echo(
            f"{row.network:16s}{row.precision:>10s}{row.parameters:11,d}"
            f"{row.patches_per_second:11.1f}{row.wait_fraction:9.1%}"
            f"{row.loader_patches_per_second:12.1f}{part:>13s}"
        )
    click.echo(
        f"device: {device}; batches of {options['batch_size']} patches of "
        f"{options['patch_size']} pixels; DataLoader: {options['workers']} processes"
    )


@click.command("stack")
@click.argument("model")
@click.option("--planes", "num_planes", type=COUNT, default=2048, show_default=True)
@click.option(
    "--size", type=SIDE, default=1024, show_default=True, help="Side, pixels."
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where there is room for the stack, twice.",
)
@DEVICE
def stack(model: str, **options: Any) -> None:
    """Denoise a long 16-bit TIFF stack and watch the memory."""
    from napari_gradnet import api

    row = api.benchmark_stack(model, **options)
    click.echo(
        f"{row.gigabytes:.2f} GB in {row.num_planes} planes: {row.seconds:.0f} s, "
        f"peak memory {row.peak_megabytes:.0f} MB"
    )


@click.command("batch")
@click.option("--model", default="dn-resnet-13-gray", show_default=True)
@click.option(
    "--files", "num_files", type=COUNT, default=200, show_default=True, help="TIFFs."
)
@click.option(
    "--size", type=SIDE, default=1024, show_default=True, help="Side, pixels."
)
@click.option(
    "--planes",
    "num_planes",
    type=click.IntRange(0),
    default=32,
    show_default=True,
    help="Of the OME-Zarr volume; 0 for none.",
)
@click.option("--workers", type=COUNT, help="Those of auto if not given.")
@click.option(
    "--distributed",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Dask processes; 0 for none.",
)
@DEVICE
@click.option("--vst", type=click.Choice(["auto", "off"]), default="auto")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The disk to measure; made files are removed.",
)
def batch(workers: int | None, vst: str, **options: Any) -> None:
    """Measure many files and a volume, from disk to disk, beside the bare network."""
    from napari_gradnet import api

    click.echo(
        f"{'what':38s}{'MP':>8s}{'s':>9s}{'MP/s':>8s}{'of bare':>9s}{'busy':>7s}"
        f"{'peak MB':>9s}"
    )
    rows = api.benchmark_batch(
        workers=workers or "auto", vst="auto" if vst == "auto" else False, **options
    )
    for row in rows:
        busy = "" if row.utilisation is None else f"{row.utilisation:.0%}"
        click.echo(
            f"{row.what:38s}{row.megapixels:8.1f}{row.seconds:9.2f}"
            f"{row.megapixels_per_second:8.3f}{row.fraction:9.2f}{busy:>7s}"
            f"{row.peak_megabytes:9.0f}"
        )


@click.command("volume")
@click.option("--gigabytes", default=60.0, show_default=True, help="Decoded.")
@click.option(
    "--side", type=SIDE, default=2048, show_default=True, help="Of a plane, pixels."
)
@click.option(
    "--depth", type=COUNT, default=1, show_default=True, help="Planes of a chunk."
)
@click.option("--dtype", default="uint16", show_default=True)
@click.option("--model", help="A packaged model's name or a file.")
@click.option("--naive", metavar="METHOD", help="A classical method instead.")
@click.option("--gradient", metavar="KIND", help="magnitude, if nothing is named.")
@click.option("--workers", type=COUNT, help="Those of auto if not given.")
@click.option("--seconds", type=float, help="Stop after so long; estimate the rest.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The disk to use; made files are removed.",
)
def volume(
    model: str | None,
    naive: str | None,
    gradient: str | None,
    workers: int | None,
    **options: Any,
) -> None:
    """Measure the memory that a volume takes which is far larger than it.

    The volume is an OME-Zarr of mostly blank planes, which take no room on the disk.
    """
    from napari_gradnet import api

    named = {"model": model, "naive": naive, "gradient": gradient}
    what: dict[str, Any] = {k: v for k, v in named.items() if v}
    what = what or {"gradient": "magnitude"}
    row = api.benchmark_volume(workers=workers or "auto", **options, **what)
    shape = " x ".join(map(str, row.shape))
    click.echo(
        f"{row.operation}: {row.gigabytes:.1f} GB ({shape} of {options['dtype']})"
    )
    click.echo(
        f"{row.units} of {row.total_units} blocks in {row.seconds:.0f} s, "
        f"{row.megapixels_per_second:.2f} MP/s ({row.hours_for_all:.2f} h for all)"
    )
    click.echo(
        f"peak memory {row.peak_megabytes:.0f} MB ({row.start_megabytes:.0f} MB before)"
    )


@click.command("overhead")
@click.option(
    "--units", type=COUNT, default=2000, show_default=True, help="That do not wait."
)
@click.option(
    "--unit-seconds", default=0.05, show_default=True, help="Of a simulated device."
)
@click.option(
    "--most-workers", type=COUNT, default=4, show_default=True, help="Dask processes."
)
def overhead(**options: Any) -> None:
    """Measure what the engines of a batch cost, with units that only wait."""
    from napari_gradnet import api

    click.echo(
        f"{'engine':14s}{'workers':>8s}{'units':>8s}{'s/unit':>8s}{'s':>9s}"
        f"{'ms a unit':>11s}{'speed-up':>10s}{'10^6 units':>13s}"
    )
    for row in api.benchmark_overhead(**options):
        speedup = "" if row.speedup is None else f"{row.speedup:.2f}"
        minutes = row.milliseconds_a_unit / 1e3 * 1e6 / 60
        click.echo(
            f"{row.engine:14s}{row.workers:8d}{row.units:8d}{row.unit_seconds:8.3f}"
            f"{row.seconds:9.2f}{row.milliseconds_a_unit:11.3f}{speedup:>10s}"
            f"{minutes:9.1f} min"
        )

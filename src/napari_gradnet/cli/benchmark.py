"""``gradnet benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from napari_gradnet.cli.denoise import VST_VALUES

__all__ = ["command"]


class _ManyValues(click.Command):
    """Lets ``--sigma 15 25 50`` stand for three times ``--sigma``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        inside = False
        for word in args:
            if inside and _is_number(word):
                if spread[-1] != "--sigma":
                    spread.append("--sigma")
            else:
                inside = word == "--sigma"
            spread.append(word)
        return super().parse_args(ctx, spread)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


_MODELS = click.option("--model", "models", multiple=True, help="All when not given.")
_DEVICE = click.option("--device", default="auto", show_default=True)
_PRECISION = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
)
_SIGMAS = click.option(
    "--sigma",
    "sigmas",
    multiple=True,
    type=float,
    default=(15.0, 25.0, 50.0),
    show_default=True,
    help="Noise, levels of 255; several numbers may follow.",
)
_NOISES = click.option(
    "--noise",
    "noises",
    multiple=True,
    metavar="KIND=NUMBER",
    help="Instead of --sigma: poisson=PEAK, poisson-gaussian=PEAK, jpeg=QUALITY, ...",
)
_LUMA = click.option(
    "--luma", is_flag=True, help="Compare luma, as for compressed images."
)
_LIMIT = click.option("--limit", type=click.IntRange(1), help="Only so many images.")
_GREY = click.option("--grey", is_flag=True, help="Turn the images to luma.")
_FOLDER = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


@click.group("benchmark")
def command() -> None:
    """Measure accuracy and speed."""


@command.command("inference")
@_MODELS
@_DEVICE
@_PRECISION
@click.option("--size", default=2048, show_default=True, help="Side, pixels.")
@click.option("--repeats", default=3, show_default=True)
def inference(models: tuple[str, ...], **options: Any) -> None:
    """Measure megapixels per second, memory, and what tiling and scaling cost."""
    from napari_gradnet import api

    click.echo(
        f"{'model':22s}{'precision':>10s}{'weights':>10s}{'MAC/px':>9s}{'MP/s':>8s}"
        f"{'bare MP/s':>11s}{'ratio':>7s}{'peak MB':>9s}"
    )
    device = ""
    for row in api.benchmark_inference(models, **options):
        device = row.device
        click.echo(
            f"{row.model:22s}{row.precision:>10s}{row.parameters:10,d}"
            f"{row.macs_per_pixel:9,.0f}{row.megapixels_per_second:8.3f}"
            f"{row.bare_megapixels_per_second:11.3f}{row.ratio:7.2f}"
            f"{row.peak_megabytes:9.0f}"
        )
    click.echo(f"device: {device}; image: {options['size']} x {options['size']} pixels")


@command.command("accuracy", cls=_ManyValues)
@_FOLDER
@_SIGMAS
@_MODELS
@click.option(
    "--naive",
    multiple=True,
    default=("bm3d",),
    show_default=True,
    help="'none' for none.",
)
@_NOISES
@click.option(
    "--split",
    multiple=True,
    type=float,
    metavar="EPSILON",
    help="PSNR of textured and smooth pixels too (gradient above EPSILON or not).",
)
@_GREY
@_LUMA
@click.option("--crop", type=click.IntRange(8), help="Centre crop (Kodak24: 500).")
@_LIMIT
@click.option("--seed", default=0, show_default=True, help="Of the noise.")
@_DEVICE
@_PRECISION
@click.option("--ensemble", is_flag=True, help="Average 8 flips and rotations.")
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
                f"  gradient above {epsilon:g}: textured {textured:.2f} dB, "
                f"smooth {smooth:.2f} dB"
            )
    click.echo(f"{count} images of {folder.name}; SSIM window 7; means over images")


@command.command("pairs")
@click.argument("noisy")
@click.argument("clean")
@_MODELS
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
@_DEVICE
@_PRECISION
@click.option("--ensemble", is_flag=True, help="Average 8 flips and rotations.")
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


@command.command("tiles")
@_FOLDER
@_MODELS
@click.option("--sigma", default=25.0, show_default=True, help="Levels of 255.")
@click.option("--tile", default=300, show_default=True, help="Side, pixels.")
@_LIMIT
@click.option("--seed", default=0, show_default=True, help="Of the noise.")
@_DEVICE
@_PRECISION
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


@command.command("stack")
@click.argument("model")
@click.option("--planes", "num_planes", default=2048, show_default=True)
@click.option("--size", default=1024, show_default=True, help="Side, pixels.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where there is room for the stack, twice.",
)
@_DEVICE
def stack(model: str, **options: Any) -> None:
    """Denoise a long 16-bit TIFF stack and watch the memory."""
    from napari_gradnet import api

    row = api.benchmark_stack(model, **options)
    click.echo(
        f"{row.gigabytes:.2f} GB in {row.num_planes} planes: {row.seconds:.0f} s, "
        f"peak memory {row.peak_megabytes:.0f} MB"
    )


@command.command("failures")
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
@_DEVICE
@_PRECISION
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
        if not sign or not pixels.isdigit():
            msg = f"{value!r} is no FOLDER=PIXELS, such as Kodak24=500"
            raise click.BadParameter(msg)
        crops[name] = int(pixels)
    return crops


@command.command("card", cls=_ManyValues)
@click.argument("model")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@_SIGMAS
@_NOISES
@click.option(
    "--crop",
    "crops",
    multiple=True,
    metavar="FOLDER=PIXELS",
    callback=_parse_crops,
    help="Centre crop of a folder's images, e.g. Kodak24=500.",
)
@_GREY
@_LUMA
@_DEVICE
@click.option("--write", is_flag=True, help="Put the figures into the model file.")
def card(model: str, folders: tuple[Path, ...], **options: Any) -> None:
    """Measure the figures of a model's card on folders of clean images."""
    from napari_gradnet import api

    click.echo(api.benchmark_card(model, folders, **options))


@command.command("training")
@click.option("--network", "networks", multiple=True, help="All when not given.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default=("float32",),
    show_default=True,
)
@_DEVICE
@click.option("--batch-size", default=16, show_default=True, help="Patches a step.")
@click.option("--patch-size", default=64, show_default=True, help="Pixels.")
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


@command.command("batch")
@click.option("--model", default="dn-resnet-13-gray", show_default=True)
@click.option("--files", "num_files", default=200, show_default=True, help="TIFFs.")
@click.option("--size", default=1024, show_default=True, help="Side, pixels.")
@click.option(
    "--planes",
    "num_planes",
    default=32,
    show_default=True,
    help="Of the OME-Zarr volume; 0 for none.",
)
@click.option("--workers", type=click.IntRange(1), help="Those of auto if not given.")
@click.option(
    "--distributed", default=2, show_default=True, help="Dask processes; 0 for none."
)
@_DEVICE
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


@command.command("volume")
@click.option("--gigabytes", default=60.0, show_default=True, help="Decoded.")
@click.option("--side", default=2048, show_default=True, help="Of a plane, pixels.")
@click.option("--depth", default=1, show_default=True, help="Planes of a chunk.")
@click.option("--dtype", default="uint16", show_default=True)
@click.option("--model", help="A packaged model's name or a file.")
@click.option("--naive", metavar="METHOD", help="A classical method instead.")
@click.option("--gradient", metavar="KIND", help="magnitude, if nothing is named.")
@click.option("--workers", type=click.IntRange(1), help="Those of auto if not given.")
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


@command.command("overhead")
@click.option("--units", default=2000, show_default=True, help="That do not wait.")
@click.option(
    "--unit-seconds", default=0.05, show_default=True, help="Of a simulated device."
)
@click.option("--most-workers", default=4, show_default=True, help="Dask processes.")
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

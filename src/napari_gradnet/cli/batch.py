"""``gradnet batch``."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_gradnet.cli._files import AXES, apply_options
from napari_gradnet.cli.denoise import DEVICE_OPTIONS, VST_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from tqdm import tqdm

    from napari_gradnet.batch.events import BatchReport, FileEvent
    from napari_gradnet.events import Event

__all__ = ["command"]


def _parse_sizes(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> dict[str, int] | None:
    """Pixels along axes: ``Y=512,X=512``."""
    if value is None:
        return None
    sizes = {}
    for part in value.split(","):
        letter, sign, pixels = part.partition("=")
        if not (sign and pixels.strip().isdecimal()):
            msg = f"{value!r}: write it as Y=512,X=512"
            raise click.BadParameter(msg)
        sizes[letter.strip().upper()] = int(pixels)
    return sizes


def _parse_workers(
    _context: click.Context, _parameter: click.Parameter, value: str
) -> int | str:
    """Read a number or ``auto``."""
    if value == "auto":
        return value
    if not value.isdecimal() or int(value) < 1:
        msg = f"{value!r} is neither a number of at least 1 nor auto"
        raise click.BadParameter(msg)
    return int(value)


_WHAT = (
    click.option(
        "--model",
        default="auto",
        show_default=True,
        help="A packaged model (see 'gradnet models') or a model file.",
    ),
    click.option(
        "--naive",
        metavar="METHOD",
        help="A classical method (see 'gradnet naive') instead of the network, or "
        "before it where --model names one.",
    ),
    click.option(
        "--gradient",
        type=click.Choice(["magnitude", "horizontal", "vertical", "orientation"]),
        help="Write the gradient, of the denoised image where --naive or --model says "
        "how.",
    ),
    click.option("--sigma", type=float, help="Noise for --naive; else estimated."),
    click.option(
        "--sigma-factor", type=float, default=1.0, show_default=True, help="Times it."
    ),
    AXES,
    *DEVICE_OPTIONS,
)
_OUTPUTS = (
    click.option(
        "--format",
        type=click.Choice(["same", "ome-zarr"]),
        default="same",
        show_default=True,
        help="Of the outputs.",
    ),
    click.option(
        "--chunks",
        metavar="Y=512,X=512",
        callback=_parse_sizes,
        help="OME-Zarr: pixels of a chunk.",
    ),
    click.option(
        "--shards",
        metavar="Y=4096,X=4096",
        callback=_parse_sizes,
        help="OME-Zarr 0.5: pixels of a file of several chunks.",
    ),
    click.option(
        "--compression",
        type=click.Choice(["zstd", "blosc", "none"]),
        help="OME-Zarr.",
    ),
    click.option("--levels", type=click.IntRange(1), help="OME-Zarr: resolutions."),
    click.option("--overwrite", is_flag=True, help="Replace existing outputs."),
    click.option(
        "--restart", is_flag=True, help="Forget the journal and begin these anew."
    ),
    click.option("--dry-run", is_flag=True, help="Say what would be done, and stop."),
)
_WHERE = (
    click.option(
        "--workers",
        metavar="NUMBER|auto",
        callback=_parse_workers,
        default="auto",
        show_default=True,
        help="Threads that compute.",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS", help="Of dask, e.g. tcp://host:8786."
    ),
    click.option(
        "--local-cluster",
        type=click.IntRange(1),
        metavar="N",
        help="A dask cluster of N processes on this machine.",
    ),
    click.option(
        "--watch",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Denoise what arrives in a folder until Ctrl-C.",
    ),
    click.option(
        "--settle",
        "settle_seconds",
        type=click.FloatRange(0),
        default=5.0,
        show_default=True,
        help="--watch: seconds without a change after which a file is taken.",
    ),
)


@click.command("batch")
@click.argument("patterns", nargs=-1, metavar="PATTERN...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for the outputs; the inputs' tree is kept below it.",
)
@apply_options(_WHAT)
@apply_options(_OUTPUTS)
@apply_options(_WHERE)
def command(
    patterns: tuple[str, ...],
    output: Path,
    watch: tuple[Path, ...],
    dry_run: bool,
    **options: Any,
) -> int:
    """Denoise many files, resumable, here or on a cluster.

    PATTERN is a file, a folder, a pattern in quotes such as 'raw/**/*.tif', or a .csv
    list with a column 'input' and perhaps 'output' and options. TIFF, PNG, JPEG and
    OME-Zarr are read. The same command again does only what is missing.
    """
    if bool(patterns) == bool(watch):
        msg = "give either PATTERN... or --watch DIR"
        raise click.UsageError(msg)
    if dry_run and watch:
        msg = "--dry-run cannot look at files that have not arrived"
        raise click.UsageError(msg)
    inputs = [*patterns, *watch]
    _gather_layout(options)
    options["vst"] = VST_VALUES[options["vst"]]
    if dry_run:
        return _tell_plan(inputs, output, options)
    return _run(inputs, output, watch=bool(watch), **options)


def _gather_layout(options: dict[str, Any]) -> None:
    """Put the options of OME-Zarr into one."""
    fields = {
        "chunks": options.pop("chunks"),
        "shards": options.pop("shards"),
        "compression": options.pop("compression"),
        "num_levels": options.pop("levels"),
    }
    options["zarr"] = {k: v for k, v in fields.items() if v is not None}


def _tell_plan(inputs: list[Any], output: Path, options: dict[str, Any]) -> int:
    from napari_gradnet import api

    for name in ("scheduler", "local_cluster"):
        del options[name]
    del options["settle_seconds"]
    plans = api.plan_files(inputs, output, **options)
    for plan in plans:
        if plan.axes:
            size = "x".join(map(str, plan.shape))
            may = "" if plan.seconds is None else f"  about {_time(plan.seconds)}"
            what = f"{plan.axes} {size} {plan.dtype}  {plan.megapixels:.1f} MP{may}"
        else:
            what = "cannot be done"
        note = f"  ({plan.message})" if plan.message else ""
        click.echo(f"{plan.path} -> {plan.output}  {what}{note}")
    total = sum(plan.megapixels for plan in plans)
    seconds = sum(plan.seconds or 0.0 for plan in plans)
    click.echo(f"{len(plans)} files, {total:.1f} MP, about {_time(seconds)}")
    return 1 if any(plan.would_fail for plan in plans) else 0


def _run(inputs: list[Any], output: Path, **options: Any) -> int:
    from napari_gradnet import api

    again = "the same command goes on with the rest"
    if options["restart"]:
        again += ", but leave out --restart"
    with _Screen() as screen:
        try:
            report = api.denoise_files(inputs, output, on_event=screen, **options)
        except KeyboardInterrupt:
            screen.end()
            click.echo(
                f"{screen.finished} of {screen.count} files are finished; {again}",
                err=True,
            )
            raise
    _tell_report(report, output)
    return 1 if report.failed or report.message else 0


def _tell_report(report: BatchReport, output: Path) -> None:
    where = "" if report.message else f"; {output / 'gradnet-report.csv'}"
    rate = report.megapixels / report.seconds if report.seconds else 0.0
    click.echo(
        f"{report.count('done')} done, {report.count('skipped')} skipped, "
        f"{len(report.failed)} failed; {report.megapixels:.1f} MP in "
        f"{_time(report.seconds)} ({rate:.2f} MP/s), {report.workers} workers busy "
        f"{report.utilisation:.0%}{where}"
    )


class _Screen:
    """Shows events: a line for each finished file, a bar of all on a terminal."""

    def __init__(self) -> None:
        self.finished = 0
        self.count = 0
        self._bar: tqdm[object] | None = None
        self._told = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        from napari_gradnet.batch.events import FileEvent

        if not isinstance(event, FileEvent):
            return
        self.finished, self.count = event.finished, event.count
        if event.state == "done":
            note = f" ({event.message})" if event.message else ""
            line = f"{event.path} -> {event.output}  {event.seconds:.1f} s{note}"
            self._write(line, err=False)
        elif event.state == "failed":
            self._write(f"Error: {event.path}: {event.message}", err=True)
        if sys.stderr.isatty():
            self._draw(event)

    def _write(self, line: str, *, err: bool) -> None:
        with self._hidden_bar():
            click.echo(line, err=err)

    @contextlib.contextmanager
    def _hidden_bar(self) -> Iterator[None]:
        if self._bar is None:
            yield
            return
        self._bar.clear()
        yield
        self._bar.refresh()

    def _draw(self, event: FileEvent) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=event.count,
                unit="file",
                leave=False,
                bar_format="{n_fmt}/{total_fmt} files |{bar}| {elapsed}{postfix}",
            )
        self._bar.total = event.count
        self._bar.n = event.finished
        left = "" if event.time_left is None else f"{_time(event.time_left)} left"
        self._bar.set_postfix_str(left)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


def _time(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"

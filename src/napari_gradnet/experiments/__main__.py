"""``python -m napari_gradnet.experiments``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_gradnet.errors import GradNetError
from napari_gradnet.experiments.comparison import (
    Result,
    check_claims,
    choose_cases,
    iter_comparison,
)
from napari_gradnet.experiments.definitions import COMPARISONS
from napari_gradnet.training.events import StepDone, Validated

if TYPE_CHECKING:
    from napari_gradnet.events import Event
    from napari_gradnet.experiments.comparison import Comparison

_TITLES = "  ".join(f"{c.name}: {c.title}." for c in COMPARISONS.values())


@click.command(help=f"Train the cases of a comparison and print its table.  {_TITLES}")
@click.argument("name", type=click.Choice(list(COMPARISONS)))
@click.argument("images", type=click.Path(exists=True, file_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folders.")
@click.option("--case", "cases", multiple=True, help="Only these; all by default.")
@click.option("--patches", default=20_000, show_default=True, help="Each case's.")
@click.option("--crops", default=1, show_default=True, help="Of an image an epoch.")
@click.option("--learning-rate", default=1e-3, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", default="float32", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Of the CPU.")
@click.option("--seed", default=0, show_default=True)
@click.option("--tiny", is_flag=True, help="Tiny networks, to try it out.")
@click.option("--log-every", default=100, show_default=True, help="Steps a line.")
def command(
    name: str,
    images: str,
    output: Path | None,
    cases: tuple[str, ...],
    patches: int,
    crops: int,
    log_every: int,
    *,
    tiny: bool,
    **training: Any,
) -> None:
    """Run a comparison and print its table."""
    training["num_threads"] = training.pop("threads")
    folder = output or Path("runs") / name
    results: dict[str, Result] = {}
    try:
        comparison = choose_cases(COMPARISONS[name], cases)
        events = iter_comparison(
            comparison,
            images,
            folder,
            patches=patches,
            crops_per_image=crops,
            overrides=training,
            tiny=tiny,
        )
        for event in events:
            _show(event, log_every)
            if isinstance(event, Result):
                results[event.case] = event
    except GradNetError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"\n{comparison.title}; {patches:,} patches each")
    _show_table(comparison, results)


def _show(event: Event | Result, log_every: int) -> None:
    if isinstance(event, Result):
        click.echo(f"{event.case}: {event.psnr:.3f} dB")
    elif isinstance(event, Validated):
        click.echo(f"  epoch {event.epoch}  PSNR {event.psnr:.3f} dB")
    elif isinstance(event, StepDone) and event.step % log_every == 0:
        click.echo(f"  step {event.step}  loss {event.loss:.5f}")


def _show_table(comparison: Comparison, results: dict[str, Result]) -> None:
    click.echo(f"{'case':20s}{'weights':>10s}{'steps':>8s}{'PSNR':>9s}{'s':>8s}")
    for row in results.values():
        click.echo(
            f"{row.case:20s}{row.parameters:10,d}{row.steps:8d}{row.psnr:9.3f}"
            f"{row.seconds:8.0f}"
        )
    for claim, gain in check_claims(comparison, results):
        verdict = "holds" if gain > 0 else "does not hold"
        click.echo(f"{claim.text}: {verdict} ({gain:+.3f} dB)")


if __name__ == "__main__":
    command()

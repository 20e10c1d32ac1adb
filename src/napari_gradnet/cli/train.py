"""``gradnet train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

if TYPE_CHECKING:
    from napari_gradnet.events import Event

__all__ = ["command"]


def _parse_setting(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    settings = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not sign or not key:
            msg = f"{value!r} is no KEY=VALUE, such as training.num_epochs=5"
            raise click.BadParameter(msg)
        settings[key] = yaml.safe_load(text)
    return settings


@click.command("train")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Run folder.  [default: runs/NAME]",
)
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parse_setting,
    help="Override a value, e.g. training.num_epochs=5.",
)
@click.option("--log-every", default=100, show_default=True, help="Steps a line.")
def command(
    config: Path,
    output: Path | None,
    settings: dict[str, Any],
    log_every: int,
    *,
    resume: bool,
) -> int:
    """Train a network as a YAML file says.

    Ctrl-C writes a checkpoint; --resume goes on from it.
    """
    from napari_gradnet import api
    from napari_gradnet.events import drain

    def show(event: Event) -> None:
        line = _describe(event, log_every)
        if line:
            click.echo(line)
            sys.stdout.flush()

    work = api.iter_train(config, output, resume=resume, overrides=settings)
    click.echo(f"model: {drain(work, show)}")
    return 0


def _describe(event: Event, log_every: int) -> str:
    kind = type(event).__name__
    values: Any = event
    if kind == "Started":
        return "\n".join([values.message, *(f"skipped {s}" for s in values.skipped)])
    if kind == "StepDone":
        if values.step % log_every:
            return ""
        return (
            f"step {values.step}  epoch {values.epoch}  {values.progress:.1%}  loss "
            f"{values.loss:.5f}  lr {values.learning_rate:.2e}  "
            f"{values.patches_per_second:.1f} patches/s  waiting "
            f"{values.wait_fraction:.1%}"
        )
    if kind == "Validated":
        mark = "  best" if values.is_best else ""
        parts = " / ".join(f"{v:.2f}" for v in values.psnrs)
        return (
            f"epoch {values.epoch}  PSNR {values.psnr:.3f} dB ({parts}), noisy "
            f"{values.noisy_psnr:.2f}{mark}"
        )
    return ""

"""``gradnet train``."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from napari_gradnet.cli._events import (
    interrupt_at_end_of_input,
    write_event,
    write_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        try:
            settings[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            msg = f"{text!r} is no YAML value: {error}"
            raise click.BadParameter(msg) from error
    return settings


def _print_recipe(
    context: click.Context, _parameter: click.Parameter, name: str | None
) -> None:
    if name is None or context.resilient_parsing:
        return
    from napari_gradnet.recipes import list_recipes, read_recipe

    recipes = list_recipes()
    if name == "list":
        for recipe, line in recipes.items():
            click.echo(f"{recipe:24s}{line}")
    elif name in recipes:
        click.echo(read_recipe(name), nl=False)
    else:
        msg = f"{name!r} is no recipe: use list, or one of {', '.join(recipes)}"
        raise click.BadParameter(msg)
    context.exit()


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
    "--check",
    is_flag=True,
    help="Only read the data, run a few steps, and estimate time and memory.",
)
@click.option(
    "--finish",
    is_flag=True,
    help="Only make a model of the best weights that the run in the folder has so far.",
)
@click.option(
    "--init",
    metavar="RECIPE",
    is_eager=True,
    expose_value=False,
    callback=_print_recipe,
    help="Print a commented configuration to start from; 'list' names them.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parse_setting,
    help="Override a value, e.g. training.num_epochs=5.",
)
@click.option(
    "--log-every",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Steps a line.",
)
@click.option(
    "--events",
    is_flag=True,
    help="For programs: write every event as a line of JSON, and stop with a "
    "checkpoint when the standard input ends.",
)
def command(
    config: Path,
    output: Path | None,
    settings: dict[str, Any],
    log_every: int,
    *,
    resume: bool,
    check: bool,
    finish: bool,
    events: bool,
) -> int:
    """Train a network as a YAML file says.

    Ctrl-C and SIGTERM write a checkpoint; --resume goes on from it. Several GPUs:
    torchrun --nproc-per-node=2 --no-python gradnet train CONFIG.
    """
    speaks = os.environ.get("RANK", "0") == "0"
    if events:
        interrupt_at_end_of_input()
    if check:
        return _check(config, settings, events=events)
    with _signals_noted() as was_interrupted:
        from napari_gradnet import api
        from napari_gradnet.events import drain

        def show(event: Event) -> None:
            if speaks and events:
                write_event(event)
            elif speaks and (line := _describe(event, log_every)):
                click.echo(line)
                sys.stdout.flush()
            if was_interrupted():
                raise KeyboardInterrupt

        if finish:
            model = api.finish_training(output or _default_folder(config, settings))
        else:
            work = api.iter_train(config, output, resume=resume, overrides=settings)
            model = drain(work, show)
    if speaks and events:
        write_line("Finished", {"model": model})
    elif speaks:
        click.echo(f"model: {model}")
    return 0


def _default_folder(config: Path, settings: dict[str, Any]) -> Path:
    from napari_gradnet.training.run import load_experiment

    return Path("runs") / load_experiment(config, settings).name


@contextmanager
def _signals_noted() -> Iterator[Callable[[], bool]]:
    """Let a step end before Ctrl-C or SIGTERM stop the work; a second one does not."""
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        with suppress(OSError):  # nobody may be listening any more
            click.echo("stopping after this step; once more stops at once", err=True)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _check(config: Path, settings: dict[str, Any], *, events: bool) -> int:
    from napari_gradnet import api

    report = api.check_training(config, overrides=settings)
    if events:
        write_line("CheckReport", vars(report))
        return 0
    for skipped in report.skipped:
        click.echo(f"skipped {skipped}")
    for warning in report.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"images: {report.images} for training, {report.held_out} held out")
    click.echo(f"network: {report.parameters:,} parameters, on {report.device}")
    if len(report.stages) > 1:
        click.echo(f"stages: {', '.join(report.stages)}")
    click.echo(f"loss of the first batch: {report.loss:.5f}")
    click.echo(
        f"steps: at most {report.total_steps:,} ({report.steps_per_epoch:,} an epoch), "
        f"{report.seconds_per_step:.3f} s each"
    )
    click.echo(f"time: about {report.hours:.2f} hours, validation apart")
    click.echo(
        f"memory: about {report.image_megabytes:.0f} MB for images and "
        f"{report.peak_megabytes:.0f} MB for a step"
    )
    return 0


def _describe(event: Event, log_every: int) -> str:
    kind = type(event).__name__
    describe = _LINES.get(kind)
    if kind == "StepDone" and getattr(event, "step", 0) % log_every:
        return ""
    return describe(event) if describe else ""


def _started(event: Any) -> str:
    skipped = [f"skipped {s}" for s in event.skipped]
    return "\n".join(
        [event.message, *skipped, *(f"warning: {w}" for w in event.warnings)]
    )


def _stage(event: Any) -> str:
    if event.total == 1:
        return ""
    return f"stage {event.number} of {event.total}: {event.name} ({event.message})"


def _step(event: Any) -> str:
    return (
        f"step {event.step}  epoch {event.epoch}  {event.progress:.1%}  loss "
        f"{event.loss:.5f}  lr {event.learning_rate:.2e}  "
        f"{event.patches_per_second:.1f} patches/s  waiting {event.wait_fraction:.1%}"
    )


def _validated(event: Any) -> str:
    mark = "  kept" if event.is_kept else ""
    parts = " / ".join(f"{v:.2f}" for v in event.psnrs)
    line = (
        f"epoch {event.epoch}  PSNR {event.psnr:.3f} dB ({parts}), noisy "
        f"{event.noisy_psnr:.2f}{mark}"
    )
    if len(event.source_psnrs) == 1:
        return line
    each = (f"{v:.3f} dB of {name}" for name, v in event.source_psnrs.items())
    return "\n  ".join([line, *each])


_LINES: dict[str, Callable[[Any], str]] = {
    "Started": _started,
    "StageStarted": _stage,
    "StepDone": _step,
    "Validated": _validated,
    "Restarted": lambda event: f"warning: {event.message}",
}

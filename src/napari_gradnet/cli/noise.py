"""``gradnet noise``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_gradnet.cli._files import AXES
from napari_gradnet.errors import GradNetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_gradnet.api import NoiseEstimate

__all__ = ["command"]


@click.command("noise")
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    metavar="IN...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@AXES
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(inputs: tuple[Path, ...], axes: str | None, *, as_json: bool) -> int:
    """Estimate the noise of images, in each file's units."""
    from napari_gradnet import api

    failed = False
    for path in inputs:
        try:
            estimate = api.describe_noise(path, axes=axes)
        except (GradNetError, OSError) as error:
            failed = True
            click.echo(f"Error: {path}: {error}", err=True)
            continue
        if as_json:
            values = {
                "file": str(path),
                "sigma": estimate.sigma,
                "channel_sigmas": estimate.channel_sigmas,
                **_law(estimate),
                "channels": [_law(channel) for channel in estimate.channels],
            }
            click.echo(json.dumps(values))
        else:
            click.echo("\n".join([str(path), *_lines(estimate)]))
    return 1 if failed else 0


def _law(estimate: NoiseEstimate) -> dict[str, float]:
    """The law of a camera and how well it fits."""
    names = ("gain", "offset", "read_noise", "confidence")
    return {name: getattr(estimate, name) for name in names}


def _lines(estimate: NoiseEstimate) -> Iterator[str]:
    """Name and numbers; of a law one for each channel that has its own."""
    laws = [_law(channel) for channel in estimate.channels or (estimate,)]
    rows = {
        "sigma": (estimate.sigma,),
        "channel_sigmas": estimate.channel_sigmas,
        **{name: [law[name] for law in laws] for name in laws[0]},
    }
    for name, values in rows.items():
        yield f"  {name:15s} {'  '.join(f'{value:.6g}' for value in values)}"

"""``gradnet noise``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from napari_gradnet.cli._files import AXES
from napari_gradnet.errors import GradNetError

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
        names = (
            "sigma",
            "channel_sigmas",
            "gain",
            "offset",
            "read_noise",
            "confidence",
        )
        values = {name: getattr(estimate, name) for name in names}
        if as_json:
            click.echo(json.dumps({"file": str(path), **values}))
            continue
        click.echo(f"{path}")
        for name, value in values.items():
            numbers = value if isinstance(value, tuple) else (value,)
            click.echo(f"  {name:15s} {'  '.join(f'{v:.6g}' for v in numbers)}")
    return 1 if failed else 0

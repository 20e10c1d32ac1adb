"""``gradnet models``."""

from __future__ import annotations

import json

import click

__all__ = ["command"]


@click.command("models")
@click.argument("name", required=False)
def command(name: str | None) -> int:
    """List the packaged models, or show all about one."""
    from napari_gradnet import api
    from napari_gradnet.errors import ModelError

    models = {m.name: m for m in api.list_models()}
    if name is None:
        for model in models.values():
            colour = "colour" if model.channels == 3 else "grey"
            click.echo(f"{model.name:22s} {colour:7s} {model.description}")
        return 0
    if name not in models:
        msg = f"no packaged model {name!r}: there are {', '.join(models) or 'none'}"
        raise ModelError(msg)
    model = models[name]
    click.echo(f"file: {model.path}\nsha256: {model.sha256}")
    click.echo(json.dumps(model.header.model_dump(mode="json"), indent=2))
    return 0

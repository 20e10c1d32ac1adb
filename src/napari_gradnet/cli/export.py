"""``gradnet export``."""

from __future__ import annotations

from pathlib import Path

import click

from napari_gradnet.cli.denoise import ENSEMBLE

__all__ = ["command"]


@click.command("export")
@click.argument("model")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@ENSEMBLE
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command(model: str, output: Path, *, ensemble: bool | None, overwrite: bool) -> int:
    """Write a network for other programs: ONNX or torch.export.

    OUTPUT ends in .onnx or .pt2. The network takes intensities in [0, 1], float32,
    shape (N, C, H, W); a model without a guide network has a second input.
    """
    from napari_gradnet import api

    difference = api.export_network(
        model, output, ensemble=ensemble, overwrite=overwrite
    )
    click.echo(f"{output}: differs from PyTorch by at most {difference:.2g}")
    return 0

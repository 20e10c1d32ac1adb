"""``gradnet benchmark``."""

from __future__ import annotations

import click

from napari_gradnet.cli._benchmark_accuracy import (
    accuracy,
    card,
    failures,
    pairs,
    tiles,
)
from napari_gradnet.cli._benchmark_speed import (
    batch,
    inference,
    overhead,
    stack,
    training,
    volume,
)

__all__ = ["command"]


@click.group("benchmark")
def command() -> None:
    """Measure accuracy and speed."""


for _part in (accuracy, card, failures, pairs, tiles):
    command.add_command(_part)
for _part in (batch, inference, overhead, stack, training, volume):
    command.add_command(_part)

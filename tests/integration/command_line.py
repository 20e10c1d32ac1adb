"""``gradnet`` run in this process, and small files for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> int:
    """Run ``gradnet`` and return its exit code."""
    return main([str(a) for a in arguments])


def counts(shape: tuple[int, ...]) -> np.ndarray:
    """Poisson counts on a ramp, gain 3, offset 100."""
    generator = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(5, 300, shape[-1]), shape)
    return (100 + 3 * generator.poisson(ramp)).astype(np.uint16)


def names(folder: Path) -> list[str]:
    """What lies in a folder, sorted."""
    return sorted(p.name for p in folder.iterdir())

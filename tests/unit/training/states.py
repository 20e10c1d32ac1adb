"""What two checkpoints have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from napari_gradnet.training.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["assert_same_state"]


def _flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of a checkpoint by its path, but for the time it took."""
    if isinstance(value, dict):
        parts = [_flatten(v, f"{path}/{k}") for k, v in value.items() if k != "elapsed"]
    elif isinstance(value, list | tuple):
        parts = [_flatten(v, f"{path}/{k}") for k, v in enumerate(value)]
    else:
        return {path: value}
    return {k: v for part in parts for k, v in part.items()}


def assert_same_state(one: Path, two: Path) -> None:
    """Two checkpoints are equal to the bit."""
    first, second = (_flatten(load_checkpoint(p)) for p in (one, two))
    assert first.keys() == second.keys()
    for key, value in first.items():
        if "began_seconds" in key:
            continue
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[key]), key
        else:
            assert value == second[key], key

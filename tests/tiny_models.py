"""Small untrained models for tests: fast, and with outputs that move."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import torch

from napari_gradnet import bundle
from napari_gradnet.bundle import (
    FORMAT_VERSION,
    GuideHeader,
    ModelHeader,
    build_pipeline,
    save_model,
)
from napari_gradnet.config.network import parse_network

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from napari_gradnet.networks.pipeline import Pipeline

_GRADNET = {"num_features": 8, "num_modules": 1, "num_units": 1}
_DNCNN = {"num_features": 6, "depth": 3, "batch_norm": False}
#: name: (network, its options, guide kind, its network, its options).
MODELS: dict[str, tuple[Any, ...]] = {
    "grey": ("dn-resnet", {"depth": 3, "init": "kaiming", "global_skip": True}),
    "color": ("dncnn", {**_DNCNN, "in_channels": 3}),
    "grey-unshuffle": ("dncnn", {**_DNCNN, "in_channels": 1, "unshuffle": 3}),
    "grey-attention": (
        "mskresnet",
        {"in_channels": 1, "num_features": 8, "num_modules": 2, "num_units": 1},
    ),
    "gradnet": (
        "gradnet",
        {**_GRADNET, "unshuffle": 2},
        "network",
        "dncnn",
        {**_DNCNN, "in_channels": 3, "unshuffle": 2},
    ),
    "grey-gradnet": (
        "gradnet",
        {**_GRADNET, "in_channels": 1},
        "network",
        "dncnn",
        {**_DNCNN, "in_channels": 1},
    ),
    # guide and network both attend, to different widths
    "attention-guide": (
        "gradnet",
        {**_GRADNET, "in_channels": 1},
        "network",
        "mskresnet",
        {"in_channels": 1, "num_features": 6, "num_modules": 1, "num_units": 1},
    ),
    "noisy-guide": ("gradnet", {**_GRADNET, "in_channels": 1}, "noisy"),
    "bm3d-guide": ("gradnet", {**_GRADNET, "in_channels": 1}, "bm3d"),
    "bm3d-guide-color": ("gradnet", _GRADNET, "bm3d"),
    "clean-guide": ("gradnet", {**_GRADNET, "in_channels": 1}, "clean"),
}


def tiny_model(name: str, **header: Any) -> tuple[Pipeline, ModelHeader]:
    """Build one of `MODELS`, the same in every run."""
    network, options, *guide = MODELS[name]
    kind, *guide_network = guide or [None]
    made = ModelHeader(
        format_version=FORMAT_VERSION,
        name=name,
        network=parse_network(network, **options),
        guide=kind
        and GuideHeader(
            kind=kind,
            network=parse_network(guide_network[0], **guide_network[1])
            if guide_network
            else None,
        ),
        **header,
    )
    pipeline = build_pipeline(made)
    pipeline.initialise(torch.Generator().manual_seed(1))
    return pipeline.eval(), made


def write_tiny_model(folder: Path, name: str, **header: Any) -> Path:
    """Write one of `MODELS` into a folder."""
    path = folder / f"{name}.safetensors"
    save_model(path, *tiny_model(name, **header))
    return path


def package_only(monkeypatch: pytest.MonkeyPatch, folder: Path, **models: Path) -> None:
    """Let these models, put into a new folder, be the packaged ones."""
    folder.mkdir()
    for name, path in models.items():
        shutil.copy(path, folder / f"{name}.safetensors")
    monkeypatch.setattr(bundle, "packaged_model_folder", lambda: folder)

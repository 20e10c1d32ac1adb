"""``gradnet export`` and ``gradnet benchmark training``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_gradnet.bundle import (
    FORMAT_VERSION,
    ModelHeader,
    build_pipeline,
    save_model,
)
from napari_gradnet.cli import main
from napari_gradnet.config.network import parse_network

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = parse_network("dncnn", in_channels=1, num_features=4, depth=3)
    header = ModelHeader(format_version=FORMAT_VERSION, name="x", network=network)
    model, target = tmp_path / "x.safetensors", tmp_path / "x.pt2"
    save_model(model, build_pipeline(header), header)
    assert main(["export", str(model), str(target)]) == 0
    assert "differs from PyTorch by at most" in capsys.readouterr().out
    assert main(["export", str(model), str(target)]) == 1
    assert "already exists" in capsys.readouterr().err
    assert main(["export", str(model), str(target), "--overwrite"]) == 0
    capsys.readouterr()
    image = torch.rand(1, 1, 9, 11)
    assert torch.export.load(target).module()(image).shape == image.shape
    assert main(["export", str(model), str(tmp_path / "x.txt")]) == 1
    assert "end it in .onnx or .pt2" in capsys.readouterr().err


def test_benchmark_training(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--network", "dn-resnet", "--precision", "bfloat16", "--device", "cpu"]
    sizes = ["--batch-size", "1", "--patch-size", "8", "--seconds", "0.1"]
    assert main(["benchmark", "training", *options, *sizes, "--workers", "0"]) == 0
    header, row, footer = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["network", "precision", "weights"]
    assert row.split()[:3] == ["dn-resnet", "bfloat16", "149,344"]
    assert footer.startswith("device: CPU")

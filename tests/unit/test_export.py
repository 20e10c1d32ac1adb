"""Exported networks give what PyTorch gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_gradnet import export
from napari_gradnet.bundle import (
    FORMAT_VERSION,
    GuideHeader,
    ModelHeader,
    build_pipeline,
    load_model,
    save_model,
)
from napari_gradnet.config.network import parse_network
from napari_gradnet.errors import FileFormatError, InputError, ModelError
from napari_gradnet.export import export_network

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"in_channels": 1, "num_features": 6}
DNCNN = parse_network("dncnn", depth=3, **SMALL)
TINY = {**SMALL, "num_modules": 1, "num_units": 1}
CASES: dict[str, tuple[Any, GuideHeader | None]] = {
    "dncnn": (DNCNN, None),
    "gradnet": (
        parse_network("gradnet", unshuffle=2, batch_norm=False, **TINY),
        GuideHeader(kind="network", network=DNCNN),
    ),
    "bm3d-guide": (
        parse_network("gradnet", fusion="I", **TINY),
        GuideHeader(kind="bm3d"),
    ),
}


@pytest.fixture(params=CASES)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A model file with drawn weights."""
    network, guide = CASES[request.param]
    header = ModelHeader(
        format_version=FORMAT_VERSION, name="tiny", network=network, guide=guide
    )
    pipeline = build_pipeline(header)
    pipeline.initialise(torch.Generator().manual_seed(1))
    path = tmp_path / f"{request.param}.safetensors"
    save_model(path, pipeline, header)
    return path


def inputs(pipeline: Any, height: int, width: int) -> list[torch.Tensor]:
    count = 2 if pipeline.needs_guide else 1
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(2, 1, height, width, generator=generator) for _ in range(count)]


def test_torch_export_of_any_size(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "new/network.pt2"
    assert export_network(model, target) <= 1e-5
    pipeline, _ = load_model(model)
    program = torch.export.load(target).module()
    images = inputs(pipeline, 38, 62)
    torch.testing.assert_close(program(*images), pipeline(*images))


def test_the_mean_of_all_views(model: Path, tmp_path: Path) -> None:
    pipeline, header = load_model(model)
    save_model(model, pipeline, header.model_copy(update={"ensemble": True}))
    target, alone = tmp_path / "network.pt2", tmp_path / "alone.pt2"
    assert export_network(model, target) <= 1e-5
    program = torch.export.load(target).module()
    images = inputs(pipeline, 38, 62)
    expected = torch.zeros_like(images[0])
    for turns in range(4):
        for flips in ((), (2,)):
            views = [torch.rot90(i.flip(flips), turns, (2, 3)) for i in images]
            expected += torch.rot90(pipeline(*views), -turns, (2, 3)).flip(flips) / 8
    torch.testing.assert_close(program(*images), expected)
    export_network(model, alone, ensemble=False)
    program = torch.export.load(alone).module()
    torch.testing.assert_close(program(*images), pipeline(*images))


@pytest.mark.slow
def test_onnx_of_any_size(model: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    target = tmp_path / "network.onnx"
    assert export_network(model, target) <= 1e-4
    session = onnxruntime.InferenceSession(str(target), providers=None)
    pipeline, _ = load_model(model)
    images = inputs(pipeline, 54, 26)
    names = [i.name for i in session.get_inputs()]
    assert names == ["noisy", "guide"][: len(images)]
    feed = {n: i.numpy() for n, i in zip(names, images, strict=True)}
    expected = pipeline(*images).detach().numpy()
    np.testing.assert_allclose(session.run(None, feed)[0], expected, atol=1e-4)
    assert not list(tmp_path.glob("*.data"))


def test_a_wrong_export_is_found(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "wrong.pt2"

    def wrong(_network: Any, _example: Any, path: Path, _pipeline: Any) -> Any:
        path.write_bytes(b"")
        return lambda noisy, *_: noisy + 0.01

    monkeypatch.setattr(export, "_write_torch", wrong)
    with pytest.raises(ModelError, match="differs from PyTorch by"):
        export_network(model, target)
    assert [p.suffix for p in tmp_path.iterdir()] == [".safetensors"]


def test_what_is_there_stays(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "network.pt2"
    target.write_bytes(b"precious")
    with pytest.raises(FileFormatError, match="already exists"):
        export_network(model, target)
    with pytest.raises(FileFormatError, match="is the input"):
        export_network(model, model, format="torch", overwrite=True)

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(export, "_write_torch", stop)
        with pytest.raises(KeyboardInterrupt):
            export_network(model, target, overwrite=True)
    assert target.read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 2
    assert export_network(model, target, overwrite=True) <= 1e-5
    assert target.read_bytes() != b"precious"


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end it in \.onnx or \.pt2"):
        export_network("any", tmp_path / "network.pth")

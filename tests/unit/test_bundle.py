"""Model files: what is saved is loaded, and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.tiny_models import MODELS, tiny_model, write_tiny_model

from napari_gradnet import bundle
from napari_gradnet.bundle import (
    ModelHeader,
    file_sha256,
    load_model,
    read_header,
    save_model,
)
from napari_gradnet.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with a guide network."""
    return write_tiny_model(tmp_path, "gradnet")


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_round_trip(tmp_path: Path, name: str) -> None:
    pipeline, header = tiny_model(
        name, description="d", training={"loss": 0.5}, metrics={"psnr": [1, 2.5]}
    )
    path = tmp_path / "new folder" / "m.safetensors"
    save_model(path, pipeline, header)
    loaded, found = load_model(path)
    assert found == header
    assert not loaded.training
    for key, value in pipeline.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(loaded.state_dict()[key], value.half().float())
    stored = safetensors.torch.load_file(path).values()
    assert {value.dtype for value in stored} == {torch.float16}


def test_statistics_of_batch_norm_are_stored(tmp_path: Path) -> None:
    pipeline, header = tiny_model("grey-attention")
    norm = pipeline.network.body.blocks[0].units[0].norm
    norm.running_mean.fill_(0.25)
    norm.running_var.fill_(2.0)
    save_model(tmp_path / "m.safetensors", pipeline, header)
    loaded, _ = load_model(tmp_path / "m.safetensors")
    norm = loaded.network.body.blocks[0].units[0].norm
    assert (norm.running_mean == 0.25).all()
    assert (norm.running_var == 2).all()


def test_full_precision(tmp_path: Path) -> None:
    pipeline, header = tiny_model("grey")
    save_model(tmp_path / "m.safetensors", pipeline, header, half=False)
    loaded, _ = load_model(tmp_path / "m.safetensors")
    state = loaded.state_dict()
    assert all(torch.equal(state[k], v) for k, v in pipeline.state_dict().items())


def test_header_is_plain_json(model: Path) -> None:
    raw = model.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(json.loads(raw[8 : 8 + length])["__metadata__"]["gradnet"])
    assert header["format_version"] == 1
    assert header["network"]["name"] == "gradnet"
    assert header["guide"]["network"]["name"] == "dncnn"
    assert read_header(model).channels == 3


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in paths:
        save_model(path, *tiny_model("gradnet"))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    expected = hashlib.sha256(paths[0].read_bytes()).hexdigest()
    assert file_sha256(paths[1]) == expected


def test_loading_leaves_the_global_generator_alone(model: Path) -> None:
    before = torch.get_rng_state()
    load_model(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_failure_midway_leaves_the_old_file(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = model.read_bytes()

    def fail(_: object, path: Path, __: object) -> None:
        path.write_bytes(b"half")
        msg = "disk full"
        raise OSError(msg)

    monkeypatch.setattr(bundle, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(model, *tiny_model("gradnet"))
    assert model.read_bytes() == old
    assert list(model.parent.iterdir()) == [model]


def test_saving_replaces_the_old_file(model: Path) -> None:
    save_model(model, *tiny_model("grey"))
    assert read_header(model).name == "grey"
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_weights_that_could_not_be_loaded_are_not_saved(
    model: Path, value: float
) -> None:
    old = model.read_bytes()
    pipeline, header = tiny_model("grey")
    with torch.no_grad():
        pipeline.network.head.weight[0, 0, 0, 0] = value
    with pytest.raises(ModelError, match=r"'network.head.weight' .*float16"):
        save_model(model, pipeline, header)
    assert model.read_bytes() == old


def test_list_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "packaged_model_folder", lambda: tmp_path)
    assert bundle.list_packaged() == {}
    names = ("color", "grey", "grey-gradnet")
    paths = {name: write_tiny_model(tmp_path, name) for name in names}
    (tmp_path / ".grey.safetensors.tmp-x").write_bytes(b"")
    (tmp_path / "README.md").write_bytes(b"")
    assert list(bundle.list_packaged().items()) == list(paths.items())


def test_header_needs_little() -> None:
    header = ModelHeader(format_version=1, name="n", network={"name": "dn-resnet"})
    assert header.channels == 1
    assert header.guide is None

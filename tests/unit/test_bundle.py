"""Model files: written whole or not at all, and refused with a sentence."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with a guide network."""
    return write_tiny_model(tmp_path, "gradnet")


def parts(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and header of a model file."""
    header = read_header(path).model_dump(mode="json")
    return safetensors.torch.load_file(path), header


def write(path: Path, state: dict[str, Tensor], header: object) -> None:
    text = header if isinstance(header, str) else json.dumps(header)
    safetensors.torch.save_file(state, path, {"gradnet": text})


def write_raw(path: Path, header: bytes, rest: bytes = b"") -> None:
    path.write_bytes(struct.pack("<Q", len(header)) + header + rest)


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


# ------------------------------------------------------------- wrong files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is no safetensors file: give a model file made by 'gradnet train'"),
        (b"\0", r"is no safetensors file"),
        (b"once upon a time there was a model", r"is no safetensors file"),
        (pickle.dumps({"a": [1.0] * 100}), r"is no safetensors file"),
        (b"PK\x03\x04" + b"\0" * 100, r"is no safetensors file"),
        (struct.pack("<Q", 2**63) + b"{}", r"is no safetensors file"),
        (struct.pack("<Q", 11 * 2**20) + b"{}", r"is no safetensors file"),
        (struct.pack("<Q", 900) + b"{}", r"without a 'gradnet' header"),
        (struct.pack("<Q", 4) + b"\xff\xfe\xfa\xfb", r"its header does not parse"),
        (struct.pack("<Q", 4) + b"null", r"without a 'gradnet' header"),
        (struct.pack("<Q", 2) + b"[]", r"without a 'gradnet' header"),
        (struct.pack("<Q", 20) + b'{"__metadata__": 12}', r"without a 'gradnet'"),
        (struct.pack("<Q", 2**20) + b"[" * 2**20, r"its header does not parse"),
        (struct.pack("<Q", 5000) + b"9" * 5000, r"its header does not parse"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else "",
)
def test_what_is_no_model(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    for function in (read_header, load_model):
        with pytest.raises(ModelError, match=message) as caught:
            function(path)
        assert str(path) in str(caught.value)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the model file .*none"):
        read_header(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="cannot read the model file"):
        read_header(tmp_path)


def test_another_programs_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    state = {"weight": torch.ones(3)}
    for metadata in (None, {"format": "pt"}):
        safetensors.torch.save_file(state, path, metadata)
        with pytest.raises(ModelError, match="without a 'gradnet' header: it was not"):
            load_model(path)


@pytest.mark.parametrize("kept", [0.001, 0.01, 0.1, 0.5, 0.9, 0.9999])
def test_truncated_file(model: Path, kept: float) -> None:
    whole = model.read_bytes()
    model.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ModelError, match=r"no safetensors file|is damaged"):
        load_model(model)


@pytest.mark.parametrize(
    "header", ["", "text", "[1]", "7", "null", '{"a": }', "[" * 99999]
)
def test_damaged_header(model: Path, header: str) -> None:
    write(model, parts(model)[0], header)
    with pytest.raises(ModelError, match=r"header is no JSON object"):
        load_model(model)


def test_header_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_raw(path, json.dumps({"__metadata__": {"gradnet": {"a": 1}}}).encode())
    with pytest.raises(ModelError, match="header is no JSON object"):
        read_header(path)


@pytest.mark.parametrize("version", [2, 0, None, "1", True, 1.0])
def test_other_version(model: Path, version: object) -> None:
    state, header = parts(model)
    write(model, state, header | {"format_version": version})
    message = rf"has format version {version!r}, this program reads 1: update"
    with pytest.raises(ModelError, match=message):
        load_model(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"colour": 1},
            r"colour is not an option here; known are format_version, name",
        ),
        ({"name": None}, r"name=None: Input should be a valid string"),
        ({"network": {"name": "unet"}}, r"network=.*'unet'"),
        ({"network": {"name": "dncnn", "depth": 1}}, r"network.dncnn.depth=1: .*3"),
        ({"guide": {"kind": "clairvoyant"}}, r"guide.kind='clairvoyant'"),
        ({"guide": {"kind": "network"}}, r"guide: kind 'network' needs a network"),
        (
            {"guide": {"kind": "bm3d", "network": {"name": "dncnn"}}},
            r"kind 'bm3d' has no",
        ),
        (
            {"guide": {"kind": "network", "network": {"name": "gradnet"}}},
            r"gradnet needs a guide itself",
        ),
        (
            {
                "guide": {
                    "kind": "network",
                    "network": {"name": "dncnn", "in_channels": 1},
                }
            },
            r"the guide has 1 channels, the network 3",
        ),
        ({"guide": None}, r"network gradnet needs a guide"),
        ({"network": {"name": "dncnn"}}, r"network dncnn takes no guide"),
    ],
)
def test_header_that_makes_no_sense(
    model: Path, change: dict[str, Any], message: str
) -> None:
    state, header = parts(model)
    write(model, state, header | change)
    with pytest.raises(ModelError, match=message):
        load_model(model)


@pytest.mark.parametrize(
    "network",
    [
        {"name": "dncnn", "num_features": 10**6},
        {"name": "dncnn", "depth": 10**9},
        {"name": "gradnet", "gradient_copies": 10**6},
        {"name": "mskresnet", "num_modules": 10**9},
        {"name": "dn-resnet", "depth": 10**9 + 1},
        {"name": "dncnn", "in_channels": 10**7},
    ],
)
def test_header_that_asks_for_a_giant(tmp_path: Path, network: dict[str, Any]) -> None:
    path = write_tiny_model(tmp_path, "grey")
    state, header = parts(path)
    header["network"] = network
    if network["name"] == "gradnet":
        header["guide"] = {"kind": "noisy"}
    write(path, state, header)
    with pytest.raises(
        ModelError, match=r"does not fit its own header|less than or eq"
    ):
        load_model(path)


def drop(state: dict[str, Tensor]) -> None:
    del state["network.head.weight"]


def add(state: dict[str, Tensor]) -> None:
    state["network.extra"] = torch.ones(3)


def reshape(state: dict[str, Tensor]) -> None:
    state["network.head.weight"] = state["network.head.weight"][:, :1].contiguous()


def flatten(state: dict[str, Tensor]) -> None:
    state["network.head.weight"] = state["network.head.weight"].flatten()


def spoil(value: float) -> Callable[[dict[str, Tensor]], None]:
    def change(state: dict[str, Tensor]) -> None:
        state["guide.tail.weight"][0, 0, 1, 1] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            drop,
            r"1 weights are missing and 0 unknown \(such as 'network.head.weight'\)",
        ),
        (add, r"0 weights are missing and 1 unknown \(such as 'network.extra'\)"),
        (reshape, r"'network.head.weight' has shape \(8, 1, 3, 3\).*\(8, 12, 3, 3\)"),
        (flatten, r"'network.head.weight' has shape \(864,\)"),
        (spoil(np.nan), r"'guide.tail.weight' holds NaN or infinity"),
        (spoil(-np.inf), r"'guide.tail.weight' holds NaN or infinity"),
    ],
)
def test_weights_that_do_not_fit(
    model: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    state, header = parts(model)
    change(state)
    write(model, state, header)
    with pytest.raises(ModelError, match=message):
        load_model(model)


def test_loading_never_unpickles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "unpickled"
        raise AssertionError(msg)

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    path = tmp_path / "m.safetensors"
    torch.save({"weight": torch.ones(3)}, path)
    with pytest.raises(ModelError, match="no safetensors file"):
        load_model(path)
    load_model(write_tiny_model(tmp_path, "grey"))


# ------------------------------------------------------------- saving


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

"""Files that are no model, or a damaged one, are refused with a sentence."""

from __future__ import annotations

import json
import pickle
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.tiny_models import write_tiny_model

from napari_gradnet.bundle import (
    load_model,
    read_header,
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


def shrink(state: dict[str, Tensor]) -> None:
    name = next(iter(state))
    state[name] = state[name].to(torch.float8_e4m3fn)


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
        (shrink, r"is torch.float8_e4m3fn: give 16 or 32-bit"),
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

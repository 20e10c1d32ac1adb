"""Models, devices, precision."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.tiny_models import tiny_model, write_tiny_model

from napari_gradnet import bundle
from napari_gradnet.bundle import find_model
from napari_gradnet.errors import DeviceError, InputError, ModelError
from napari_gradnet.inference import device as devices
from napari_gradnet.inference import models as module
from napari_gradnet.inference import precision as arithmetic
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.models import (
    choose_model,
    list_models,
    open_model,
)
from napari_gradnet.inference.plane import PlaneDenoiser
from napari_gradnet.inference.precision import resolve_precision
from napari_gradnet.inference.prepare import bytes_per_pixel

if TYPE_CHECKING:
    from pathlib import Path

Models = dict[str, "Path"]
CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a CPU only."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the packaged models'."""
    for target in (bundle, module):
        monkeypatch.setattr(target, "packaged_model_folder", lambda: tmp_path)
    return tmp_path


# ------------------------------------------------------------- devices


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7", "mps", "gpu", "", "tpu"])
def test_absent_devices(models: Models, name: str) -> None:
    message = rf"device '{name}' is not on this machine: use auto or cpu$"
    with pytest.raises(DeviceError, match=message):
        denoise(np.zeros((9, 9)), models["grey"], device=name)


def test_auto_takes_the_best_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.list_devices() == ("cuda:0", "cuda:1", "cpu")
    assert devices.resolve_device("auto") == torch.device("cuda:0")
    assert devices.resolve_device("cuda") == torch.device("cuda:0")
    assert devices.resolve_device("cuda:1") == torch.device("cuda:1")
    assert devices.resolve_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.resolve_device("auto") == torch.device("mps")


# ------------------------------------------------------------- precision


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_16_bits_are_close_to_32(models: Models, precision: str) -> None:
    image = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    options = {"device": "cpu", "value_range": (0, 1), "vst": False}
    full = denoise(image, models["grey-gradnet"], precision="float32", **options)
    fast = denoise(image, models["grey-gradnet"], precision=precision, **options)
    assert fast.dtype == np.float32
    assert not np.array_equal(fast, full)
    assert abs(fast - full).max() < 0.05


@pytest.mark.parametrize(
    ("gains", "losses", "expected"),
    [
        (True, {"bfloat16": 0.004}, torch.bfloat16),
        (True, {"bfloat16": 0.02}, torch.float32),
        (True, {"float16": 0.001}, torch.float32),
        (True, None, torch.float32),
        (True, {"bfloat16": None}, torch.float32),
        (True, {"bfloat16": float("nan")}, torch.float32),
        (True, [0.001], torch.float32),
        (False, {"bfloat16": 0.0}, torch.float32),
    ],
)
def test_auto_precision_is_measured(
    monkeypatch: pytest.MonkeyPatch,
    gains: bool,
    losses: object,
    expected: torch.dtype,
) -> None:
    monkeypatch.setattr(arithmetic, "cpu_gains_from_bfloat16", lambda: gains)
    metrics = {} if losses is None else {"precision_loss_db": losses}
    _, header = tiny_model("grey", metrics=metrics)
    assert resolve_precision("auto", CPU, header) == expected
    assert resolve_precision("float32", CPU, header) == torch.float32
    assert resolve_precision("bfloat16", CPU, header) == torch.bfloat16


def test_unknown_precision() -> None:
    _, header = tiny_model("grey")
    message = "'int8' is unknown: use auto, float32, bfloat16, float16"
    with pytest.raises(InputError, match=message):
        resolve_precision("int8", CPU, header)


# ------------------------------------------------------------- models


@pytest.mark.usefixtures("packaged")
def test_no_packaged_models() -> None:
    assert list_models() == ()
    with pytest.raises(ModelError, match="no packaged model for colour images in"):
        choose_model(rgb=True)
    with pytest.raises(ModelError, match="no packaged model for grey images"):
        denoise(np.zeros((9, 9)))
    message = r"model 'x' is neither a packaged model \(none\) nor a file"
    with pytest.raises(ModelError, match=message):
        find_model("x")
    not_a_name: Any = 5
    with pytest.raises(ModelError, match="model '5' is neither"):
        find_model(not_a_name)


def chosen(**image: Any) -> str:
    return choose_model(**image)[0]


def test_auto_goes_by_colour(packaged: Path) -> None:
    for name, kind in [("gradnet-color", "color"), ("dn-resnet-13-gray", "grey")]:
        write_tiny_model(packaged, kind).rename(packaged / f"{name}.safetensors")
    assert choose_model(rgb=True) == ("gradnet-color", "colour images")
    assert choose_model(rgb=False) == ("dn-resnet-13-gray", "grey images")
    events = []
    denoise(np.zeros((9, 9, 3)), axes="YXS", on_event=events.append)
    assert events[0].message == "model 'gradnet-color' chosen for colour images"
    # what is worth its time comes first
    fast = packaged / "gradnet-fast-color.safetensors"
    write_tiny_model(packaged, "gradnet").rename(fast)
    assert chosen(rgb=True) == "gradnet-fast-color"
    # photos come from cameras, unless the noise is known to be white
    write_tiny_model(packaged, "color").rename(packaged / "gradnet-real.safetensors")
    assert chosen(rgb=True) == "gradnet-real"
    assert chosen(rgb=True, white=True) == "gradnet-fast-color"


def test_auto_knows_counts_by_their_type(packaged: Path) -> None:
    write_tiny_model(packaged, "grey").rename(packaged / "gradnet-gray.safetensors")
    assert choose_model(rgb=False, dtype="uint16") == (
        "gradnet-gray",
        "counts (uint16)",
    )
    path = packaged / "gradnet-fluorescence.safetensors"
    write_tiny_model(packaged, "noisy-guide").rename(path)
    for dtype in "uint16", ">u2", "int16", "uint32":
        assert chosen(rgb=False, dtype=dtype) == "gradnet-fluorescence"
    # floats have no scale that would tell
    for dtype in "uint8", "float32", "bool":
        assert chosen(rgb=False, dtype=dtype) == "gradnet-gray"
    events: list[Any] = []
    denoise(np.full((9, 9), 300, np.uint16), on_event=events.append)
    assert events[0].message == (
        "model 'gradnet-fluorescence' chosen for counts (uint16): take "
        "'gradnet-fast-gray' for what is no fluorescence"
    )


def test_packaged_models_are_listed(packaged: Path) -> None:
    path = write_tiny_model(
        packaged, "color", description="d", noise="n", licence="l", metrics={"a": 1}
    )
    (info,) = list_models()
    assert (info.name, info.channels, info.path) == ("color", 3, path)
    assert (info.description, info.noise, info.licence) == ("d", "n", "l")
    assert info.sha256 == bundle.file_sha256(path)
    assert info.header.metrics == {"a": 1}
    assert find_model("color") == path
    assert open_model("color", device="cpu").header == info.header


def test_a_packaged_name_wins_over_a_file(
    packaged: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_tiny_model(packaged, "color")
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    open("color", "w").close()  # noqa: PTH123
    assert find_model("color") == path


def test_a_file_written_anew_is_another_model(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path, "grey")
    first = open_model(path, device="cpu")
    assert open_model(path, device="cpu") is first
    write_tiny_model(tmp_path, "color").replace(path)
    os.utime(path, (1, 1))
    second = open_model(path, device="cpu")
    assert second.header.name == "color"
    assert second.sha256 == bundle.file_sha256(path) != first.sha256


def test_the_record_names_model_and_arithmetic(models: Models) -> None:
    model = open_model(models["grey"], device="cpu", precision="bfloat16")
    assert model.record == {
        "model": "grey",
        "model_sha256": bundle.file_sha256(models["grey"]),
        "precision": "bfloat16",
        "device": "cpu",
    }


def test_an_open_model_is_taken_as_it_is(models: Models) -> None:
    image = np.random.default_rng(0).random((12, 12))
    model = open_model(models["grey"], device="cpu", precision="float32")
    assert np.array_equal(denoise(image, model), denoise(image, models["grey"]))
    assert np.array_equal(denoise(image, model), denoise(image, str(models["grey"])))


def test_loading_folds_and_freezes(models: Models) -> None:
    model = open_model(models["attention-guide"], device="cpu")
    modules = list(model.pipeline.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in modules)
    assert not any(m.training for m in modules)
    assert not any(p.requires_grad for p in model.pipeline.parameters())


@pytest.mark.parametrize(
    "name", ["grey", "gradnet", "grey-attention", "attention-guide"]
)
@torch.inference_mode()
def test_preparing_does_not_change_the_result(models: Models, name: str) -> None:
    loaded, header = bundle.load_model(models[name])
    image = torch.rand(
        1, header.channels, 20, 21, generator=torch.Generator().manual_seed(0)
    )
    ready = open_model(models[name], device="cpu", precision="float32").pipeline
    assert torch.allclose(ready(image), loaded(image), atol=1e-5)


def test_memory_estimate_goes_by_the_finer_grid() -> None:
    coarse, _ = tiny_model("gradnet")  # grid of 2: 4 (8 + 12 + 8 + 12) / 4 channels
    fine, _ = tiny_model("bm3d-guide-color")
    fine.guide, coarse.guide = coarse.guide, fine.guide
    assert coarse.guide is None
    widest = (2 * (8 + 12) + 8 + 12) / 4  # the module's merging convolution
    assert bytes_per_pixel(coarse) == int(3 * 4 * widest)
    # the network on the full grid counts, not the alignment of both
    assert fine.alignment == 2
    assert bytes_per_pixel(fine) == 3 * 4 * (2 * (8 + 3) + 8 + 3)


def test_the_tile_follows_from_the_memory(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(models["grey"], device="cpu")
    monkeypatch.setattr("napari_gradnet.inference.plane.CPU_BUDGET", 10 << 20)
    denoiser = PlaneDenoiser(model)
    tile = denoiser.tile_for((4000, 4000))
    pixels = (tile + 2 * denoiser.halo) ** 2
    assert 0.8 * (10 << 20) < pixels * bytes_per_pixel(model.pipeline) <= 10 << 20

"""Operations settle, travel as JSON, and give what the plain functions give."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
from tests.tiny_models import write_tiny_model

from napari_gradnet import api
from napari_gradnet.axes import ImageAxes
from napari_gradnet.batch import network
from napari_gradnet.batch.operations import PipelineOperation
from napari_gradnet.batch.options import BatchOptions, make_operation
from napari_gradnet.errors import ConfigError, DeviceError, InputError, ModelError
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.samples import sample_planes

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.batch.operation import Operation, PlaneWork


def bind(operation: Operation, stack: np.ndarray, axes: ImageAxes) -> PlaneWork:
    samples = sample_planes(lambda k: stack[k], axes)
    state = operation.settle(axes, stack.dtype, samples)
    return operation.bind(axes, stack.dtype, json.loads(json.dumps(state)))


def run(options: BatchOptions, stack: np.ndarray, axes: str) -> np.ndarray:
    work = bind(make_operation(options), stack, ImageAxes(axes, stack.shape))
    planes = [work.apply(plane, number) for number, plane in enumerate(stack)]
    assert {p.dtype for p in planes} == {work.dtype}
    json.dumps(work.record)
    return np.stack(planes)


@pytest.fixture
def stack(rng: np.random.Generator) -> np.ndarray:
    light = np.linspace(20, 2000, 96)  # photons; the noise grows along a row
    return rng.poisson(light, (3, 72, 96)).astype(np.uint16)


@pytest.mark.parametrize("vst", ["auto", True, False])
def test_naive_equals_the_plain_function(stack: np.ndarray, vst: Any) -> None:
    got = run(BatchOptions(naive="wavelet", vst=vst), stack, "ZYX")
    want = api.naive_denoise(stack, "wavelet", axes="ZYX", vst=vst)
    np.testing.assert_array_equal(got, want)


def test_sigma_is_used_as_given(stack: np.ndarray) -> None:
    options = BatchOptions(naive="gaussian", sigma=30, sigma_factor=2, dtype="float32")
    got = run(options, stack, "ZYX")
    want = api.naive_denoise(
        stack, "gaussian", axes="ZYX", sigma=30, sigma_factor=2, dtype="float32"
    )
    np.testing.assert_array_equal(got, want)


def test_gradient_equals_the_plain_function(stack: np.ndarray) -> None:
    got = run(BatchOptions(gradient="horizontal"), stack, "ZYX")
    np.testing.assert_array_equal(got, sobel_gradient(stack, "horizontal"))


def test_a_gradient_keeps_alpha(tmp_path: Path, rng: np.random.Generator) -> None:
    stack = rng.integers(0, 256, (2, 33, 35, 4), np.uint8)
    got = run(BatchOptions(gradient="magnitude"), stack, "TYXS")
    want = sobel_gradient(stack[..., :3], plane_axes=(1, 2))
    np.testing.assert_array_equal(got[..., :3], want)
    np.testing.assert_array_equal(got[..., 3], stack[..., 3])
    np.testing.assert_array_equal(got, api.gradient(stack, axes="TYXS"))
    path, output = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(path, stack, photometric="rgb", extrasamples=["unassalpha"])
    api.gradient_file(path, output)
    np.testing.assert_array_equal(tifffile.imread(output), got)


def test_a_pipeline_does_its_steps_in_turn(stack: np.ndarray) -> None:
    options = BatchOptions(naive="gaussian", gradient="magnitude", sigma=10)
    got = run(options, stack, "ZYX")
    naive = api.naive_denoise(stack, "gaussian", axes="ZYX", sigma=10, dtype="float32")
    np.testing.assert_array_equal(got, sobel_gradient(naive))


@pytest.mark.parametrize(
    "name",
    ["grey", "grey-attention", "grey-gradnet", "attention-guide"],
)
def test_a_network_equals_the_plain_function(
    stack: np.ndarray, tmp_path: Path, name: str
) -> None:
    model = write_tiny_model(tmp_path, name)
    got = run(BatchOptions(model=str(model)), stack, "ZYX")
    np.testing.assert_array_equal(got, api.denoise(stack, model, axes="ZYX"))


def test_a_colour_network_keeps_alpha(tmp_path: Path, rng: np.random.Generator) -> None:
    model = write_tiny_model(tmp_path, "color")
    stack = rng.integers(0, 256, (2, 33, 35, 4), np.uint8)
    options = BatchOptions(model=str(model), tile=16)
    got = run(options, stack, "TYXS")
    np.testing.assert_array_equal(got, api.denoise(stack, model, axes="TYXS"))
    np.testing.assert_array_equal(got[..., 3], stack[..., 3])


def test_a_network_behind_a_naive_method_gives_the_images_dtype(
    stack: np.ndarray, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path, "grey")
    got = run(BatchOptions(model=str(model), naive="median"), stack, "ZYX")
    naive = api.naive_denoise(stack, "median", axes="ZYX", dtype="float32")
    want = api.denoise(naive, model, axes="ZYX", vst=False)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, np.rint(want).clip(0, 65535))


@pytest.mark.parametrize("name", ["grey", "grey-attention", "attention-guide"])
def test_parts_with_their_context_equal_the_plane(
    stack: np.ndarray, tmp_path: Path, name: str
) -> None:
    model = write_tiny_model(tmp_path, name)
    options = BatchOptions(model=str(model), dtype="float32")
    work = bind(make_operation(options), stack, ImageAxes("ZYX", stack.shape))
    assert work.halo is not None
    assert bool(work.statistics_size) == ("attention" in name)
    shared = work.statistics(lambda window: stack[1][window], 1)
    assert shared.shape == (work.statistics_size,)
    whole = work.apply(stack[1], 1)
    cut, halo = 21, work.halo
    upper = work.apply(stack[1][: cut + halo], 1, shared)[:cut]
    lower = work.apply(stack[1][cut - halo :], 1, shared)[halo:]
    parts = np.concatenate([upper, lower])
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=0.01)


def test_what_looks_at_whole_planes_says_so(stack: np.ndarray, tmp_path: Path) -> None:
    axes = ImageAxes("ZYX", stack.shape)
    model = str(write_tiny_model(tmp_path, "grey-attention"))
    for options, halo in (
        (BatchOptions(naive="median"), None),
        (BatchOptions(gradient="magnitude"), 1),
        (BatchOptions(naive="median", gradient="magnitude"), None),
        (BatchOptions(model=model, gradient="magnitude"), None),
    ):
        assert bind(make_operation(options), stack, axes).halo == halo


def test_options_are_described_by_what_results_depend_on(tmp_path: Path) -> None:
    image = (ImageAxes("YX", (40, 40)), np.dtype(np.uint16))
    model = str(write_tiny_model(tmp_path, "grey"))
    plain = make_operation(BatchOptions(model=model)).describe(*image)
    tiled = make_operation(BatchOptions(model=model, tile=16)).describe(*image)
    assert plain == tiled == json.loads(json.dumps(plain))
    elsewhere = make_operation(BatchOptions(model=model, device="cpu"))
    assert elsewhere.describe(*image) == plain
    for other in (
        BatchOptions(model=model, precision="bfloat16"),
        BatchOptions(model=model, ensemble=True),
        BatchOptions(model=model, value_range=(0, 9)),
        BatchOptions(model=str(write_tiny_model(tmp_path, "noisy-guide"))),
    ):
        assert make_operation(other).describe(*image) != plain


def test_auto_goes_by_the_images_type(stack: np.ndarray) -> None:
    """And a later step sees the floats of those before it, told and done."""
    axes = ImageAxes("ZYX", stack.shape)
    auto = make_operation(BatchOptions(model="auto"))
    smooth = BatchOptions(naive="gaussian", sigma=10, dtype="float32")
    piped = PipelineOperation([make_operation(smooth), auto])
    counts, bytes_ = stack, (stack // 16).astype(np.uint8)
    for image, name in (
        (counts, "gradnet-fluorescence"),
        (bytes_, "gradnet-fast-gray"),
    ):
        samples = sample_planes(lambda k, image=image: image[k], axes)
        assert auto.describe(axes, image.dtype)["model"] == name
        assert auto.settle(axes, image.dtype, samples)["model"] == name
        told = piped.describe(axes, image.dtype)["step 2"]["model"]
        done = piped.settle(axes, image.dtype, samples)["steps"][1]["model"]
        assert told == done == "gradnet-fast-gray"


def test_another_model_than_settled_is_refused(
    stack: np.ndarray, tmp_path: Path
) -> None:
    axes = ImageAxes("ZYX", stack.shape)
    path = write_tiny_model(tmp_path, "grey")
    operation = make_operation(BatchOptions(model=str(path)))
    samples = sample_planes(lambda k: stack[k], axes)
    state = operation.settle(axes, stack.dtype, samples)
    write_tiny_model(tmp_path, "grey", description="trained anew").replace(path)
    with pytest.raises(ModelError, match="not the one that the work began with"):
        operation.bind(axes, stack.dtype, state)


def test_who_leads_needs_no_device_of_the_workers(
    stack: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_cpu(name: str) -> torch.device:
        if name != "cpu":
            message = "not on this machine"
            raise DeviceError(message)
        return torch.device("cpu")

    monkeypatch.setattr(network, "resolve_device", only_cpu)
    axes = ImageAxes("ZYX", stack.shape)
    samples = sample_planes(lambda k: stack[k], axes)
    path = write_tiny_model(tmp_path, "grey")
    options = BatchOptions(model=str(path), device="cuda")
    leader = make_operation(options, leads=True)
    state = leader.settle(axes, stack.dtype, samples)
    assert state["precision"] == "float32"
    assert leader.bind(axes, stack.dtype, state).record["device"] == "cuda"
    asked = make_operation(
        options.model_copy(update={"precision": "bfloat16"}), leads=True
    )
    assert asked.settle(axes, stack.dtype, samples)["precision"] == "bfloat16"
    # who does the work needs it
    for worker in (pickle.loads(pickle.dumps(leader)), make_operation(options)):
        with pytest.raises(DeviceError, match="not on this machine"):
            worker.bind(axes, stack.dtype, state)
    assert leader.describe(axes, stack.dtype) == make_operation(
        options.model_copy(update={"device": "cpu"})
    ).describe(axes, stack.dtype)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"naive": "magic"}, "method='magic' is unknown"),
        ({"naive": "median", "dtype": "uint8"}, "naive methods give 'same'"),
    ],
)
def test_wrong_steps_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_operation(BatchOptions(**given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gradient": "up"}, "gradient='up'"),
        ({"gradient": "magnitude", "dtype": "uint8"}, "written as float32"),
        ({"sigma": 0}, "sigma=0"),
        ({"tiles": 3}, "tiles is not an option here"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BatchOptions.parse(given, "options")

"""Dask arrays, denoised chunk by chunk as `denoise` does in one piece."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

from napari_gradnet import api
from napari_gradnet.api import _lazy
from napari_gradnet.batch.network import NetworkOperation
from napari_gradnet.errors import AxesError, InputError, MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (2, 3, 45, 61)


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, SHAPE).astype("u2")


def compute(array: np.ndarray, chunks: Any, model: Path, **options: Any) -> Any:
    lazy = api.denoise_lazy(
        da.from_array(array, chunks=chunks), model, device="cpu", **options
    )
    assert lazy.shape == array.shape
    travelled = pickle.loads(pickle.dumps(lazy))
    got = travelled.compute(scheduler="sync")
    assert got.dtype == lazy.dtype
    return got


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize(
    "model", ["grey", "grey-unshuffle", "grey-attention", "noisy-guide"]
)
def test_equal_to_the_whole_everywhere(
    models: dict[str, Path], stack: np.ndarray, model: str, ensemble: bool
) -> None:
    options = {"axes": "TZYX", "dtype": "float32", "ensemble": ensemble}
    whole = api.denoise(stack, models[model], device="cpu", **options)
    for chunks in ((1, 2, 20, 33), (2, 1, (14, 31), (1, 40, 20))):
        got = compute(stack, chunks, models[model], **options)
        assert np.abs(got - whole).max() <= 1e-5 * np.ptp(whole)


@pytest.mark.parametrize("model", ["grey", "grey-unshuffle"])
@pytest.mark.parametrize("axis", [-1, -2])
def test_a_last_chunk_as_long_as_the_context(
    models: dict[str, Path], model: str, axis: int
) -> None:
    """With it the chunk before is as long as the whole axis."""
    image = np.random.default_rng(0).integers(0, 4000, (70, 66)).astype(np.uint16)
    whole = api.denoise(image, models[model], axes="YX", device="cpu")
    length = image.shape[axis]
    for last in range(1, 20):
        chunks = [[n] for n in image.shape]
        chunks[axis] = [length - last, last]
        chunks = tuple(tuple(sizes) for sizes in chunks)
        got = compute(image, chunks, models[model], axes="YX")
        np.testing.assert_array_equal(got, whole)


def test_integers_come_back_as_integers(
    models: dict[str, Path], stack: np.ndarray
) -> None:
    got = compute(stack, (1, 1, 20, 30), models["grey"], axes="TZYX")
    whole = api.denoise(stack, models["grey"], axes="TZYX", device="cpu")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, whole)


@pytest.mark.parametrize("ensemble", [False, True])
def test_statistics_come_from_the_documented_windows(
    models: dict[str, Path],
    stack: np.ndarray,
    ensemble: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("WHOLE_PIXELS", 1000), ("WINDOW", 16)):
        monkeypatch.setattr(f"napari_gradnet.inference.attention.{name}", value)
    options = {"axes": "TZYX", "dtype": "float32", "tile": 30, "ensemble": ensemble}
    model = models["grey-attention"]
    whole = api.denoise(stack, model, device="cpu", **options)
    got = compute(stack, (1, 2, 20, 30), model, **options)
    assert np.abs(got - whole).max() <= 1e-5 * np.ptp(whole)


def test_colours(models: dict[str, Path], stack: np.ndarray) -> None:
    photo = np.stack([stack[0, 0] >> 4] * 3, -1).astype("u1")
    photo[..., 1] //= 2
    got = compute(photo, (20, 30, 1), models["color"], axes="YXS", dtype="float32")
    whole = api.denoise(
        photo, models["color"], axes="YXS", dtype="float32", device="cpu"
    )
    np.testing.assert_allclose(got, whole, rtol=0, atol=1e-5 * 255)


def test_only_what_is_asked_for_is_computed(models: dict[str, Path]) -> None:
    seen: list[int] = []

    def plane(block_info: Any = None) -> np.ndarray:
        seen.append(block_info[None]["chunk-location"][0])
        return np.full((1, 40, 40), seen[-1], "f4")

    array = da.map_blocks(plane, chunks=((1,) * 50, (40,), (40,)), dtype="f4")
    lazy = api.denoise_lazy(array, models["grey"], axes="ZYX", device="cpu")
    settled = set(seen)
    assert len(settled) == 16  # the sample of the scaling
    assert {0, 49} <= settled
    seen.clear()
    lazy[7, :10, :10].compute(scheduler="sync")
    assert seen == [7]


def test_a_process_binds_the_model_once(
    models: dict[str, Path], stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    bind = NetworkOperation.bind

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return bind(*arguments)

    monkeypatch.setattr(NetworkOperation, "bind", counted)
    monkeypatch.setattr(_lazy, "_bound", type(_lazy._bound)())
    compute(stack, (1, 1, 20, 20), models["grey"], axes="TZYX")
    assert count == 1


def test_the_model_does_not_travel(models: dict[str, Path], stack: np.ndarray) -> None:
    lazy = api.denoise_lazy(stack, models["grey"], axes="TZYX", device="cpu")
    without = da.from_array(stack, chunks=stack.shape)
    assert len(pickle.dumps(lazy)) < len(pickle.dumps(without)) + 20_000


def test_what_cannot_be_denoised(models: dict[str, Path], stack: np.ndarray) -> None:
    with pytest.raises(InputError, match="bool image is a mask"):
        api.denoise_lazy(da.ones((8, 8), dtype=bool), models["grey"], device="cpu")
    unknown = da.from_array(stack[0, 0], chunks=20)
    unknown = unknown[unknown[:, 0] > 5]
    with pytest.raises(AxesError, match="not known yet"):
        api.denoise_lazy(unknown, models["grey"], device="cpu")
    # between the planes of the sample only the computation finds it
    tall = np.zeros((40, 30, 30), "f4")
    tall[1, 3, 4] = np.nan
    lazy = api.denoise_lazy(
        da.from_array(tall, chunks=(1, 30, 30)),
        models["grey"],
        axes="ZYX",
        device="cpu",
    )
    with pytest.raises(InputError, match="of plane 1 are NaN"):
        lazy.compute(scheduler="sync")


def test_dask_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.array", None)
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(MissingDependencyError, match=r"napari-gradnet\[cluster\]"):
        api.denoise_lazy(np.zeros((8, 8)))


def test_the_api_loads_neither_dask_nor_zarr() -> None:
    code = (
        "import sys, napari_gradnet.api\n"
        "sys.exit(any(m in sys.modules for m in ('dask', 'zarr', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

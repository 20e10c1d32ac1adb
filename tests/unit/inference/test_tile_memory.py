"""Tiles follow the memory, whatever says that it is short."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.inference.planes import Models, opened, plain, plane

from napari_gradnet.errors import DeviceError
from napari_gradnet.events import drain
from napari_gradnet.inference.plane import PlaneDenoiser


class Memory:
    """Lets forward passes fail above a number of pixels."""

    def __init__(self, most: int, error: Exception) -> None:
        self.most = most
        self.error = error
        self.seen: list[int] = []
        self.run = PlaneDenoiser.run_network

    def __call__(self, denoiser: PlaneDenoiser, batch: torch.Tensor, guide: object):
        pixels = len(batch) * batch.shape[-1] * batch.shape[-2]
        self.seen.append(pixels)
        if pixels > self.most:
            raise self.error
        return self.run(denoiser, batch, guide)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Memory:
        monkeypatch.setattr(
            PlaneDenoiser, "run_network", lambda s, b, g, *rest: self(s, b, g, *rest)
        )
        return self


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB"),
    RuntimeError("CUDA error: out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_out_of_memory_halves_the_tiles(
    models: Models, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model = opened(models, "color")
    image = plane(model, (150, 130))
    expected = plain(model, image)
    memory = Memory(80 * 80, error).install(monkeypatch)
    denoiser = PlaneDenoiser(model)
    with pytest.warns(
        RuntimeWarning, match="out of memory with tiles of 150 pixels: going on with 75"
    ):
        result = denoiser.denoise(image)
    assert np.allclose(result, expected, atol=1e-5)
    assert memory.seen[0] == 150 * 130
    # the next plane begins with what fitted
    memory.seen.clear()
    assert np.allclose(denoiser.denoise(image), expected, atol=1e-5)
    assert max(memory.seen) <= 80 * 80


def test_out_of_memory_again_and_again(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(models, "grey-unshuffle")
    image = plane(model, (300, 290))
    expected = plain(model, image)
    Memory(80 * 80, OUT_OF_MEMORY[0]).install(monkeypatch)
    with pytest.warns(RuntimeWarning) as caught:
        result = PlaneDenoiser(model).denoise(image)
    assert [str(w.message) for w in caught] == [
        "out of memory with tiles of 300 pixels: going on with 150",
        "out of memory with tiles of 150 pixels: going on with 75",
        "out of memory with tiles of 75 pixels: going on with 36",
    ]
    assert np.allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["grey-attention", "attention-guide", "gradnet"])
def test_out_of_memory_with_attention(
    models: Models, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # the statistics of the whole plane need as much as the whole plane
    model = opened(models, name)
    image = plane(model, (150, 130))
    expected = plain(model, image)
    memory = Memory(116 * 116, OUT_OF_MEMORY[0]).install(monkeypatch)
    denoiser = PlaneDenoiser(model)
    with pytest.warns(RuntimeWarning, match="going on with") as caught:
        result = denoiser.denoise(image)
    assert [str(w.message) for w in caught][:2] == [
        "out of memory with tiles of 150 pixels: going on with "
        + ("74" if name == "gradnet" else "75"),
        "out of memory with statistics of 150 pixels: going on with windows of 75",
    ]
    assert np.allclose(result, expected, atol=0.1)
    # no seams, and the next plane is treated alike
    memory.seen.clear()
    again = PlaneDenoiser(model, tile=20)
    again._window = denoiser._window
    assert np.allclose(again.denoise(image), result, atol=1e-5)
    assert np.allclose(denoiser.denoise(image), result, atol=1e-5)
    assert max(memory.seen) <= 116 * 116


def test_nothing_fits(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(models, "color")
    Memory(100, OUT_OF_MEMORY[0]).install(monkeypatch)
    denoiser = PlaneDenoiser(model, tile=100)
    message = "cpu is out of memory even with tiles of 40 pixels: close other"
    with (
        pytest.warns(RuntimeWarning, match="going on with 40"),
        pytest.raises(DeviceError, match=message),
    ):
        denoiser.denoise(plane(model, (81, 80)))


def test_parts_of_volumes_shrink_their_tiles_too(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(models, "color")
    image = plane(model, (150, 130))
    denoiser = PlaneDenoiser(model)
    means = drain(denoiser.iter_statistics(image[None]))
    expected = denoiser.denoise(image, means=means)
    Memory(100 * 100, OUT_OF_MEMORY[0]).install(monkeypatch)
    with pytest.warns(RuntimeWarning, match="out of memory with tiles of 150 pixels"):
        found = denoiser.denoise(image, means=means)
    assert np.allclose(found, expected, atol=1e-5)
    with pytest.raises(DeviceError, match="cpu is out of memory for a plane's stat"):
        drain(denoiser.iter_statistics(image[None]))


def test_another_error_is_not_taken_for_lack_of_memory(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory(0, RuntimeError("illegal instruction")).install(monkeypatch)
    model = opened(models, "color")
    with pytest.raises(RuntimeError, match="illegal instruction"):
        PlaneDenoiser(model).denoise(plane(model, (40, 40)))


def test_memory_bounds_the_tile(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(models, "gradnet")
    denoiser = PlaneDenoiser(model)
    monkeypatch.setattr(PlaneDenoiser, "_max_pixels", lambda _: 200 * 200)
    tile = denoiser.tile_for((5000, 4000))
    assert tile + 2 * denoiser.halo <= 200
    assert tile > 100
    assert denoiser.tile_for((150, 150)) == 150

"""A part of an image comes out as it does in the whole."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import dask.array as da
import numpy as np
import pytest
import torch
from tests.tiny_models import write_tiny_model

from napari_gradnet import api
from napari_gradnet.bundle import load_model, save_model
from napari_gradnet.errors import InputError
from napari_gradnet.inference import statistics
from napari_gradnet.inference.attention import attention_modules

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def counts(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Camera counts whose noise grows with the signal, brighter from plane to plane."""
    ramp = np.linspace(20, 400, shape[-1]) * np.linspace(0.5, 2, shape[0])[:, None]
    light = np.broadcast_to(ramp[(slice(None), *[None] * (len(shape) - 2))], shape)
    return (rng.poisson(light) * 2 + 100).astype(np.uint16)


@pytest.mark.parametrize("name", ["grey", "grey-unshuffle"])
@pytest.mark.parametrize("vst", ["auto", False])
def test_part_is_the_part_of_the_whole(
    folder: Path, rng: np.random.Generator, name: str, vst: Any
) -> None:
    path = write_tiny_model(folder, name)
    image = counts(rng, (5, 90, 110))
    region = np.s_[2:4, 31:60, 43:110]
    part = api.denoise_region(image, region, path, axes="ZYX", vst=vst, dtype="float32")
    whole = api.denoise(image, path, axes="ZYX", vst=vst, dtype="float32")
    assert part.shape == (2, 29, 67)
    np.testing.assert_allclose(part, whole[region], rtol=1e-4)
    assert not np.allclose(part, image[region])


def awake(path: Path) -> Path:
    """Let no layer of the channel attentions be dead."""
    pipeline, header = load_model(path)
    for module in attention_modules(pipeline):
        for weight in module.parameters():
            weight.data.abs_()
        torch.nn.init.ones_(cast("torch.Tensor", module.squeeze.bias))
    save_model(path, pipeline, header)
    return path


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("whole_pixels", [1000, 1 << 20])
def test_channel_attention_is_that_of_the_whole(
    folder: Path,
    rng: np.random.Generator,
    ensemble: bool,
    whole_pixels: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("WHOLE_PIXELS", whole_pixels), ("WINDOW", 32)):
        monkeypatch.setattr(f"napari_gradnet.inference.attention.{name}", value)
    path = awake(write_tiny_model(folder, "grey-attention"))
    image = counts(rng, (3, 90, 110))
    image[:, :40, :40] += 3000
    options: dict[str, Any] = {"axes": "ZYX", "vst": False, "dtype": "float32"}
    options |= {"value_range": (0, 5000), "ensemble": ensemble, "tile": 50}
    whole = api.denoise(image, path, **options)
    region = np.s_[1:3, 60:80, 60:75]
    part = api.denoise_region(image, region, path, **options)
    span = float(np.ptp(whole))
    assert np.abs(part - whole[region]).max() <= 1e-5 * span
    # the far corner shows
    image[:, :40, :40] -= 3000
    other = api.denoise_region(image, region, path, **options)
    assert np.abs(other - part).max() > 1e-3 * span


@pytest.mark.parametrize("name", ["bm3d-guide", "attention-guide"])
def test_a_given_guide_has_the_statistics_of_the_whole(
    folder: Path, rng: np.random.Generator, name: str
) -> None:
    path = awake(write_tiny_model(folder, name))
    image = counts(rng, (240, 250))
    image[:40, :40] += 3000
    guide = image + np.uint16(9)
    options: dict[str, Any] = {"axes": "YX", "vst": False, "dtype": "float32"}
    options |= {"value_range": (0, 5000), "guide": guide}
    region = np.s_[200:220, 200:215]
    part = api.denoise_region(image, region, path, **options)
    whole = api.denoise(image, path, **options)
    assert np.abs(part - whole[region]).max() <= 1e-5 * float(np.ptp(whole))


def test_a_plane_is_looked_through_once(
    folder: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_kept", OrderedDict())
    path = write_tiny_model(folder, "grey-attention")
    image = counts(rng, (3, 60, 70))
    events: list[Any] = []
    part = partial(
        api.denoise_region, image, model=path, axes="ZYX", on_event=events.append
    )
    first = part(np.s_[1:2, 10:30, 10:30])
    assert [event.done for event in events] == [0, 1, 2]
    events.clear()
    np.testing.assert_array_equal(part(np.s_[1:2, 10:30, 10:30]), first)
    assert [event.done for event in events] == [0, 2]
    part(np.s_[1:2, 30:50, 10:30])
    assert len(statistics._kept) == 1
    image[1, 50, 60] += 1
    part(np.s_[1:2, 30:50, 10:30])
    part(np.s_[2:3, 30:50, 10:30])
    assert len(statistics._kept) == 3


@pytest.mark.parametrize("stop", [39, 40, 41])
def test_the_ensemble_sees_the_grid_from_both_ends(
    folder: Path, rng: np.random.Generator, stop: int
) -> None:
    path = write_tiny_model(folder, "grey-unshuffle")
    image = counts(rng, (61, 98))
    region = np.s_[9:stop, 20:stop]
    part, whole = (
        run(path, ensemble=True, axes="YX", vst=False, dtype="float32")
        for run in (
            partial(api.denoise_region, image, region),
            partial(api.denoise, image),
        )
    )
    np.testing.assert_allclose(part, whole[region], rtol=1e-4)


def test_channels_keep_their_own_scale_and_order(
    folder: Path, rng: np.random.Generator
) -> None:
    path = write_tiny_model(folder, "grey")
    image = counts(rng, (2, 3, 40, 50))
    image[1] *= 5
    # rows last but one of the letters, channels first
    region = np.s_[1:2, 0:3, 5:30, 7:20]
    part = api.denoise_region(image, region, path, axes="CZYX", vst=False)
    whole = api.denoise(image, path, axes="CZYX", vst=False)
    np.testing.assert_allclose(part, whole[region], atol=1)
    turned = image.transpose(3, 0, 2, 1)
    region = np.s_[7:20, 1:2, 5:30, 0:3]
    part = api.denoise_region(turned, region, path, axes="XCYZ", vst=False)
    np.testing.assert_allclose(part, whole.transpose(3, 0, 2, 1)[region], atol=1)


def test_colours_and_guides(folder: Path, photo: NDArray[Any]) -> None:
    path = write_tiny_model(folder, "gradnet")
    image = np.round(photo[100:190, 100:200] * 255).astype(np.uint8)
    guide = np.ascontiguousarray(image[::-1])
    region = np.s_[20:64, 10:50, :]
    for chosen in (guide, "noisy", None):
        part = api.denoise_region(image, region, path, axes="YXS", guide=chosen)
        whole = api.denoise(image, path, axes="YXS", guide=chosen)
        np.testing.assert_allclose(part.astype(int), whole[region], atol=1)


def test_bm3d_as_a_guide_is_bm3d(folder: Path, grey_photo: NDArray[Any]) -> None:
    image = grey_photo[100:140, 100:150]
    other = write_tiny_model(folder, "grey-gradnet")
    trained = write_tiny_model(folder, "bm3d-guide")
    own = api.denoise(image, other)
    noisy = api.denoise(image, other, guide="noisy")
    bm3d = api.denoise(image, other, guide="bm3d")
    assert len({a.tobytes() for a in (own, noisy, bm3d)}) == 3
    np.testing.assert_array_equal(
        api.denoise(image, trained), api.denoise(image, trained, guide="bm3d")
    )


def test_guides_are_refused_where_they_are_none(folder: Path) -> None:
    image = np.zeros((40, 40), np.uint8)
    with pytest.raises(InputError, match="takes no guide"):
        api.denoise(image, write_tiny_model(folder, "grey"), guide="bm3d")
    with pytest.raises(InputError, match="'wavelet' is unknown"):
        api.denoise(image, write_tiny_model(folder, "grey-gradnet"), guide="wavelet")


def test_only_what_is_needed_is_read(folder: Path, rng: np.random.Generator) -> None:
    path = write_tiny_model(folder, "grey")
    image = counts(rng, (40, 64, 64))
    read: list[int] = []

    def block(block_id: tuple[int, ...]) -> NDArray[Any]:
        read.append(block_id[0])
        return image[block_id[0] : block_id[0] + 1]

    lazy = da.map_blocks(
        block, chunks=((1,) * 40, (64,), (64,)), dtype=image.dtype, meta=image[:0]
    )
    part = api.denoise_region(lazy, np.s_[3:4, 0:9, 0:9], path, axes="ZYX")
    assert part.shape == (1, 9, 9)
    assert 3 in read
    assert len(set(read)) <= 17


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (np.s_[0:1, 0:5], "one slice for each of the image's 3 dimensions"),
        (np.s_[0, 0:5, 0:5], "one slice for each"),
        (5, "region=5 must hold one slice for each"),
        (np.s_[0:1, 5:5, 0:5], "of dimension 1, of length 20"),
        (np.s_[0:1, 30:40, 0:5], "must keep one pixel or more"),
        (np.s_[0:1, 0:9:2, 0:5], "every one between"),
    ],
)
def test_regions_that_are_none(folder: Path, region: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        api.denoise_region(
            np.zeros((3, 20, 20), np.uint8), region, write_tiny_model(folder, "grey")
        )


def test_ends_may_be_left_out(folder: Path, rng: np.random.Generator) -> None:
    path = write_tiny_model(folder, "grey")
    image = counts(rng, (3, 20, 24))
    part = api.denoise_region(image, np.s_[-1:, :, 4:], path, axes="ZYX", vst=False)
    whole = api.denoise(image, path, axes="ZYX", vst=False)
    np.testing.assert_allclose(part, whole[-1:, :, 4:], atol=1)

"""Training images from layers and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gradnet.errors import ConfigError, InputError
from napari_gradnet.events import drain
from napari_gradnet.widgets import _train_data
from napari_gradnet.widgets._train_data import (
    FolderChoice,
    LayerChoice,
    collect_images,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.widgets._train_data import TrainingImages


def collect(choice: Any, folder: Path, patch_size: int = 16) -> TrainingImages:
    return drain(collect_images(choice, folder, patch_size))


def read(folder: Path, kind: str) -> dict[str, Any]:
    return {p.name: tifffile.imread(p) for p in sorted((folder / kind).iterdir())}


def test_counts_are_scaled_by_the_noisy_stack(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    noisy = rng.integers(100, 4000, (8, 40, 48)).astype(np.uint16)
    noisy[0, 0, :2] = 0, 65535  # percentiles, not ends
    clean = rng.uniform(200, 3000, (8, 40, 48))
    images = collect(LayerChoice(clean, "ZYX", noisy), tmp_path)
    low, high = np.percentile(noisy, (0.1, 99.9), method="nearest")
    for kind, array in (("noisy", noisy), ("clean", clean)):
        written = read(tmp_path, kind)
        assert list(written) == [f"{n:05d}-00.tif" for n in range(8)]
        for plane, part in zip(array, written.values(), strict=True):
            assert part.dtype == np.float32
            expected = (plane.astype(np.float64) - low) / (high - low)
            np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-6)
    assert images.source == {
        "clean": [str(tmp_path / "clean")],
        "noisy": [str(tmp_path / "noisy")],
        "intensity": "dtype",
    }
    assert (images.count, images.channels, images.message) == (8, 1, "")


def test_each_channel_has_its_own_black_and_white(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    image = rng.uniform(0, 1, (2, 4, 20, 20)).astype(np.float32)
    image[1] *= 500
    collect(LayerChoice(image, "CZYX"), tmp_path)
    tops = [float(p.max()) for p in read(tmp_path, "clean").values()]
    assert len(tops) == 8
    assert max(tops) < 1.2
    assert min(tops) > 0.9


def test_a_single_photo_is_cut_so_that_some_of_it_is_held_out(
    tmp_path: Path, photo: Any
) -> None:
    image = (255 * photo[:100, :200]).astype(np.uint8)
    rgba = np.dstack([image, np.full((100, 200), 7, np.uint8)])
    images = collect(LayerChoice(rgba, "YXS"), tmp_path, 32)
    parts = list(read(tmp_path, "clean").values())
    assert images.count == len(parts) == 8
    assert images.channels == 3
    assert min(min(p.shape[:2]) for p in parts) >= 32
    assert parts[0].dtype == np.uint8  # has a scale of its own
    rows = [np.concatenate(parts[k : k + 4], 1) for k in (0, 4)]
    np.testing.assert_array_equal(np.concatenate(rows), image)


def test_small_images_are_not_cut_below_a_patch(tmp_path: Path) -> None:
    image = np.arange(40 * 16, dtype=np.uint8).reshape(40, 16)
    images = collect(LayerChoice(image, "YX"), tmp_path, 16)
    assert [p.shape for p in read(tmp_path, "clean").values()] == [(20, 16)] * 2
    assert "no PSNR" in images.message


def test_a_large_stack_is_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_train_data, "LARGEST", 10 * 400)
    image = np.zeros((30, 20, 20), np.uint8)
    image[:] = np.arange(30)[:, None, None]
    images = collect(LayerChoice(image, "ZYX"), tmp_path)
    kept = [int(p[0, 0]) for p in read(tmp_path, "clean").values()]
    assert len(kept) == images.count == 10
    assert (kept[0], kept[-1]) == (0, 29)
    assert images.message == "10 of 30 planes are used, evenly spread."


STACK = np.zeros((4, 20, 20), np.float32)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (LayerChoice(STACK, "ZYX", STACK[:3]), "two layers of the same scene and size"),
        (LayerChoice(STACK, "ZYX", STACK), "are the same: choose two"),
        (LayerChoice(STACK > 0, "ZYX"), "is a mask"),
        (LayerChoice(STACK * np.nan, "ZYX"), r"the clean layer, plane 0: .* are NaN"),
    ],
)
def test_layers_that_do_not_fit(
    tmp_path: Path, choice: LayerChoice, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        collect(choice, tmp_path)


def test_folders_are_counted_plane_by_plane(tmp_path: Path) -> None:
    for kind, dtype in (("noisy", np.uint16), ("clean", np.uint8)):
        (tmp_path / kind).mkdir()
        for number in range(2):
            stack = np.zeros((3, 20, 20), dtype)
            tifffile.imwrite(tmp_path / kind / f"{number}.tif", stack, imagej=True)
    noisy, clean = str(tmp_path / "noisy"), str(tmp_path / "clean")
    images = collect(FolderChoice(clean), tmp_path)
    assert images.source == {"clean": [clean], "intensity": "dtype"}
    assert images.count == 6
    deep = collect(FolderChoice(noisy, noisy=clean), tmp_path)
    assert deep.source == {
        "clean": [noisy],
        "noisy": [clean],
        "intensity": "percentile",
    }
    (tmp_path / "clean" / "bad.tif").write_bytes(b"II*\0")
    assert collect(FolderChoice(clean), tmp_path).count == 6  # training tells of it
    with pytest.raises(InputError, match=r"has 2 images and .* 3: each noisy"):
        collect(FolderChoice(clean, noisy=noisy), tmp_path)
    with pytest.raises(ConfigError, match="names no image"):
        collect(FolderChoice(str(tmp_path / "none")), tmp_path)

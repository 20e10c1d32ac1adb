"""Dask arrays, Zarr arrays and files come out as NumPy arrays do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.unit.inference.images import random_image

from napari_gradnet.api import denoise_file
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.inference.images import Models


@pytest.mark.parametrize("planes", [3, 40])
def test_dask_equals_numpy(models: Models, planes: int) -> None:
    da = pytest.importorskip("dask.array")
    image = random_image((planes, 12, 10), "uint16")
    image[planes // 3] //= 50
    lazy = da.from_array(image, chunks=(2, 7, 10))
    options = {"axes": "TYX", "vst": False}
    if planes > 16:  # only some planes are read for the range
        options["value_range"] = (0, 3000)
    result = denoise(lazy, models["grey"], **options)
    assert isinstance(result, np.ndarray)
    assert np.array_equal(result, denoise(image, models["grey"], **options))
    guide = da.from_array(image[::-1].copy())
    guided = denoise(lazy, models["grey-gradnet"], guide=guide, **options)
    expected = denoise(image, models["grey-gradnet"], guide=image[::-1], **options)
    assert np.array_equal(guided, expected)


def test_zarr_equals_numpy(models: Models, tmp_path: Path) -> None:
    import zarr

    image = random_image((2, 3, 12, 10), "float32")
    stored = zarr.create_array(
        store=tmp_path / "a.zarr", shape=image.shape, chunks=(1, 2, 7, 7), dtype="f4"
    )
    stored[:] = image
    result = denoise(stored, models["grey"], axes="TZYX")
    assert np.array_equal(result, denoise(image, models["grey"], axes="TZYX"))


class Counted:
    """An array that tells how much of it was read at once."""

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.shape, self.dtype = image, image.shape, image.dtype
        self.reads: list[int] = []

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self.image[index]
        self.reads.append(part.size)
        return part


def test_lazy_arrays_are_read_plane_by_plane(models: Models) -> None:
    image = Counted(random_image((50, 12, 10), "uint16"))
    denoise(image, models["grey"], axes="TYX")
    assert set(image.reads) == {120}
    assert len(image.reads) == 50 + 16  # some are looked at for the range first


def test_files_and_arrays_give_the_same(models: Models, tmp_path: Path) -> None:
    stack = np.random.default_rng(1).normal(500, 60, (40, 24, 20)).astype(np.uint16)
    stack[7] *= 3  # a plane that decides the range, if it is looked at
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, stack, metadata={"axes": "ZYX"})
    denoise_file(source, target, models["grey"])
    expected = denoise(stack, models["grey"], axes="ZYX")
    np.testing.assert_array_equal(tifffile.imread(target), expected)

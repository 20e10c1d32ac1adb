"""Files in which 0 is white: other formats show the same picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.unit.io.copying import copy

from napari_gradnet.io import open_image, write_like
from napari_gradnet.io.volumes import (
    ZarrLayout,
    ZarrVolume,
    create_volume,
    plan_volume,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "white.tif"
    data = np.full((8, 9), 200, np.uint8)
    tifffile.imwrite(path, data, photometric="miniswhite", metadata=None)
    return path


@pytest.mark.parametrize("name", ["out.png", "out.jpg"])
def test_pictures_are_inverted(path: Path, name: str) -> None:
    out = path.with_name(name)
    _, message = copy(path, out)
    assert "0 is white in the file: values are written as 255 minus value" in message
    np.testing.assert_array_equal(np.asarray(Image.open(out)), 55)


def test_the_stored_bits_tell_what_black_is(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.png"
    data = np.array([[0, 4095, 1000]], np.uint16)
    options = {"photometric": "miniswhite", "bitspersample": 12}
    tifffile.imwrite(path, data, metadata=None, **options)
    copy(path, out)
    with open_image(out) as source:
        np.testing.assert_array_equal(source.read_plane(0), 4095 - data)


def test_a_narrower_type_is_cut_before(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.png"
    data = np.array([[50, 199, 3000]], np.uint16)
    tifffile.imwrite(path, data, photometric="miniswhite", metadata=None)
    with open_image(path) as source:
        cut = source.read_plane(0).clip(0, 255).astype(np.uint8)
        message = write_like(source, out, [cut], dtype="uint8", record={})
    assert "written as 255 minus value" in message
    np.testing.assert_array_equal(np.asarray(Image.open(out)), [[205, 56, 0]])


def test_a_tiff_goes_on_to_say_so(path: Path) -> None:
    out = path.with_name("out.tif")
    assert copy(path, out) == ("", "")
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].photometric.name == "MINISWHITE"
        np.testing.assert_array_equal(new.asarray(), 200)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_volumes_are_inverted(path: Path, dtype: str) -> None:
    with open_image(path) as image:
        layout = ZarrLayout(num_levels=2)
        plan = plan_volume(image, np.dtype(dtype), layout, {"operation": "denoise"})
        assert "written as 255 minus value" in plan.message
        create_volume(path.with_name("out"), plan)
        volume = ZarrVolume(path.with_name("out"), plan)
        region = (slice(0, 8), slice(0, 9))
        volume.write(0, region, image.read_plane(0).astype(dtype))
        half = volume.read(0, volume.finer(1, (slice(0, 4), slice(0, 5))))[::2, ::2]
        volume.write(1, (slice(0, 4), slice(0, 5)), half)
    np.testing.assert_array_equal(volume.read(0, region), np.full((8, 9), 55, dtype))
    np.testing.assert_array_equal(volume.read(1, region), np.full((4, 5), 55, dtype))


def test_gradients_and_unknown_whites_are_not(path: Path) -> None:
    gradient = {"operation": "gradient"}
    pipeline = {"operation": "pipeline", "steps": [{"operation": "denoise"}, gradient]}
    with open_image(path) as image:
        for record in (gradient, pipeline):
            plan = plan_volume(image, np.dtype("f4"), ZarrLayout(), record)
            assert (plan.black, plan.message) == (None, "")
    data = np.zeros((8, 9), np.float32)
    tifffile.imwrite(path, data, photometric="miniswhite", metadata=None)
    with open_image(path) as image:
        plan = plan_volume(image, image.dtype, ZarrLayout(), {"operation": "denoise"})
    assert plan.black is None
    assert plan.message == "0 is white in the file: its float32 are not inverted"

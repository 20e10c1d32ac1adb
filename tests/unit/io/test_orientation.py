"""A picture is shown upright, whatever format it is written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from tests.unit.io.copying import copy

from napari_gradnet.io import open_image
from napari_gradnet.io._exif import orientation_exif, read_orientation
from napari_gradnet.io.volumes import ZarrLayout, plan_volume

if TYPE_CHECKING:
    from pathlib import Path

TURNED = 0x0112


@pytest.fixture(params=["in.jpg", "in.png", "in.tif"])
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A picture that is to be turned by 90 degrees."""
    path: Path = tmp_path / request.param
    picture = Image.fromarray(np.full((8, 12, 3), 99, np.uint8))
    exif = Image.Exif()
    exif[0x010F], exif[TURNED] = "Maker", 6
    picture.save(path, exif=exif)
    return path


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.tif"])
def test_orientation_goes_along(photo: Path, name: str) -> None:
    out = photo.with_name(name)
    with open_image(photo) as source:
        assert source.orientation == 6
    copy(photo, out)
    with open_image(out) as new:
        assert (new.orientation, new.shape) == (6, (8, 12, 3))
    with Image.open(out) as shown:
        assert ImageOps.exif_transpose(shown).size == (8, 12)


def test_float_result_of_a_photo(photo: Path) -> None:
    out = photo.with_name("out.tif")
    copy(photo, out, lambda plane: plane.astype("f4"), dtype="f4")
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].tags.valueof(TURNED) == 6


def test_a_volume_tells_that_it_cannot(photo: Path) -> None:
    with open_image(photo) as source:
        plan = plan_volume(source, source.dtype, ZarrLayout(), {"operation": "test"})
    assert "to be turned (orientation 6), which OME-Zarr cannot" in plan.message


@pytest.mark.parametrize("value", range(1, 9))
def test_exif_there_and_back(value: int) -> None:
    assert read_orientation(orientation_exif(value)) == value
    exif = Image.Exif()
    exif[TURNED] = value
    assert read_orientation(exif.tobytes().removeprefix(b"Exif\0\0")) == value


@pytest.mark.parametrize(
    "data", [b"", b"rubbish", orientation_exif(6)[:15], orientation_exif(9)]
)
def test_strange_exif_is_upright(data: bytes) -> None:
    assert read_orientation(data) == 1

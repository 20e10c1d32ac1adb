"""Axes that the user gives are those of the output."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from tests.unit.io.copying import copy
from tests.zarr_stores import ramp, write_ome

from napari_gradnet.io import open_image
from napari_gradnet.io.volumes import ZarrLayout, plan_volume

KINDS = {
    "imagej": {"imagej": True},
    "ome": {"ome": True},
    "shaped": {},
}


def write(path, shape, kind, axes):
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    options = {"metadata": {"axes": axes}, **KINDS[kind]}
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    return data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("own", "given"),
    [
        ("ZYX", "TYX"),
        ("ZYX", "CYX"),
        ("CYX", "ZYX"),
        ("TZYX", "TCYX"),
        ("TZYX", "ZCYX"),
    ],
)
def test_the_output_says_the_given_axes(tmp_path, kind, own, given):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = write(path, (2, 3, 32, 40)[-len(own) :], kind, own)
    _, message = copy(path, out, axes=given)
    assert message == ""
    with open_image(out) as source:
        assert (source.axes.axes, source.shape) == (given, data.shape)
        assert source.message == ""
    np.testing.assert_array_equal(tifffile.imread(out), data)


def test_imagej_says_it_in_its_own_words(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    metadata = {"axes": "ZYX", "unit": "um", "spacing": 0.5}
    tifffile.imwrite(path, np.zeros((5, 8, 9), "u1"), imagej=True, metadata=metadata)
    copy(path, out, axes="TYX")
    with tifffile.TiffFile(out) as new:
        said = new.imagej_metadata
    assert said["frames"] == said["images"] == 5
    assert "slices" not in said
    assert said["unit"] == "um"


def test_named_channels_of_ome_are_not_thrown_away(tmp_path):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, np.zeros((2, 8, 9), "u1"), metadata=metadata)
    _, message = copy(path, out, axes="ZYX")
    assert message.startswith("the axes ZYX are not written")
    assert message.endswith("(it says CYX)")
    with open_image(out) as source:
        assert source.axes.axes == "CYX"


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_axes_that_a_kind_does_not_have(tmp_path, kind):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write(path, (3, 8, 9), kind, "ZYX")
    _, message = copy(path, out, axes="QYX")
    assert "the axes QYX are not written" in message
    out.unlink()
    write(path, (2, 3, 8, 9), kind, "TZYX")
    _, message = copy(path, out, axes="ZTYX")
    # ImageJ's order is fixed, OME's is not
    assert ("the axes ZTYX are not written" in message) == (kind == "imagej")


def test_a_plain_tiff_gets_a_place_for_them(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = np.arange(3 * 32 * 40, dtype=np.uint16).reshape(3, 32, 40)
    tifffile.imwrite(path, data, photometric="minisblack", metadata=None)
    assert copy(path, out, axes="TYX") == ("", "")
    with open_image(out) as source:
        assert source.axes.axes == "TYX"
    np.testing.assert_array_equal(tifffile.imread(out), data)


def test_a_plain_tiff_with_words_keeps_them(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = np.zeros((3, 8, 9), "u1")
    words = {"description": "my stage", "photometric": "minisblack"}
    tifffile.imwrite(path, data, metadata=None, **words)
    _, message = copy(path, out, axes="TYX")
    assert "the axes TYX are not written" in message
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].description.startswith("my stage")


def test_a_zarr_store_keeps_its_own(tmp_path):
    path = tmp_path / "in.zarr"
    write_ome(path, ramp((3, 8, 9)), "zyx")
    for axes, told in (("TYX", True), ("ZYX", False), (None, False)):
        with open_image(path, axes=axes) as image:
            plan = plan_volume(image, image.dtype, ZarrLayout(), {})
        assert ("the axes TYX are not written" in plan.message) == told

"""Pages, planes, axes and descriptions of TIFF files."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import tifffile
from tests.unit.io.copying import RECORD, copy

from napari_gradnet.errors import AxesError, FileFormatError, InputError
from napari_gradnet.io import _tiff_plan as tiff_plan
from napari_gradnet.io import open_image


def test_multipage_without_metadata(tmp_path, rng):
    """Each page keeps its own words, the first one gains the record."""
    data = rng.integers(0, 255, (4, 12, 13), dtype=np.uint8)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(path) as writer:
        for k, page in enumerate(data):
            writer.write(
                page,
                metadata=None,
                description=f"page {k} é".encode(),
                software=False,
                extratags=[(285, 2, None, f"name {k}", True), (315, 2, None, "me", 1)],
            )
    message, _ = copy(path, out, lambda plane: 255 - plane)
    assert "ZYX is assumed for the shape (4, 12, 13); give axes=" in message
    with tifffile.TiffFile(out) as new:
        np.testing.assert_array_equal(new.asarray(), 255 - data)
        first = new.pages[0].tags["ImageDescription"].value.splitlines()
        assert first[0] == "page 0 é"
        assert json.loads(first[1].removeprefix("napari-gradnet: ")) == RECORD
        for k in range(4):
            tags = new.pages[k].aspage().tags
            assert tags["PageName"].value == f"name {k}"
            assert tags["Artist"].value == "me"
            assert tags["ImageDescription"].value.startswith(f"page {k} é")


def test_structured_description_is_not_broken(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    xml = b"<MetaData><prop id='x' value='1'/></MetaData>"
    tifffile.imwrite(path, np.zeros((8, 8), "u1"), description=xml, metadata=None)
    copy(path, out)
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].description.encode() == xml
        assert '"tile": 64' in new.pages[0].tags["Software"].value


def test_shaped_with_axes(tmp_path, rng):
    data = rng.random((2, 1, 3, 10, 11)).astype("f4")
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path,
        data,
        photometric="minisblack",
        metadata={"axes": "TZCYX", "spacing": 0.4, "unit": "um"},
    )
    assert copy(path, out, np.negative) == ("", "")
    with tifffile.TiffFile(out) as new:
        assert new.series[0].axes == "TZCYX"
        np.testing.assert_array_equal(new.asarray(), -data)
        (meta,) = new.shaped_metadata
        assert meta["spacing"] == 0.4
        assert meta["napari-gradnet"] == RECORD


def test_truncated_shaped_becomes_pages(tmp_path, rng):
    """tifffile's single directory for many planes is opened, pages are written."""
    data = rng.integers(0, 255, (5, 10, 11), dtype=np.uint8)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, data, truncate=True, metadata={"axes": "TYX"})
    copy(path, out, lambda plane: 255 - plane)
    with tifffile.TiffFile(out) as new:
        assert len(new.pages) == 5
        np.testing.assert_array_equal(new.asarray(), 255 - data)


def test_beyond_4_gb_becomes_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_plan, "CLASSIC_LIMIT", 100)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, np.ones((5, 10, 11), "u1"), metadata={"axes": "TYX"})
    _, message = copy(path, out)
    assert message == "more than 4 GB: written as BigTIFF"
    with tifffile.TiffFile(out) as new:
        assert new.is_bigtiff


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_volume_in_one_page(tmp_path, rng, compression):
    data = rng.integers(0, 255, (16, 32, 48), dtype=np.uint8)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path,
        data,
        volumetric=True,
        tile=(16, 16, 16),
        photometric="minisblack",
        compression=compression,
        metadata=None,
    )
    _, message = copy(path, out, lambda plane: 255 - plane)
    assert "volumes stored in one page" in message
    with tifffile.TiffFile(out) as new:
        assert len(new.pages) == 16
        np.testing.assert_array_equal(new.asarray(), 255 - data)


def test_kind_that_only_its_maker_writes(tmp_path, rng):
    """A slide scanner's file becomes a TIFF with axes, its words go along."""
    data = rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)
    path, out = tmp_path / "in.svs", tmp_path / "out.tif"
    words = "Aperio Image Library v10|AppMag = 20|MPP = 0.5"
    options = {"tile": (16, 16), "photometric": "rgb"}
    tifffile.imwrite(path, data, description=words, metadata=None, **options)
    message, _ = copy(path, out, lambda plane: 255 - plane)
    assert message == "private metadata of a TIFF of kind svs is not kept"
    with tifffile.TiffFile(out) as new:
        assert new.series[0].kind == "shaped"
        assert new.series[0].axes == "YXS"
        assert new.shaped_metadata[0]["description"] == words
        np.testing.assert_array_equal(new.asarray(), 255 - data)


def test_axes_given_by_the_caller(tmp_path, rng):
    data = rng.integers(0, 255, (12, 13, 3), dtype=np.uint8)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, data, photometric="rgb", metadata=None)
    with open_image(path, axes="YXC") as source:
        assert source.num_planes == 3
        np.testing.assert_array_equal(source.read_plane(2), data[..., 2])
    copy(path, out, lambda plane: 255 - plane, axes="YXC")
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].photometric.name == "RGB"
        np.testing.assert_array_equal(new.asarray(), 255 - data)
    with pytest.raises(
        AxesError, match=r"in\.tif: .*names 2 dimensions, the array has 3"
    ):
        open_image(path, axes="YX")


def test_plane_across_pages_is_refused(tmp_path, rng):
    path = tmp_path / "in.tif"
    data = rng.integers(0, 9, (12, 13, 14), dtype=np.uint8)
    tifffile.imwrite(path, data, compression="zlib", metadata=None)
    with pytest.raises(FileFormatError, match="lies across 12 pages"):
        open_image(path, axes="YXZ")


@pytest.mark.parametrize("imagej", [False, True])
def test_one_plane_takes_the_memory_of_one_plane(tmp_path, imagej):
    """Of 64 planes of 1 MB no more than a few are ever in memory."""
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(path, imagej=imagej) as writer:
        writer.write(
            None,
            shape=(64, 512, 1024),
            dtype="u2",
            photometric="minisblack",
            metadata={"axes": "ZYX"},
        )
    tracemalloc.start()
    try:
        copy(path, out, lambda plane: plane + np.uint16(3))
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(tifffile.imread(out, key=63), 3)


def test_no_such_plane(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 8), "u1"), metadata=None)
    with open_image(path) as source:
        for index in (-1, 5):
            with pytest.raises(InputError, match=r"its planes are 0\.\.4"):
                source.read_plane(index)
        with pytest.raises(InputError, match="count=0"):
            list(source.sample_planes(0))
        assert len(list(source.sample_planes(1))) == 1

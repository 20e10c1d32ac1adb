"""Pixel types, colours and compressions of TIFF files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.unit.io.copying import copy

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import open_image


@pytest.mark.parametrize(
    ("compression", "predictor", "after"),
    [
        ("lzw", True, "LZW"),
        ("zlib", True, "ADOBE_DEFLATE"),
        ("zstd", False, "ZSTD"),
        ("packbits", False, "PACKBITS"),
        ("lzma", False, "LZMA"),
        ("jpegxl", False, "ADOBE_DEFLATE"),
    ],
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_compressions(tmp_path, rng, compression, predictor, after, byteorder):
    data = rng.integers(0, 4095, (3, 40, 33), dtype=np.uint16)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path,
        data,
        compression=compression,
        predictor=predictor,
        byteorder=byteorder if compression != "jpegxl" else "<",
        rowsperstrip=16,
        photometric="minisblack",
        metadata={"axes": "ZYX"},
    )
    _, message = copy(path, out, lambda plane: plane * 2)
    assert ("written as lossless deflate" in message) == (compression == "jpegxl")
    with tifffile.TiffFile(out) as new:
        page = new.pages[2]
        assert page.compression.name == after
        assert new.byteorder == (byteorder if compression != "jpegxl" else "<")
        assert new.pages[0].predictor == (2 if predictor or message else 1)
        assert new.pages[0].rowsperstrip == 16
        assert new.series[0].axes == "ZYX"
        np.testing.assert_array_equal(new.asarray(), data * 2)
    out.unlink()
    copy(path, out, lambda plane: plane.astype("f4") / 7, dtype="f4")
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].predictor == (3 if predictor or message else 1)
        np.testing.assert_array_equal(new.asarray(), data.astype("f4") / 7)


def test_lossy_jpeg_in_tiff(tmp_path, rng):
    smooth = np.add.outer(np.arange(32), np.arange(48))[..., None] + np.array(
        [0, 40, 80]
    )
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, smooth.astype("u1"), compression="jpeg", photometric="rgb")
    expected = tifffile.imread(path)
    _, message = copy(path, out)
    assert message == "JPEG compression is written as lossless deflate"
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].photometric.name == "RGB"
        np.testing.assert_array_equal(new.asarray(), expected)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "f2", "f4", "f8"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_planar_rgb_and_pixel_types(tmp_path, rng, dtype, tile):
    data = (rng.random((2, 3, 33, 50)) * 100 - 20).astype(dtype)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path,
        data,
        photometric="rgb",
        planarconfig="separate",
        compression="zlib",
        predictor=True,
        tile=tile,
        metadata=None,
    ) if dtype != "f8" else tifffile.imwrite(
        path, data, photometric="rgb", planarconfig="separate", tile=tile, metadata=None
    )
    with open_image(path) as source:
        assert source.axes.axes == "ZSYX"
        assert source.dtype == dtype
        plane = source.read_plane(1)
        np.testing.assert_array_equal(plane, data[1].transpose(1, 2, 0))
        assert plane.shape == source.axes.plane_shape == (33, 50, 3)
    copy(path, out, lambda plane: plane + plane.dtype.type(1))
    with tifffile.TiffFile(out) as new:
        page = new.pages[1]
        assert page.keyframe.planarconfig.name == "SEPARATE"
        assert page.keyframe.is_tiled == (tile is not None)
        np.testing.assert_array_equal(new.asarray(), data + data.dtype.type(1))


def test_rgba_and_colour_profile(tmp_path, rng):
    data = rng.integers(0, 65535, (20, 30, 4), dtype=np.uint16)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path,
        data,
        photometric="rgb",
        extrasamples=["unassalpha"],
        iccprofile=b"profile" * 30,
        resolution=(300, 300),
        resolutionunit="inch",
        metadata=None,
    )
    assert copy(path, out) == ("", "")
    with tifffile.TiffFile(out) as new:
        page = new.pages[0]
        assert page.extrasamples == (2,)
        assert page.iccprofile == b"profile" * 30
        assert page.tags["XResolution"].value == (300, 1)
        assert page.tags["ResolutionUnit"].value == 2
        np.testing.assert_array_equal(new.asarray(), data)


def test_premultiplied_alpha_is_divided_out_for_png(tmp_path):
    path = tmp_path / "in.tif"
    data = np.array([[[100, 50, 25, 128], [200, 100, 50, 255], [9, 0, 0, 0]]], "u1")
    tifffile.imwrite(
        path, data, photometric="rgb", extrasamples=["assocalpha"], metadata=None
    )
    copy(path, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as new:
        assert new.pages[0].extrasamples == (1,)
        np.testing.assert_array_equal(new.asarray(), data)
    copy(path, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as new:
        got = np.asarray(new)
    expected = [[[199, 100, 50, 128], [200, 100, 50, 255], [9, 0, 0, 0]]]
    np.testing.assert_array_equal(got, expected)


def test_palette_becomes_rgb(tmp_path, rng):
    data = rng.integers(0, 255, (2, 9, 8), dtype=np.uint8)
    colours = rng.integers(0, 255, (3, 256), dtype=np.uint16) * 257
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, data, colormap=colours, photometric="palette", metadata=None)
    expected = (colours.T >> 8).astype("u1")[data]
    message, _ = copy(path, out)
    assert "palette colours are read and written as RGB" in message
    with tifffile.TiffFile(out) as new:
        assert new.series[0].axes.endswith("YXS")
        np.testing.assert_array_equal(new.asarray(), expected)


def test_many_samples_are_channels(tmp_path, rng):
    """Interleaved channels are read one by one and interleaved again."""
    data = rng.integers(0, 65535, (2, 12, 10, 5), dtype=np.uint16)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path, data, photometric="minisblack", planarconfig="contig", metadata=None
    )
    with open_image(path) as source:
        assert source.axes.axes == "ZYXC"
        assert source.num_planes == 10
        np.testing.assert_array_equal(source.read_plane(7), data[1, ..., 2])
    copy(path, out, lambda plane: ~plane)
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].samplesperpixel == 5
        np.testing.assert_array_equal(new.asarray(), ~data)


@pytest.mark.parametrize(
    ("options", "data", "match"),
    [
        ({}, np.zeros((8, 8), bool), "type bool: integers or floats"),
        ({}, np.zeros((8, 8), "c8"), "type complex64: integers or floats"),
        ({"photometric": "separated"}, np.zeros((8, 8, 4), "u1"), "SEPARATED.*RGB"),
        ({"photometric": "cielab"}, np.zeros((8, 8, 3), "u1"), "CIELAB"),
        (
            {"extrasamples": ["unassalpha"], "planarconfig": "contig"},
            np.zeros((8, 8, 2), "u1"),
            "alpha channel: save it as RGBA",
        ),
        ({"bitspersample": 4}, np.zeros((8, 8), "u1"), "4 bits per pixel"),
    ],
)
def test_what_cannot_be_denoised(tmp_path, options, data, match):
    path = tmp_path / "in.tif"
    options.setdefault("photometric", "minisblack")
    tifffile.imwrite(path, data, metadata=None, **options)
    with pytest.raises(FileFormatError, match=match):
        open_image(path)


def test_packed_12_bits(tmp_path, rng):
    data = rng.integers(0, 4095, (9, 10), dtype=np.uint16)
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, data, bitspersample=12, metadata=None)
    message, _ = copy(path, out)
    assert message == "12-bit pixels are written as uint16"
    np.testing.assert_array_equal(tifffile.imread(out), data)

"""ImageJ files come back as ImageJ files."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import _tiff_plan as tiff_plan
from napari_gradnet.io import create_like, open_image, write_like
from napari_gradnet.io._imagej import extend_tag, patch_description

RECORD = {
    "software": "napari-gradnet",
    "version": "1.2.3",
    "model": "gradnet-fast-color",
    "hash": "0123abcd",
    "options": {"tile": 256, "ensemble": True},
}


def copy(path, out, function=lambda plane: plane, dtype=None, axes=None):
    """Send a file through the reader and the writer."""
    with open_image(path, axes=axes) as source:
        planes = (function(plane) for plane in source.iter_planes())
        return source.message, write_like(
            source, out, planes, dtype=dtype, record=RECORD
        )


@pytest.fixture
def hyperstack(tmp_path, rng):
    """A 16-bit TZCYX hyperstack with all that ImageJ may say about it."""
    data = rng.integers(0, 65535, (2, 3, 2, 17, 23), dtype=np.uint16)
    luts = [rng.integers(0, 255, (3, 256), dtype=np.uint8) for _ in range(2)]
    path = tmp_path / "hyper.tif"
    tifffile.imwrite(
        path,
        data,
        imagej=True,
        byteorder=">",
        resolution=(1 / 0.1083, 1 / 0.1083),
        metadata={
            "axes": "TZCYX",
            "spacing": 0.35,
            "unit": "um",
            "finterval": 1.5,
            "fps": 0.6667,
            "mode": "composite",
            "min": 12.0,
            "max": 40000.0,
            "Info": "Microscope = Zeiss µ\nNA = 1.4\n",
            "Labels": [f"plane {k}" for k in range(12)],
            "Ranges": (0.0, 4095.0, 10.0, 60000.0),
            "LUTs": luts,
            "ROI": b"Iout\x00\xe3roi",
            "Overlays": [b"Iout overlay 1", b"Iout overlay 2!"],
            "Properties": {"CropOffset": "(3, 4)"},
        },
    )
    return path, data


def test_hyperstack_keeps_everything(hyperstack, tmp_path):
    path, data = hyperstack
    out = tmp_path / "out.tif"
    assert copy(path, out, lambda plane: plane // 2) == ("", "")
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(out) as new:
        assert new.is_imagej
        assert new.byteorder == ">"
        assert new.series[0].axes == "TZCYX"
        np.testing.assert_array_equal(new.asarray(), data // 2)
        assert len(new.pages) == 12
        # ImageJ itself needs the pixels in one piece behind the first offset
        assert new.series[0].dataoffset == new.pages[0].dataoffsets[0]
        for name in ("XResolution", "YResolution", "ResolutionUnit"):
            assert new.pages[0].tags[name].value == old.pages[0].tags[name].value
        before, after = old.imagej_metadata, new.imagej_metadata
        info = after.pop("Info")
        assert info.startswith(before.pop("Info").rstrip())
        assert '"hash": "0123abcd"' in info
        assert '"options": {"tile": 256, "ensemble": true}' in info
        np.testing.assert_array_equal(after.pop("LUTs"), before.pop("LUTs"))
        assert after == before
        assert after["finterval"] == 1.5
        assert after["spacing"] == 0.35
        assert after["unit"] == "um"
        assert len(after["Labels"]) == 12
        assert new.pages[0].tags["Software"].value.endswith("napari-gradnet 1.2.3")


def test_planes_are_those_of_the_array(hyperstack):
    path, data = hyperstack
    with open_image(path) as source:
        assert (source.kind, source.axes.axes) == ("imagej", "TZCYX")
        assert (source.shape, source.dtype) == (data.shape, np.uint16)
        assert source.dtype.isnative
        flat = data.reshape(-1, 17, 23)
        for index in (11, 0, 5):
            plane = source.read_plane(index)
            np.testing.assert_array_equal(plane, flat[index])
            assert plane.flags.c_contiguous
            assert plane.flags.writeable
        assert source.metadata["imagej"]["finterval"] == 1.5
        picks = list(source.sample_planes(3))
        for plane, index in zip(picks, (0, 6, 11), strict=True):
            np.testing.assert_array_equal(plane, flat[index])
        assert len(list(source.sample_planes(100))) == 12


def test_float_output(hyperstack, tmp_path):
    path, data = hyperstack
    out = tmp_path / "out.tif"
    copy(path, out, lambda plane: plane.astype("f4") / 3, dtype="f4")
    with tifffile.TiffFile(out) as new:
        assert new.is_imagej
        assert new.series[0].dtype == np.float32
        np.testing.assert_array_equal(new.asarray(), data.astype("f4") / 3)
        assert new.imagej_metadata["max"] == 40000.0


def test_float64_is_refused_with_what_to_use(hyperstack, tmp_path):
    with (
        open_image(hyperstack[0]) as source,
        pytest.raises(FileFormatError, match="no pixels of type float64: use float32"),
    ):
        create_like(source, tmp_path / "out.tif", dtype="f8", record=RECORD)
    assert list(tmp_path.iterdir()) == [hyperstack[0]]


def test_signed_pixels_are_calibrated(tmp_path, rng):
    stored = rng.integers(0, 65535, (3, 9, 8), dtype=np.uint16)
    path, out = tmp_path / "signed.tif", tmp_path / "out.tif"
    calibration = {"cf": 0, "c0": -32768, "c1": 1, "vunit": "Gray Value"}
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "ZYX", **calibration})
    values = (stored.astype(np.int32) - 32768).astype(np.int16)
    with open_image(path) as source:
        assert source.dtype == np.int16
        np.testing.assert_array_equal(list(source.iter_planes()), values)
    copy(path, out)
    with tifffile.TiffFile(out) as new:
        np.testing.assert_array_equal(new.asarray(), stored)
        assert {k: new.imagej_metadata[k] for k in calibration} == calibration
    # as floats the values stand for themselves
    out.unlink()
    copy(path, out, lambda plane: plane.astype("f4"), dtype="f4")
    with tifffile.TiffFile(out) as new:
        np.testing.assert_array_equal(new.asarray(), values)
        assert "c0" not in new.imagej_metadata


def test_signed_output_of_unsigned_input(tmp_path):
    path, out = tmp_path / "a.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, np.full((4, 5), 7, np.uint16), imagej=True)
    copy(path, out, lambda plane: plane.astype(np.int16) - 9, dtype="i2")
    with open_image(out) as source:
        np.testing.assert_array_equal(source.read_plane(0), np.full((4, 5), -2))


def test_lookup_table_of_one_channel(tmp_path, rng):
    """An 8-bit image with a LUT is stored as indexed, but holds intensities."""
    data = rng.integers(0, 255, (6, 7), dtype=np.uint8)
    lut = rng.integers(0, 255, (3, 256), dtype=np.uint16) * 257
    path, out = tmp_path / "lut.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, data, imagej=True, colormap=lut)
    copy(path, out, lambda plane: plane // 2)
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].photometric.name == "PALETTE"
        np.testing.assert_array_equal(new.pages[0].colormap, lut)
        np.testing.assert_array_equal(new.asarray(), data // 2)
    out.unlink()
    copy(path, out, lambda plane: plane.astype("f4"), dtype="f4")
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].photometric.name == "MINISBLACK"
        np.testing.assert_array_equal(new.imagej_metadata["LUTs"], lut >> 8)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_rgb_stack(tmp_path, rng, dtype):
    data = rng.integers(0, 255, (4, 9, 8, 3), dtype=np.uint8)
    path, out = tmp_path / "rgb.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path, data, imagej=True, photometric="rgb", metadata={"axes": "TYXS"}
    )
    _, message = copy(path, out, lambda plane: plane.astype(dtype), dtype=dtype)
    with tifffile.TiffFile(out) as new:
        assert new.series[0].axes == "TYXS"
        assert new.is_imagej == (dtype == "u1")
        np.testing.assert_array_equal(new.asarray(), data)
    assert ("RGB of 8 bits only" in message) == (dtype == "f4")


def test_compressed_imagej(tmp_path, rng):
    data = rng.integers(0, 9, (5, 16, 20), dtype=np.uint16)
    path, out = tmp_path / "zip.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path, data, imagej=True, compression="zlib", metadata={"axes": "TYX"}
    )
    copy(path, out, lambda plane: plane + 1)
    with tifffile.TiffFile(out) as new:
        assert new.series[0].kind == "imagej"
        assert new.series[0].axes == "TYX"
        assert new.pages[3].compression.name == "ADOBE_DEFLATE"
        np.testing.assert_array_equal(new.asarray(), data + 1)


def test_beyond_4_gb_one_directory(tmp_path, rng, monkeypatch):
    """ImageJ's way with large stacks: one directory, pixels up to the file's end."""
    monkeypatch.setattr(tiff_plan, "CLASSIC_LIMIT", 1000)
    data = rng.integers(0, 65535, (6, 10, 20), dtype=np.uint16)
    path, out = tmp_path / "big.tif", tmp_path / "out.tif"
    again = tmp_path / "again.tif"
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "ZYX", "unit": "nm"})
    copy(path, out, lambda plane: ~plane)
    copy(out, again, lambda plane: ~plane)
    for file, expected in ((out, ~data), (again, data)):
        with tifffile.TiffFile(file) as new:
            assert len(new.pages) == 1
            assert not new.is_bigtiff
            offset = new.pages[0].dataoffsets[0]
            assert file.stat().st_size == offset + data.nbytes
            assert new.series[0].axes == "ZYX"
            assert new.imagej_metadata["unit"] == "nm"
            np.testing.assert_array_equal(new.asarray(), expected)


def test_dimensions_without_a_name(tmp_path, rng):
    """Old ImageJ files tell the number of images only."""
    data = rng.integers(0, 255, (5, 8, 9), dtype=np.uint8)
    path, out = tmp_path / "old.tif", tmp_path / "out.tif"
    description = "ImageJ=1.48v\nmin=0.0\nmax=99.0\n"
    tifffile.imwrite(path, data, description=description, metadata=None)
    message, _ = copy(path, out)
    assert "ZYX is assumed for the shape (5, 8, 9)" in message
    with tifffile.TiffFile(out) as new:
        assert new.pages[0].description.split() == [
            "ImageJ=1.48v",
            "images=5",
            "min=0.0",
            "max=99.0",
        ]
        np.testing.assert_array_equal(new.asarray(), data)
    with open_image(path, axes="tyx") as source:
        assert source.axes.axes == "TYX"
        assert source.message == ""


def test_stack_that_is_cut_off(hyperstack, tmp_path):
    path, _ = hyperstack
    cut = tmp_path / "cut.tif"
    cut.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(FileFormatError, match=r"cut\.tif.*cut off"):
        open_image(cut)


def test_unknown_entries_stay():
    header = b"IJIJ" + b"what" + struct.pack(">I", 2)
    data, counts = extend_tag(header + b"abcde", (12, 2, 3), ">", "done")
    assert data == (
        b"IJIJinfo\0\0\0\1what\0\0\0\2" + "done\n".encode("utf-16-be") + b"abcde"
    )
    assert struct.unpack(">4I", counts) == (20, 10, 2, 3)
    with pytest.raises(ValueError, match="cut off"):
        extend_tag(header + b"abcd", (12, 2, 3), ">", "done")


def test_description_is_otherwise_unchanged():
    text = "ImageJ=1.53t\nimages=4\nslices=4\nloop=false\nodd line\n"
    same = patch_description(text, 4, signed_before=False, signed_after=False)
    assert same == text

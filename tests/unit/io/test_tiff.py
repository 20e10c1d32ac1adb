"""OME-TIFF, BigTIFF, compressed, planar, indexed and plain TIFF files."""

from __future__ import annotations

import json
import tracemalloc
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile

from napari_gradnet.errors import AxesError, FileFormatError, GradNetError, InputError
from napari_gradnet.io import _tiff_plan as tiff_plan
from napari_gradnet.io import create_like, open_image, write_like

RECORD = {"software": "napari-gradnet", "version": "1.2.3", "options": {"tile": 64}}


def copy(path, out, function=lambda plane: plane, dtype=None, axes=None):
    """Send a file through the reader and the writer."""
    with open_image(path, axes=axes) as source:
        planes = (function(plane) for plane in source.iter_planes())
        return source.message, write_like(
            source, out, planes, dtype=dtype, record=RECORD
        )


@pytest.fixture
def ome(tmp_path, rng):
    data = rng.integers(0, 4095, (2, 3, 2, 16, 24), dtype=np.uint16)
    path = tmp_path / "in.ome.tif"
    tifffile.imwrite(
        path,
        data,
        bigtiff=True,
        compression="zlib",
        metadata={
            "axes": "TCZYX",
            "SignificantBits": 12,
            "PhysicalSizeX": 0.29,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.29,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 1.1,
            "TimeIncrement": 0.1,
            "TimeIncrementUnit": "s",
            "Channel": {"Name": ["DAPI", "GFP", "Tränen"]},
            "Plane": {"DeltaT": [k * 0.1 for k in range(12)]},
            "Description": "a < b & c",
        },
    )
    return path, data


def parse(path):
    with tifffile.TiffFile(path) as file:
        return ET.fromstring(file.ome_metadata)


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_ome(ome, tmp_path, dtype):
    path, data = ome
    out = tmp_path / "out.ome.tif"
    assert copy(path, out, lambda p: (p // 2).astype(dtype), dtype) == ("", "")
    with tifffile.TiffFile(out) as new:
        assert new.is_bigtiff
        assert new.series[0].kind == "ome"
        assert new.series[0].axes == "TCZYX"
        assert new.series[0].dtype == dtype
        assert new.pages[5].compression.name == "ADOBE_DEFLATE"
        np.testing.assert_array_equal(new.asarray(), data // 2)
    space = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
    old, new = parse(path), parse(out)
    before, after = (x.find(f"{space}Image/{space}Pixels") for x in (old, new))
    expected = dict(before.attrib)
    if dtype == "f4":
        expected["Type"] = "float"
        assert expected.pop("SignificantBits") == "12"
    assert after.attrib == expected
    assert after.attrib["PhysicalSizeXUnit"] == "µm"
    for name in ("Channel", "Plane"):
        assert [x.attrib for x in after.findall(space + name)] == [
            x.attrib for x in before.findall(space + name)
        ]
    assert [x.attrib["Name"] for x in after.findall(f"{space}Channel")] == [
        "DAPI",
        "GFP",
        "Tränen",
    ]
    assert len(after.findall(f"{space}Plane")) == 12
    assert new.find(f"{space}Image/{space}Description").text == "a < b & c"
    values = new.findall(f"{space}StructuredAnnotations/{space}MapAnnotation")
    pairs = {m.attrib["K"]: m.text for m in values[-1].iter(f"{space}M")}
    assert pairs == {
        "software": "napari-gradnet",
        "version": "1.2.3",
        "options": '{"tile": 64}',
    }
    reference = new.find(f"{space}Image/{space}AnnotationRef")
    assert reference.attrib["ID"] == values[-1].attrib["ID"]


def test_ome_twice_and_other_images(ome, tmp_path, rng):
    """Annotations do not collide; images that are not written leave the XML."""
    path, data = ome
    out, again = tmp_path / "1.ome.tif", tmp_path / "2.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(data, metadata={"axes": "TCZYX", "Name": "first"})
        writer.write(np.zeros((8, 8), "u1"), metadata={"axes": "YX", "Name": "second"})
    message, _ = copy(path, out)
    assert "2 image series only the first" in message
    copy(out, again)
    root = parse(again)
    names = [x.attrib["Name"] for x in root if x.tag.endswith("Image")]
    assert names == ["first"]
    notes = [x for x in root.iter() if x.tag.endswith("MapAnnotation")]
    assert len({x.attrib["ID"] for x in notes}) == len(notes) == 2
    with tifffile.TiffFile(again) as new:
        assert len(new.series) == 1
        np.testing.assert_array_equal(new.asarray(), data)


def test_ome_rgb_and_pyramid(tmp_path, rng):
    data = rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    options = {"tile": (32, 32), "photometric": "rgb", "compression": "lzw"}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(data, subifds=1, metadata={"axes": "YXS"}, **options)
        writer.write(data[::2, ::2], subfiletype=1, **options)
    message, _ = copy(path, out, lambda plane: 255 - plane)
    assert "lower levels of the pyramid are left out" in message
    with tifffile.TiffFile(out) as new:
        assert new.series[0].kind == "ome"
        assert new.series[0].axes == "YXS"
        assert new.pages[0].tile == (32, 32)
        assert new.pages[0].compression.name == "LZW"
        np.testing.assert_array_equal(new.asarray(), 255 - data)


@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize("present", [False, True])
def test_ome_in_several_files_is_refused(ome, tmp_path, own, present):
    path, _ = ome
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    start = xml.index("<TiffData")
    end = xml.index("/>", start)
    parts = "".join(
        f'<TiffData FirstT="{first // 6}" FirstZ="{first % 6 // 2}" IFD="0" '
        f'PlaneCount="{count}"><UUID FileName="{name}.ome.tif">urn:uuid:{name}</UUID>'
        "</TiffData>"
        for first, count, name in ((0, 6 * own, "a"), (6 * own, 12 - 6 * own, "b"))
        if count
    )
    xml = f"{xml[:start]}{parts}{xml[end + 2 :]}"
    for name in "ab" if present else "a":
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif",
            np.zeros((12, 16, 24), "u2"),
            description=xml.encode(),
            metadata=None,
        )
    with pytest.raises(FileFormatError, match="several files"):
        open_image(tmp_path / "a.ome.tif")


def test_ome_name_for_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8), "u1"))
    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match=r"promises OME-TIFF.*name it \.tif"),
    ):
        create_like(source, tmp_path / "b.ome.tif", record=RECORD)


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


def cut(path, keep):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])


@pytest.mark.parametrize("keep", [0.999, 0.7, 0.3, 0.01])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("separately", [False, True])
def test_cut_off(tmp_path, rng, keep, compression, separately):
    path = tmp_path / "in.tif"
    data = rng.integers(0, 65535, (8, 30, 40), dtype=np.uint16)
    with tifffile.TiffWriter(path) as writer:
        for page in data if separately else [data]:
            writer.write(page, compression=compression, metadata=None)
    cut(path, keep)
    with pytest.raises(FileFormatError, match=r"in\.tif"):
        open_image(path)


def test_damaged_page_is_named(tmp_path, rng):
    path = tmp_path / "in.tif"
    data = rng.integers(0, 65535, (5, 30, 40), dtype=np.uint16)
    tifffile.imwrite(path, data, compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as file:
        offset = file.pages[3].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = bytes(40)
    path.write_bytes(content)
    with open_image(path) as source:
        np.testing.assert_array_equal(source.read_plane(2), data[2])
        with pytest.raises(FileFormatError, match=r"in\.tif: plane 3 of 5 cannot"):
            source.read_plane(3)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_lying_header_takes_no_memory(tmp_path, compression):
    path = tmp_path / "in.tif"
    tifffile.imwrite(
        path, np.zeros((64, 64), "u1"), compression=compression, metadata=None
    )
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tags[name].overwrite(1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=r"header is wrong|cut off"):
            open_image(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_bytes_that_flipped(tmp_path, rng):
    """Whatever a byte becomes, the answer is a picture or a sentence."""
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = rng.integers(0, 65535, (5, 16, 16), dtype=np.uint16)
    tifffile.imwrite(path, data, compression="zlib", predictor=True, metadata=None)
    content = path.read_bytes()
    sentences = []
    for position in range(0, 300, 2):
        changed = bytearray(content)
        changed[position] ^= int(rng.integers(1, 255))
        path.write_bytes(changed)
        try:
            with open_image(path) as source:
                write_like(
                    source, out, source.iter_planes(), record=RECORD, overwrite=True
                )
        except GradNetError as error:
            sentences.append(str(error))
        assert {p.name for p in tmp_path.iterdir()} <= {"in.tif", "out.tif"}
    assert len(sentences) > 50
    assert all(".tif" in sentence for sentence in sentences)


def test_not_an_image(tmp_path):
    path = tmp_path / "in.tif"
    path.write_bytes(b"GIF89a..")
    with pytest.raises(FileFormatError, match=r"47 49 46.*TIFF, PNG or JPEG"):
        open_image(path)
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match="empty file"):
        open_image(path)
    with pytest.raises(FileFormatError, match="No such file"):
        open_image(tmp_path / "absent.tif")


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

"""OME-TIFF files keep their metadata."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile
from tests.unit.io.copying import RECORD, copy

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import create_like, open_image
from napari_gradnet.io._zarr_calibration import read_calibration


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


@pytest.mark.parametrize("elsewhere", [True, False])
def test_of_images_of_one_size_the_one_that_is_read_stays(tmp_path, rng, elsewhere):
    """Those whose pixels are in other files, or nowhere, are not read."""
    data = rng.integers(0, 255, (2, 8, 9), dtype=np.uint8)
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, size in (("first", 1.0), ("second", 2.0)):
            metadata = {"axes": "TYX", "Name": name, "PhysicalSizeX": size}
            writer.write(data, metadata=metadata)
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    start = xml.index("<TiffData")
    end = xml.index("/>", start) + 2
    gone = '<TiffData IFD="0" PlaneCount="2"><UUID FileName="b.ome.tif">x</UUID>'
    xml = xml[:start] + (f"{gone}</TiffData>" if elsewhere else "") + xml[end:]
    xml = xml.replace('IFD="2"', 'IFD="0"')
    tifffile.imwrite(path, data, description=xml.encode(), metadata=None)
    copy(path, out)
    names = [x.attrib["Name"] for x in parse(out) if x.tag.endswith("Image")]
    assert names == ["second"]
    with open_image(path) as source:
        assert read_calibration(source).scales["X"] == 2


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

"""Channels and units of TIFF files, in the words of OME-Zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.unit.io.copying import copy
from tests.zarr_stores import ramp

from napari_gradnet.io import open_image
from napari_gradnet.io._zarr_calibration import read_calibration
from napari_gradnet.io.volumes import ZarrLayout, plan_volume

if TYPE_CHECKING:
    from pathlib import Path

RED, GREEN, BLUE = "FF0000", "00FF00", "0000FF"


def channels(path: Path) -> list[tuple[str | None, str]]:
    """Label and colour of each channel of the OME-Zarr that is planned."""
    with open_image(path) as image:
        made = plan_volume(image, image.dtype, ZarrLayout(), {"operation": "test"})
    entries = made.attributes["ome"].get("omero", {"channels": []})["channels"]
    return [(entry.get("label"), entry["color"]) for entry in entries]


@pytest.mark.parametrize("names", [["GFP", "DAPI"], None])
def test_colours_of_ome_tiff(tmp_path: Path, names: list[str] | None) -> None:
    path = tmp_path / "in.ome.tif"
    # red as a signed 32-bit integer, and blue
    channel: dict[str, Any] = {"Color": [-16776961, 65535]}
    if names:
        channel["Name"] = names
    tifffile.imwrite(
        path, ramp((2, 40, 50)), metadata={"axes": "CYX", "Channel": channel}
    )
    assert channels(path) == list(zip(names or [None, None], [RED, BLUE], strict=True))


def test_names_without_colours(tmp_path: Path) -> None:
    path = tmp_path / "in.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}}
    tifffile.imwrite(path, ramp((2, 40, 50)), metadata=metadata)
    assert channels(path) == [("GFP", "FFFFFF"), ("DAPI", GREEN)]


def write_imagej(path: Path, **metadata: Any) -> None:
    tifffile.imwrite(
        path,
        ramp((3, 2, 40, 50)),
        imagej=True,
        metadata={"axes": "ZCYX", **metadata},
    )


def table(colour: str) -> np.ndarray:
    steps = np.arange(256) / 255
    return np.outer(np.frombuffer(bytes.fromhex(colour), "u1"), steps).astype("u1")


@pytest.mark.parametrize("labels", [["GFP", "DAPI"], ["GFP", "DAPI"] * 3])
def test_labels_of_imagej(tmp_path: Path, labels: list[str]) -> None:
    path = tmp_path / "in.tif"
    write_imagej(path, Labels=labels)
    assert channels(path) == [("GFP", "FFFFFF"), ("DAPI", GREEN)]


def test_labels_of_planes_name_no_channel(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    write_imagej(path, Labels=[f"plane {k}" for k in range(6)])
    assert channels(path) == []


def test_colours_of_imagej(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    tables = [table(RED), table(BLUE)]
    write_imagej(path, mode="composite", LUTs=tables)
    assert channels(path) == [(None, RED), (None, BLUE)]
    write_imagej(path, mode="grayscale", LUTs=tables)
    assert channels(path) == []


def calibration(path: Path) -> Any:
    with open_image(path) as image:
        return read_calibration(image)


def test_units_of_imagej_may_differ(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    units = {"unit": "um", "yunit": "nm", "zunit": "mm", "spacing": 2.0}
    write_imagej(path, **units)
    got = calibration(path)
    assert got.units == {"X": "micrometer", "Y": "nanometer", "Z": "millimeter"}
    assert got.scales["Z"] == 2
    write_imagej(path, unit="in", spacing=2.0)
    assert calibration(path).units == dict.fromkeys("XYZ", "inch")


@pytest.mark.parametrize(
    ("number", "unit"),
    [(2, "inch"), (3, "centimeter"), (4, "millimeter"), (5, "micrometer")],
)
def test_units_of_plain_tiff(tmp_path: Path, number: int, unit: str) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(
        path, ramp((8, 9)), resolution=(4, 2), resolutionunit=number, metadata=None
    )
    got = calibration(path)
    assert got.units == {"X": unit, "Y": unit}
    assert got.scales == {"X": 0.25, "Y": 0.5}


@pytest.mark.parametrize(
    ("letter", "short", "unit"),
    [
        ("X", "pm", "picometer"),
        ("X", "dm", "decimeter"),
        ("X", "in", "inch"),
        ("T", "ns", "nanosecond"),
        ("T", "d", "day"),
    ],
)
def test_units_of_ome(tmp_path: Path, letter: str, short: str, unit: str) -> None:
    path = tmp_path / "in.ome.tif"
    name = {"X": "PhysicalSizeX", "T": "TimeIncrement"}[letter]
    metadata = {"axes": "TYX", name: 0.5, f"{name}Unit": short}
    tifffile.imwrite(path, ramp((2, 8, 9)), metadata=metadata)
    got = calibration(path)
    assert (got.units[letter], got.scales[letter]) == (unit, 0.5)


def test_colours_have_no_channel_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "in.ome.tif"
    metadata = {"axes": "YXS", "Channel": {"Name": ["RGB"]}, "PhysicalSizeX": 0.5}
    tifffile.imwrite(path, ramp((8, 9, 3), "u1"), photometric="rgb", metadata=metadata)
    assert channels(path) == []
    assert calibration(path).scales == {"X": 0.5}


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("ISO-8859-1", "utf-8"), ("UTF-16", "utf-8"), ("ISO-8859-1", "latin-1")],
)
def test_the_declared_encoding_does_not_matter(
    tmp_path: Path, declared: str, codec: str
) -> None:
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    data = ramp((3, 8, 9))
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "\u00b5m"}
    xml = tifffile.OmeXml()
    xml.addimage(np.dtype("u2"), data.shape, (3, 1, 1, 8, 9, 1), axes="ZYX", **sizes)
    text = xml.tostring()
    text = f'<?xml version="1.0" encoding="{declared}"?>' + text[text.index("<OME") :]
    tifffile.imwrite(
        path,
        data,
        description=text.encode(codec),
        metadata=None,
        photometric="minisblack",
    )
    copy(path, out)
    for file in (path, out):
        assert calibration(file).units == {"X": "micrometer"}
    with tifffile.TiffFile(out) as written:
        assert 'PhysicalSizeXUnit="\u00b5m"' in (written.ome_metadata or "")

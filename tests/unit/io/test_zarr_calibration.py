"""Channels of TIFF files, in the words of OME-Zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.zarr_stores import ramp

from napari_gradnet.io import open_image
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

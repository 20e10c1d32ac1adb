"""Axes, display settings and translations that OME-Zarr files of others have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from tests.zarr_stores import (
    ramp,
    read_all,
    read_attributes,
    write_attributes,
    write_ome,
)
from zarr.storage import LocalStore

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import open_image
from napari_gradnet.io.volumes import ZarrLayout, check_output, plan_volume

if TYPE_CHECKING:
    from pathlib import Path


def plan(path: Path, **layout: Any) -> Any:
    with open_image(path) as image:
        return plan_volume(image, image.dtype, ZarrLayout(**layout), {"operation": "t"})


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_axes_of_space_have_their_names(tmp_path: Path, version: str) -> None:
    data = ramp((7, 6, 3))
    path = write_ome(tmp_path / "in", data, "xyz", version=version)
    with open_image(path) as image:
        assert image.axes.axes == "XYZ"
    np.testing.assert_array_equal(read_all(path), data.transpose(2, 1, 0))
    made = plan(path, num_levels=2)
    assert made.letters == "XYZ"
    assert [level.shape for level in made.levels] == [(7, 6, 3), (4, 3, 3)]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("names", [["x", "y", "lon"], ["z", "x", "X"], ["c", "b", "a"]])
def test_other_names_go_by_place(
    tmp_path: Path, version: str, names: list[str]
) -> None:
    path = write_ome(tmp_path / "in", ramp((3, 6, 7)), "zyx", version=version)
    attributes = read_attributes(path)
    block = attributes if version == "0.4" else attributes["ome"]
    for axis, name in zip(block["multiscales"][0]["axes"], names, strict=True):
        axis["name"] = name
    write_attributes(path, attributes)
    with open_image(path) as image:
        assert image.axes.axes == "ZYX"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    "omero",
    [{"channels": [{"label": "GFP"}]}, {"channels": [{"window": {"start": 1}}]}, 3],
)
def test_display_settings_do_not_matter(
    tmp_path: Path, version: str, omero: Any
) -> None:
    data = ramp((1, 8, 9))
    block = {"omero": omero}
    path = write_ome(tmp_path / "in", data, "cyx", version=version, block=block)
    np.testing.assert_array_equal(read_all(path), data)
    attributes = plan(path).attributes
    found = attributes if version == "0.4" else attributes["ome"]
    assert found["omero"] == omero


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_names_of_xarray_follow_the_order(tmp_path: Path, zarr_format: Any) -> None:
    path = tmp_path / "in.zarr"
    array = zarr.create_array(
        LocalStore(path),
        shape=(7, 6, 3),
        dtype="u2",
        zarr_format=zarr_format,
        attributes={"_ARRAY_DIMENSIONS": ["x", "y", "z"], "mine": 1},
    )
    array[...] = ramp((7, 6, 3))
    made = plan(path)
    assert made.letters == "ZYX"
    assert made.array_attributes == {"_ARRAY_DIMENSIONS": ["z", "y", "x"], "mine": 1}


@pytest.mark.parametrize(
    ("output", "source"),
    [("in.zarr", "in.zarr"), ("in.zarr/0", "in.zarr"), ("in.zarr", "in.zarr/0")],
)
def test_the_input_under_another_name_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, source: str
) -> None:
    """As on a disk that ignores upper and lower case, or in a folder mounted twice."""
    here, there = tmp_path / "here", tmp_path / "there"
    write_ome(here / "in.zarr", ramp((8, 9)), "yx")
    there.symlink_to(here)
    monkeypatch.setattr("pathlib.Path.resolve", lambda path, strict=False: path)
    for name in (output, f"{output}/new" if output == source else output):
        with pytest.raises(FileFormatError, match="is the input"):
            check_output(there / name, here / source, overwrite=True)
    check_output(there / "out.zarr", here / source, overwrite=True)

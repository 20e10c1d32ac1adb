"""OME-Zarr and plain zarr arrays, read by planes and regions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from tests.zarr_stores import ramp, read_attributes, write_attributes, write_ome
from zarr.storage import LocalStore

from napari_gradnet.errors import AxesError, FileFormatError
from napari_gradnet.io import open_image
from napari_gradnet.io._zarr_store import GuardedStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tyx", "tczyx", "czyx", "tcyx"])
def test_planes_of_any_axes(tmp_path: Path, version: str, axes: str) -> None:
    lengths = {"t": 2, "c": 3, "z": 4, "y": 5, "x": 7}
    data = ramp(tuple(lengths[a] for a in axes))
    chunks = tuple(min(n, 3) for n in data.shape)
    path = write_ome(tmp_path / "a.zarr", data, axes, version=version, chunks=chunks)
    with open_image(path) as image:
        assert image.axes.axes == axes.upper()
        assert (image.kind, image.dtype, image.message) == ("ome-zarr", data.dtype, "")
        assert image.metadata["version"] == version
        planes = np.stack(list(image.iter_planes()))
    np.testing.assert_array_equal(planes, data.reshape(-1, 5, 7))


@pytest.mark.parametrize("dtype", [">u2", ">f4", "<i8", "f2", "u1", "i1", "<f8", "u4"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_dtypes_come_in_native_order(tmp_path: Path, version: str, dtype: str) -> None:
    data = ramp((3, 8, 9), dtype)
    if version == "0.5":  # there the byte order is a codec's
        endian = "big" if dtype[0] == ">" else "little"
        options = {"serializer": zarr.codecs.BytesCodec(endian=endian)}
    else:
        options = {}
    path = write_ome(tmp_path / "a", data, "zyx", version=version, **options)
    with open_image(path) as image:
        plane = image.read_plane(1)
        assert image.dtype.isnative
        assert plane.dtype.isnative
        assert plane.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(plane, data[1])


def test_axes_named_otherwise_get_letters_by_type(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a", ramp((2, 3, 4, 5, 6)))
    attributes = read_attributes(path)
    axes = attributes["ome"]["multiscales"][0]["axes"]
    for axis, name in zip(axes, ["time", "wave", "depth", "lat", "lon"], strict=True):
        axis["name"] = name
    axes[1] = {"name": "angle"}  # neither a channel nor a letter
    write_attributes(path, attributes)
    assert open_image(path).axes.axes == "TQZYX"


def test_given_axes_win(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a", ramp((3, 8, 9), "u1"), "cyx")
    with open_image(path, axes="syx") as image:
        assert image.axes.is_rgb
        assert image.read_plane(0).shape == (8, 9, 3)
    with pytest.raises(AxesError, match="names 2 dimensions"):
        open_image(path, axes="YX")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_arrays(tmp_path: Path, zarr_format: int) -> None:
    data = ramp((4, 8, 9))
    zarr.create_array(LocalStore(tmp_path / "a"), data=data, zarr_format=zarr_format)
    with open_image(tmp_path / "a") as image:
        assert (image.kind, image.axes.axes) == ("zarr", "ZYX")
        assert "guessed" in image.message
        np.testing.assert_array_equal(image.read_plane(3), data[3])
    with open_image(tmp_path / "a", axes="TYX") as image:
        assert (image.axes.axes, image.message) == ("TYX", "")


def test_plain_array_with_dimension_names(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a")
    zarr.create_array(store, data=ramp((4, 8, 9)), dimension_names=["t", "y", "x"])
    with open_image(tmp_path / "a") as image:
        assert (image.axes.axes, image.message) == ("TYX", "")


def test_sharded_input_and_missing_chunks(tmp_path: Path) -> None:
    data = ramp((4, 40, 48))
    data[2:, 20:, :24] = 0
    path = write_ome(
        tmp_path / "a", data, "zyx", chunks=(1, 10, 12), shards=(2, 20, 24)
    )
    assert not (path / "0" / "c" / "1" / "1" / "0").exists()
    with open_image(path) as image:
        assert image.metadata["shards"] == (2, 20, 24)
        region = (slice(1, 4), slice(5, 33), slice(0, 47))
        np.testing.assert_array_equal(image.read_region(region), data[region])


def test_a_region_reads_its_own_chunks_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ramp((4, 40, 40))
    path = write_ome(tmp_path / "a", data, "zyx", chunks=(1, 10, 10))
    image = open_image(path)
    keys: list[str] = []
    read = GuardedStore._guarded

    def spy(self: GuardedStore, key: str, byte_range: object) -> bytes | None:
        keys.append(key)
        return read(self, key, byte_range)

    monkeypatch.setattr(GuardedStore, "_guarded", spy)
    block = image.read_region((slice(2, 3), slice(9, 20), slice(30, 40)))
    np.testing.assert_array_equal(block, data[2:3, 9:20, 30:40])
    assert sorted(keys) == ["c/2/0/3", "c/2/1/3"]


def test_planes_of_one_slab_of_chunks_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ramp((6, 8, 8))
    path = write_ome(tmp_path / "a", data, "zyx", chunks=(3, 8, 8), version="0.4")
    image = open_image(path)
    count = 0
    read = GuardedStore._guarded

    def spy(*arguments: object) -> bytes | None:
        nonlocal count
        count += 1
        return read(*arguments)

    monkeypatch.setattr(GuardedStore, "_guarded", spy)
    np.testing.assert_array_equal(np.stack(list(image.iter_planes())), data)
    assert count == 2


def test_large_chunks_are_read_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_gradnet.io._zarr_array._LARGE_CHUNK", 100)
    data = ramp((5, 20, 21))
    path = write_ome(tmp_path / "a", data, "zyx", chunks=(2, 10, 10))
    region = (slice(1, 5), slice(3, 20), slice(10, 21))
    np.testing.assert_array_equal(open_image(path).read_region(region), data[region])


def test_a_changed_store_has_another_fingerprint(tmp_path: Path) -> None:
    data = ramp((4, 20, 20))
    path = write_ome(tmp_path / "a", data, "zyx", chunks=(1, 10, 10))
    before = open_image(path).fingerprint()
    assert open_image(path).fingerprint() == before
    assert before["files"] == 17  # 16 chunks and the metadata
    chunk = path / "0" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert open_image(path).fingerprint() != before


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"plate": {"wells": []}}, "a plate of many images"),
        ({"bioformats2raw.layout": 3}, "a collection of images"),
        ({"multiscales": []}, "not valid"),
        ({"multiscales": [{"axes": [], "datasets": []}]}, "not valid: multiscales"),
        ({"multiscales": [{"version": "0.3"}]}, "OME-Zarr '0.3'"),
        ({}, "without an OME-Zarr image: name an array in it, such as .*a/0"),
    ],
)
def test_groups_that_are_no_image(tmp_path: Path, block: dict, words: str) -> None:
    path = write_ome(tmp_path / "a", ramp((8, 9)), "yx", version="0.4")
    write_attributes(path, block)
    with pytest.raises(FileFormatError, match=words):
        open_image(path)


def test_a_folder_without_zarr(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"a folder without zarr\.json"):
        open_image(tmp_path)


@pytest.mark.parametrize("dtype", ["?", "c8"])
def test_masks_and_complex_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write_ome(tmp_path / "a", np.ones((8, 9), dtype), "yx", version="0.4")
    with pytest.raises(FileFormatError, match="integers or floats are needed"):
        open_image(path)


def test_a_truncated_chunk_is_told(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a", ramp((2, 32, 32)), "zyx", chunks=(1, 32, 32))
    chunk = path / "0" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    image = open_image(path)
    image.read_plane(0)
    with pytest.raises(FileFormatError, match=r"block \[1:2, 0:32, 0:32\] cannot be"):
        image.read_plane(1)


def test_a_vanished_store_is_no_blank_one(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a", ramp((2, 32, 32)), "zyx", chunks=(1, 32, 32))
    image = open_image(path)
    shutil.rmtree(path)
    with pytest.raises(FileFormatError, match="has vanished"):
        image.read_plane(1)


def test_levels_of_another_shape_than_the_axes(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a", ramp((2, 8, 9)), "zyx")
    shutil.rmtree(path / "0")
    zarr.create_array(LocalStore(path / "0"), data=ramp((8, 9)))
    with pytest.raises(FileFormatError, match=r"3 axes \(ZYX\) are named"):
        open_image(path)


def test_the_fingerprint_is_that_of_any_process(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a", ramp((4, 20, 20)), "zyx", version="0.4")
    code = (
        "import sys; from napari_gradnet.io import open_image; "
        "print(open_image(sys.argv[1]).fingerprint()['metadata_sha256'])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(path)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 4)  # in which a set has either order
    }
    assert len(found) == 1

"""Layout, metadata and pixels of OME-Zarr outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.zarr_stores import ramp, read_attributes, write_ome
from yaozarrs import v04, v05

from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.io import create_like, open_image, write_like
from napari_gradnet.io.volumes import (
    ZarrLayout,
    ZarrVolume,
    create_volume,
    halve,
    plan_volume,
)

if TYPE_CHECKING:
    from pathlib import Path

RECORD = {"software": "napari-gradnet", "operation": "test"}


def plan(path: Path, axes: str | None = None, **layout: Any) -> Any:
    with open_image(path, axes=axes) as image:
        return plan_volume(image, image.dtype, ZarrLayout(**layout), RECORD)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i8", "f4", "f2"])
def test_halve_is_the_mean_of_four(dtype: str) -> None:
    block = ramp((2, 5, 7), dtype) // np.array(40, dtype)
    got = halve(block, "ZYX")
    assert got.shape == (2, 3, 4)
    assert got.dtype == block.dtype
    mean = block[:, :4, :6].astype("f8").reshape(2, 2, 2, 3, 2).mean((2, 4))
    if block.dtype.kind != "f":
        mean = np.rint(mean)
    np.testing.assert_array_equal(got[:, :2, :3], mean.astype(dtype))
    # the odd row and column: of what is there
    edge = block[:, 4, :6].astype("f8").reshape(2, 3, 2).mean(-1)
    wanted = (np.rint(edge) if block.dtype.kind != "f" else edge).astype(dtype)
    np.testing.assert_array_equal(got[:, 2, :3], wanted)
    np.testing.assert_array_equal(got[:, 2, 3], block[:, 4, 6])


def test_halve_keeps_extremes_and_single_pixels() -> None:
    assert halve(np.full((1, 4), 65535, "u2"), "YX").tolist() == [[65535, 65535]]
    assert halve(np.array([[2**31 - 1]], "i4"), "YX").tolist() == [[2**31 - 1]]
    huge = halve(np.full((2, 2), 3e38, "f4"), "YX")
    assert huge.tolist() == [[np.float32(3e38)]]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_layout_follows_the_input(tmp_path: Path, version: str) -> None:
    data = ramp((2, 1, 3, 41, 52))
    path = write_ome(
        tmp_path / "in",
        data,
        version=version,
        chunks=(1, 1, 2, 16, 32),
        num_levels=3,
        extra={"mine": {"kept": True}},
        block={"omero": {"channels": [_channel("DAPI")], "rdefs": {"model": "color"}}},
    )
    made = plan(path)
    assert made.version == version
    assert [level.path for level in made.levels] == ["0", "1", "2"]
    assert [level.shape[-2:] for level in made.levels] == [(41, 52), (21, 26), (11, 13)]
    assert {level.chunks for level in made.levels} == {(1, 1, 2, 16, 32)}
    assert made.attributes["mine"] == {"kept": True}
    assert made.attributes["napari-gradnet"] == [RECORD]
    block = made.attributes if version == "0.4" else made.attributes["ome"]
    assert block["omero"]["channels"][0]["label"] == "DAPI"
    assert block["omero"]["rdefs"] == {"model": "color"}
    scales = [
        d["coordinateTransformations"][0]["scale"]
        for d in block["multiscales"][0]["datasets"]
    ]
    assert scales == [[1, 1, 1, 1, 1], [1, 1, 1, 2, 2], [1, 1, 1, 4, 4]]


def _channel(label: str) -> dict[str, Any]:
    window = {"min": 0, "max": 9, "start": 0, "end": 9}
    return {"label": label, "color": "FF0000", "window": window}


@pytest.mark.parametrize("finest", [[1.0, 10.0, 20.0], None])
def test_a_translation_moves_with_the_means(
    tmp_path: Path, finest: list[float] | None
) -> None:
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [3.0, 0.5, 0.25]}]
    if finest:
        transforms.append({"type": "translation", "translation": finest})
    path = write_ome(
        tmp_path / "in",
        ramp((2, 40, 40)),
        "zyx",
        dataset={"coordinateTransformations": transforms},
    )
    made = plan(path, num_levels=3)
    first, *others = made.attributes["ome"]["multiscales"][0]["datasets"]
    assert first["coordinateTransformations"] == transforms
    moved = [d["coordinateTransformations"][1]["translation"] for d in others]
    z, y, x = finest or (0, 0, 0)
    assert moved == [[z, y + 0.25, x + 0.125], [z, y + 0.75, x + 0.375]]
    assert [d["path"] for d in (first, *others)] == ["0", "1", "2"]


def test_the_history_grows(tmp_path: Path) -> None:
    before = {"operation": "earlier"}
    path = write_ome(
        tmp_path / "in", ramp((8, 8)), "yx", extra={"napari-gradnet": [before]}
    )
    assert plan(path).attributes["napari-gradnet"] == [before, RECORD]


@pytest.mark.parametrize(
    ("axes", "letters", "order"),
    [("TZCYX", "TCZYX", (0, 2, 1, 3, 4)), ("YXS", "CYX", (2, 0, 1)), ("QYX", "QYX", 0)],
)
def test_tiff_axes_in_the_order_of_ome(
    tmp_path: Path, axes: str, letters: str, order: Any
) -> None:
    lengths = {"T": 2, "Z": 2, "C": 2, "Y": 40, "X": 50, "S": 3, "Q": 4}
    data = ramp(tuple(lengths[a] for a in axes), "u1")
    tifffile.imwrite(tmp_path / "in.tif", data, photometric="rgb" if "S" in axes else 0)
    made = plan(tmp_path / "in.tif", axes=axes)
    assert (made.version, made.letters) == ("0.5", letters)
    assert made.order == (order or (0, 1, 2))
    assert made.levels[0].shape == tuple(data.shape[k] for k in made.order)
    v05.Image.model_validate(made.attributes["ome"])


def test_channels_and_colours_do_not_go_together(tmp_path: Path) -> None:
    data = ramp((2, 40, 50, 3), "u1")
    tifffile.imwrite(tmp_path / "in.tif", data, photometric="rgb")
    with pytest.raises(FileFormatError, match="has channels and colours"):
        plan(tmp_path / "in.tif", axes="CYXS")
    tifffile.imwrite(tmp_path / "in.tif", ramp((2, 2, 40, 50)))
    with pytest.raises(FileFormatError, match="T, Z, Y, X and one more"):
        plan(tmp_path / "in.tif", axes="QCYX")


def test_pixel_sizes_of_imagej(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "in.tif",
        ramp((2, 3, 40, 50)),
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "TZYX", "unit": "um", "spacing": 2.5, "finterval": 0.1},
    )
    multiscale = plan(tmp_path / "in.tif").attributes["ome"]["multiscales"][0]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [0.1, 2.5, 0.5, 0.25]
    units = [axis.get("unit") for axis in multiscale["axes"]]
    assert units == ["second", "micrometer", "micrometer", "micrometer"]


def test_pixel_sizes_and_channels_of_ome_tiff(tmp_path: Path) -> None:
    path = tmp_path / "in.ome.tif"
    metadata = {
        "axes": "CYX",
        "PhysicalSizeX": 65.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.13,
        "Channel": {"Name": ["GFP", "DAPI"]},
    }
    tifffile.imwrite(path, ramp((2, 40, 50)), metadata=metadata)
    block = plan(path).attributes["ome"]
    multiscale = block["multiscales"][0]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 0.13, 65.0]
    assert [a.get("unit") for a in multiscale["axes"]] == [
        None,
        "micrometer",
        "nanometer",
    ]
    assert [c["label"] for c in block["omero"]["channels"]] == ["GFP", "DAPI"]
    assert block["omero"]["channels"][0]["window"]["max"] == 65535


def test_a_pyramid_goes_down_to_256(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((1100, 300), "u1"))
    made = plan(tmp_path / "in.tif")
    assert [level.shape for level in made.levels] == [
        (1100, 300),
        (550, 150),
        (275, 75),
        (138, 38),
    ]
    assert made.levels[0].chunks == (1024, 300)
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((256, 256), "u1"))
    assert len(plan(tmp_path / "in.tif").levels) == 1


def test_chunks_and_shards_as_wanted(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "in", ramp((2, 3, 64, 64)), "czyx")
    made = plan(path, chunks={"Z": 1, "Y": 16, "X": 16}, shards={"Y": 32, "X": 64})
    level = made.levels[0]
    assert (level.chunks, level.shards) == ((2, 1, 16, 16), (2, 1, 32, 64))
    assert level.grid == level.shards
    # an axis that this image has not is no error in a batch of many
    assert plan(path, chunks={"T": 1, "Y": 8}).levels[0].chunks == (2, 3, 8, 64)


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ({"chunks": {"Q": 4}}, "there is no axis 'Q'"),
        ({"chunks": {"y": 4}}, "upper-case letter"),
        ({"chunks": {"Y": 0}}, "1 pixel or more"),
        ({"shards": {"Y": 60}}, "hold no whole chunks"),
        ({"chunks": {"Z": 10**9}}, "bytes of memory"),
        ({"shards": {"Z": 3 * 10**9}}, "bytes of memory"),
        ({"compression": "rar"}, "is unknown: use zstd"),
        ({"compression": "gzip"}, "is unknown: use zstd, blosc, none"),
        ({"compression": "blosc", "level": 10}, r"blosc has 0\.\.9"),
        ({"num_levels": 0}, r"use 1\.\.24"),
    ],
)
def test_layouts_that_do_not_fit(tmp_path: Path, layout: Any, words: str) -> None:
    path = write_ome(tmp_path / "in", ramp((3, 64, 64)), "zyx", chunks=(1, 32, 32))
    with pytest.raises(InputError, match=words):
        plan(path, **layout)


def test_format_2_has_no_shards(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "in", ramp((64, 64)), "yx", version="0.4")
    with pytest.raises(InputError, match=r"OME-Zarr 0\.4 has no shards"):
        plan(path, shards={"Y": 128})


def test_large_shards_become_smaller_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_gradnet.io._zarr_layout._MAX_SHARD_BYTES", 4096)
    path = write_ome(
        tmp_path / "in",
        ramp((4, 64, 64)),
        "zyx",
        chunks=(1, 16, 16),
        shards=(4, 64, 64),
    )
    made = plan(path)
    level = made.levels[0]
    assert np.prod(level.shards) * 2 <= 4096
    assert all(s % c == 0 for s, c in zip(level.shards, level.chunks, strict=True))
    assert "(4, 64, 64) pixels are written as" in made.message


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("compression", ["zstd", "blosc", "none"])
def test_what_is_written_is_read_and_repeats(
    tmp_path: Path, version: str, compression: str
) -> None:
    data = ramp((3, 40, 44), "f4")
    path = write_ome(
        tmp_path / "in", data, "zyx", version=version, chunks=(2, 16, 16), num_levels=2
    )
    made = plan(path, compression=compression)
    part = tmp_path / "part"
    contents = []
    for _ in range(2):  # the second time over the first one
        create_volume(part, made)
        volume = ZarrVolume(part, made)
        volume.write(0, tuple(slice(0, n) for n in data.shape), data)
        region = (slice(0, 2), slice(0, 16), slice(16, 22))
        fine = volume.read(0, volume.finer(1, region))
        assert fine.shape == (2, 32, 12)
        volume.write(1, region, halve(fine, "ZYX"))
        files = sorted(p for p in part.rglob("*") if p.is_file())
        contents.append({str(p.relative_to(part)): p.read_bytes() for p in files})
    assert contents[0] == contents[1]
    with open_image(part) as image:
        np.testing.assert_array_equal(np.stack(list(image.iter_planes())), data)
    model = v04.Image if version == "0.4" else v05.Image
    attributes = read_attributes(part)
    model.model_validate(attributes if version == "0.4" else attributes["ome"])


def test_blank_chunks_are_not_stored(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "in", ramp((40, 40)), "yx", chunks=(20, 20))
    made = plan(path)
    create_volume(tmp_path / "part", made)
    volume = ZarrVolume(tmp_path / "part", made)
    block = np.ones((40, 40), "u2")
    whole = (slice(0, 40), slice(0, 40))
    volume.write(0, whole, block)
    block[20:, 20:] = 0
    volume.write(0, whole, block)
    assert not (tmp_path / "part" / "0" / "c" / "1" / "1").exists()
    np.testing.assert_array_equal(volume.read(0, whole), block)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_ome(tmp_path / "in", ramp((40, 40)), "yx", chunks=(20, 20))
    made = plan(path)
    create_volume(tmp_path / "part", made)
    volume = ZarrVolume(tmp_path / "part", made)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(FileFormatError, match="No space left on device"):
        volume.write(0, (slice(0, 40), slice(0, 40)), np.ones((40, 40), "u2"))


def test_volumes_are_not_written_plane_by_plane(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "in.zarr", ramp((2, 20, 20)), "zyx")
    with open_image(path) as image:
        with pytest.raises(FileFormatError, match="the 2 planes of a zarr store"):
            create_like(image, tmp_path / "out.tif", record=RECORD)
        with pytest.raises(FileFormatError, match="use `gradnet batch`"):
            create_like(image, tmp_path / "out.zarr", record=RECORD)
    data = ramp((20, 30))
    path = write_ome(tmp_path / "one.zarr", data, "yx")
    with open_image(path) as image:
        write_like(image, tmp_path / "out.tif", image.iter_planes(), record=RECORD)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), data)

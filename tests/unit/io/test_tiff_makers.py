"""TIFF files of makers with habits of their own: Micro-Manager, tifffile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.unit.io.copying import copy
from tests.unit.io.micromanager import write_mmstack
from tests.zarr_stores import ramp

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import open_image

if TYPE_CHECKING:
    from pathlib import Path

GREY = {"photometric": "minisblack"}


def words(path: Path) -> dict[str, Any]:
    """What tifffile says about its own file."""
    with tifffile.TiffFile(path) as file:
        assert file.shaped_metadata is not None
        return dict(file.shaped_metadata[0])


@pytest.mark.parametrize("side", [9, 100])
def test_a_micro_manager_stack_is_read_and_written(tmp_path: Path, side: int) -> None:
    path, out = tmp_path / "in_MMStack.ome.tif", tmp_path / "out.tif"
    data = ramp((3, 8, side))
    write_mmstack(path, data)
    with open_image(path) as image:
        assert image.axes.axes == "ZYX"
        for number, plane in enumerate(data):
            np.testing.assert_array_equal(image.read_plane(number), plane)
    read, written = copy(path, out, lambda plane: plane + 1)
    assert "private metadata of a TIFF of kind mmstack" in read
    np.testing.assert_array_equal(tifffile.imread(out), data + 1)
    assert words(out)["axes"] == "ZYX"
    assert words(out)["description"].startswith("ImageJ=1.52p")
    # so small that the pixels lie in one piece, without the words on single planes
    assert "tags of the pages behind the first" in written


def test_micro_manager_words_on_planes_are_kept(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = ramp((3, 80, 90))
    write_mmstack(path, data)
    assert copy(path, out)[1] == ""
    np.testing.assert_array_equal(tifffile.imread(out), data)
    with tifffile.TiffFile(out) as file:
        assert all(51123 in page.aspage().tags for page in file.pages)


def test_an_imagej_text_in_tifffiles_own_kind(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = ramp((3, 32, 40))
    text = "ImageJ=1.53\nimages=3\nslices=3"
    tifffile.imwrite(path, data, description=text, **GREY)
    copy(path, out)
    np.testing.assert_array_equal(tifffile.imread(out), data)
    assert words(out)["description"] == text


def test_a_cut_imagej_stack_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    # of those beyond 4 GB only the first page has a directory
    text = "ImageJ=1.53\nimages=30\nslices=30\n"
    page = np.zeros((32, 40), "u2")
    tifffile.imwrite(path, page, description=text, metadata=None, **GREY)
    with pytest.raises(FileFormatError, match="tells of more images"):
        open_image(path)


@pytest.mark.parametrize("text", ["my words", '{"who": "me"}'])
def test_a_users_description_is_kept(tmp_path: Path, text: str) -> None:
    path, out, again = (tmp_path / f"{name}.tif" for name in ("in", "out", "again"))
    data = ramp((3, 32, 40))
    tifffile.imwrite(path, data, description=text, metadata={"axes": "TYX"}, **GREY)
    copy(path, out)
    copy(out, again)
    for written in (out, again):
        np.testing.assert_array_equal(tifffile.imread(written), data)
        assert words(written)["axes"] == "TYX"
        assert words(written)["description"] == text


def test_two_descriptions_are_both_kept(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = ramp((32, 40))
    own = {"description": "one"}
    tifffile.imwrite(path, data, description="two", metadata=own)
    assert words(path)["description"] == "one"
    copy(path, out)
    assert words(out)["description"] == "one"
    assert words(out)["ImageDescription"] == "two"


def test_the_first_kind_of_tifffiles_text(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = ramp((3, 32, 40))
    text = "shape=(3, 32, 40)"
    tifffile.imwrite(path, data, description=text, metadata=None, **GREY)
    copy(path, out)
    np.testing.assert_array_equal(tifffile.imread(out), data)
    assert list(words(out)["shape"]) == [3, 32, 40]
    assert "description" not in words(out)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 32, 32), {"metadata": {"axes": "ZYX"}}),
        ((2, 128, 128), {"metadata": {"axes": "ZYX"}, "iccprofile": b"y" * 40000}),
        ((2, 64, 64), {"tile": (64, 64)}),
        ((3, 64, 64), {"tile": (32, 32)}),
        ((2, 9, 10, 2), {"metadata": {"axes": "ZYXS"}, "planarconfig": "contig"}),
        ((2, 2, 9, 10), {"metadata": {"axes": "ZSYX"}, "planarconfig": "separate"}),
    ],
)
def test_small_pages_with_many_words(
    tmp_path: Path, byteorder: Any, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = ramp(shape)
    metadata = {"note": "y" * 10000, **options.get("metadata", {})}
    given = {**options, "metadata": metadata}
    tifffile.imwrite(path, data, byteorder=byteorder, **GREY, **given)
    assert copy(path, out)[1] == ""
    np.testing.assert_array_equal(tifffile.imread(out), data)
    with open_image(path) as old, open_image(out) as new:
        assert new.axes.axes == old.axes.axes
        for number in range(old.num_planes):
            np.testing.assert_array_equal(
                new.read_plane(number), old.read_plane(number)
            )


def test_axes_in_small_letters(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    data = ramp((3, 32, 40))
    tifffile.imwrite(path, data, metadata={"axes": "zyx"}, **GREY)
    with open_image(path) as image:
        assert image.axes.axes == "ZYX"
    copy(path, out)
    np.testing.assert_array_equal(tifffile.imread(out), data)


@pytest.mark.parametrize("shift", [0, 8])
def test_palettes_of_8_and_16_bits(tmp_path: Path, shift: int) -> None:
    path = tmp_path / "in.tif"
    colours = np.random.default_rng(3).integers(0, 256, (3, 256)).astype("u2")
    colours[0, 0] = 255
    indices = ramp((8, 9), "u1")
    tifffile.imwrite(
        path, indices, photometric="palette", colormap=colours << shift, metadata=None
    )
    with open_image(path) as image:
        np.testing.assert_array_equal(image.read_plane(0), colours.T[indices])


@pytest.mark.parametrize("shift", [0, 8])
def test_an_imagej_table_of_8_and_16_bits(tmp_path: Path, shift: int) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    colours = np.tile(np.arange(256, dtype="u2"), (3, 1)) << shift
    tifffile.imwrite(path, ramp((8, 9), "u1"), imagej=True, colormap=colours)
    copy(path, out, lambda plane: plane.astype("f4"), dtype=np.dtype("f4"))
    with tifffile.TiffFile(out) as file:
        table = (file.imagej_metadata or {})["LUTs"]
        table = np.reshape(table, (3, 256))
    np.testing.assert_array_equal(table, np.tile(np.arange(256), (3, 1)))

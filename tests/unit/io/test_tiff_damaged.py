"""Damaged, lying and foreign TIFF files are refused with a sentence."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tifffile
from tests.unit.io.copying import RECORD

from napari_gradnet.errors import FileFormatError, GradNetError
from napari_gradnet.io import open_image, write_like


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

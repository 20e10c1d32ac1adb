"""Chunks that claim or unpack to more than they may."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import pytest
import zarr
from tests.zarr_stores import edit, read_all
from zarr.storage import LocalStore

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._zarr_store import MAX_CHUNK_BYTES

if TYPE_CHECKING:
    from pathlib import Path


def bomb(path: Path, data: bytes, **metadata: Any) -> Path:
    """A store of one chunk of 64 pixels, with other bytes in it."""
    array = zarr.create_array(
        LocalStore(path), shape=(8, 8), chunks=(8, 8), dtype="u1", zarr_format=2
    )
    array[...] = 1
    edit(path / ".zarray", **metadata)
    (path / "0.0").write_bytes(data)
    return path


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_gradnet.io._zarr_store._SLACK", 1000)
    monkeypatch.setattr("napari_gradnet.io._zarr_store.MAX_CHUNK_BYTES", 10_000)


ZEROS = bytes(1 << 20)


def zstd_without_size() -> bytes:
    """The frame of an unknown size: made by taking the size out of the header."""
    data = imagecodecs.zstd_encode(ZEROS)
    descriptor = data[4]
    assert descriptor >> 6 == 2
    assert descriptor & 0x20  # single segment: the size is the window
    window = bytes([0x58])  # 2 MiB
    return data[:4] + bytes([descriptor & 0x1F]) + window + data[9:]


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ("zstd", imagecodecs.zstd_encode(ZEROS)),
        ("zstd", zstd_without_size()),
        ("gzip", gzip.compress(ZEROS)),
        ("zlib", zlib.compress(ZEROS)),
        ("bz2", imagecodecs.bz2_encode(ZEROS)),
        ("lzma", imagecodecs.lzma_encode(ZEROS)),
    ],
    ids=["zstd", "zstd without its size", "gzip", "zlib", "bz2", "lzma"],
)
def test_chunks_that_burst(tmp_path: Path, codec: str, data: bytes) -> None:
    settings = {"id": codec, **({"level": 1} if codec != "lzma" else {})}
    if codec == "lzma":
        settings |= {"format": 1, "check": -1, "preset": None, "filters": None}
    path = bomb(tmp_path / "a", data, compressor=settings)
    with pytest.raises(FileFormatError, match="unpack to more than the 512 bytes"):
        read_all(path)


def test_zstd_of_unknown_size_is_read_where_it_fits(tmp_path: Path) -> None:
    data = zstd_without_size()
    path = bomb(tmp_path / "a", data, compressor={"id": "zstd", "level": 1})
    edit(path / ".zarray", shape=[1024, 1024], chunks=[1024, 1024])
    assert imagecodecs.zstd_decode(data, out=1 << 20) == ZEROS
    assert not read_all(path).any()


def test_a_claim_of_petabytes(tmp_path: Path) -> None:
    frame = b"\x28\xb5\x2f\xfd" + bytes([0xE0]) + (1 << 50).to_bytes(8, "little")
    path = bomb(tmp_path / "a", frame, compressor={"id": "zstd", "level": 1})
    with pytest.raises(FileFormatError, match="unpack to more than"):
        read_all(path)


def test_a_chunk_file_larger_than_any_chunk(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a", b"", compressor=None)
    with (path / "0.0").open("wb") as file:
        file.truncate(2 * MAX_CHUNK_BYTES)  # sparse
    with pytest.raises(FileFormatError, match="to be read at once"):
        read_all(path)


def test_uncompressed_pixels_may_look_like_zstd(tmp_path: Path) -> None:
    data = b"\x28\xb5\x2f\xfd\xe0" + bytes(range(59))
    path = bomb(tmp_path / "a", data, compressor=None)
    assert read_all(path).tobytes() == data

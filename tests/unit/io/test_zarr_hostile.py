"""Stores that someone made to do harm, or that a disk has damaged."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from tests.zarr_stores import (
    edit,
    ramp,
    read_all,
    read_attributes,
    write_attributes,
    write_ome,
)

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import open_image
from napari_gradnet.io._zarr_read import _relative
from napari_gradnet.io._zarr_store import GuardedStore, check_inside
from napari_gradnet.io.volumes import check_rest, copy_rest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def v4(tmp_path: Path) -> Path:
    return write_ome(
        tmp_path / "in.zarr", ramp((2, 16, 16)), "zyx", version="0.4", chunks=(1, 8, 8)
    )


@pytest.fixture
def v5(tmp_path: Path) -> Path:
    return write_ome(tmp_path / "in5.zarr", ramp((2, 16, 16)), "zyx", chunks=(1, 8, 8))


def level_named(path: Path, name: str) -> None:
    attributes = read_attributes(path)
    attributes["multiscales"][0]["datasets"][0]["path"] = name
    write_attributes(path, attributes)


# ------------------------------------------------------------------------- paths
@pytest.mark.parametrize("name", ["../other", "a/../../other", "/etc", "", "a\0b"])
def test_levels_outside_of_the_store(v4: Path, name: str) -> None:
    other = write_ome(v4.parent / "other", ramp((2, 16, 16)), "zyx", version="0.4")
    assert other.is_dir()
    level_named(v4, name)
    with pytest.raises(FileFormatError, match=r"Zarr node name|lies outside"):
        open_image(v4)
    # the validation's rules are not ours to rely on
    with pytest.raises(FileFormatError, match="lies outside of the store"):
        _relative(v4, name)


@pytest.mark.parametrize("name", ["labels", "0/0"])
def test_levels_that_are_no_array(v4: Path, name: str) -> None:
    level_named(v4, name)
    with pytest.raises(FileFormatError, match="there is no zarr array"):
        open_image(v4)


def test_a_level_that_is_a_link_out_of_the_store(v4: Path) -> None:
    (v4 / "0").rename(v4.parent / "elsewhere")
    (v4 / "0").symlink_to(v4.parent / "elsewhere")
    with pytest.raises(FileFormatError, match="leads out of"):
        open_image(v4)


def test_links_in_a_circle(v4: Path) -> None:
    (v4 / "0").rename(v4.parent / "elsewhere")
    (v4 / "0").symlink_to(v4 / "loop")
    (v4 / "loop").symlink_to(v4 / "0")
    with pytest.raises(FileFormatError, match="circles"):
        open_image(v4)


@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero"])
def test_a_chunk_that_is_a_link_out_of_the_store(v5: Path, target: str) -> None:
    chunk = v5 / "0" / "c" / "0" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to(target)
    with pytest.raises(FileFormatError, match="leads out of"):
        read_all(v5)


def test_a_chunk_folder_that_is_a_link_out_of_the_store(v5: Path) -> None:
    folder = v5 / "0" / "c" / "1"
    folder.rename(v5.parent / "elsewhere")
    folder.symlink_to(v5.parent / "elsewhere")
    with pytest.raises(FileFormatError, match="leads out of"):
        read_all(v5)


def test_a_chunk_that_points_to_itself(v5: Path) -> None:
    chunk = v5 / "0" / "c" / "0" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to(chunk)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_all(v5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_chunk_that_never_ends(v5: Path) -> None:
    chunk = v5 / "0" / "c" / "0" / "0" / "0"
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(FileFormatError, match="no regular file"):
        read_all(v5)


def test_links_within_the_store_are_followed(v5: Path) -> None:
    data = read_all(v5)
    chunk = v5 / "0" / "c" / "0" / "0" / "0"
    chunk.rename(v5 / "kept")
    chunk.symlink_to(v5 / "kept")
    np.testing.assert_array_equal(read_all(v5), data)


def test_the_store_itself_may_be_a_link(v5: Path) -> None:
    link = v5.parent / "link.zarr"
    link.symlink_to(v5)
    np.testing.assert_array_equal(read_all(link), read_all(v5))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads all")
def test_a_chunk_without_permission(v5: Path) -> None:
    (v5 / "0" / "c" / "0" / "0" / "0").chmod(0)
    with pytest.raises(FileFormatError, match="Permission denied"):
        read_all(v5)


def test_permission_denied_by_the_system(
    v5: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path as AnyPath

    image = open_image(v5)
    opened = AnyPath.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if "c" in self.parts:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(AnyPath, "open", refuse)
    with pytest.raises(FileFormatError, match="Permission denied"):
        image.read_plane(0)


# ---------------------------------------------------------------------- metadata
def test_absurd_chunks(v4: Path) -> None:
    edit(v4 / "0" / ".zarray", chunks=[1, 10**6, 10**6])
    with pytest.raises(FileFormatError, match="takes 1,000,000,000,000 bytes"):
        open_image(v4)
    edit(v4 / "0" / ".zarray", chunks=[1, 23171, 23171])  # below the limit as bytes
    with pytest.raises(FileFormatError, match="takes 1,073,790,482 bytes of memory"):
        open_image(v4)


def test_absurd_shards(v5: Path) -> None:
    file = v5 / "0" / "zarr.json"
    document = json.loads(file.read_text())
    inner = document["codecs"]
    index = [{"name": "bytes", "configuration": {"endian": "little"}}]
    document["chunk_grid"]["configuration"]["chunk_shape"] = [1, 10**6, 10**6]
    settings = {"chunk_shape": [1, 8, 8], "codecs": inner, "index_codecs": index}
    document["codecs"] = [{"name": "sharding_indexed", "configuration": settings}]
    file.write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match="a shard of 15,625,000,000 chunks"):
        open_image(v5)


@pytest.mark.parametrize(
    "chunks", [[0, 8, 8], [-1, 8, 8], [1, 8], [1, 8, "8"], None, [1, 8, True], 8]
)
def test_chunks_that_are_none(v4: Path, chunks: Any) -> None:
    edit(v4 / "0" / ".zarray", chunks=chunks)
    with pytest.raises(FileFormatError, match="chunk"):
        open_image(v4)


def test_an_endless_shape_is_only_large(v5: Path) -> None:
    edit(v5 / "0" / "zarr.json", shape=[10**6, 10**9, 10**9])
    with open_image(v5) as image:
        block = image.read_region((slice(0, 1), slice(0, 8), slice(0, 8)))
    assert block.any()
    edit(v5 / "0" / "zarr.json", shape=[10**30, 16, 16])
    with pytest.raises(FileFormatError, match="its shape is"):
        open_image(v5)


class _Harm:
    """Leaves a trace where pickle runs it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("place", ["compressor", "filters"])
def test_code_in_chunks_is_not_run(v4: Path, place: str) -> None:
    harm = v4.parent / "harm"
    codec: Any = {"id": "pickle"}
    edit(v4 / "0" / ".zarray", compressor=None, filters=None)
    edit(v4 / "0" / ".zarray", **{place: [codec] if place == "filters" else codec})
    for chunk in (v4 / "0").glob("[0-9]*/*/*"):
        chunk.write_bytes(pickle.dumps(_Harm(str(harm))))
    with pytest.raises(FileFormatError, match="codec 'pickle'"):
        open_image(v4)
    assert not harm.exists()


def test_code_in_chunks_of_format_3_is_not_run(v5: Path) -> None:
    file = v5 / "0" / "zarr.json"
    codecs = json.loads(file.read_text())["codecs"]
    edit(file, codecs=[{"name": "numcodecs.pickle"}, *codecs])
    with pytest.raises(FileFormatError, match="codec 'pickle'"):
        open_image(v5)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "[" * 100_000, '{"zarr_format": 3, "node_type": "array"}'],
)
def test_metadata_that_are_none(v5: Path, text: str) -> None:
    (v5 / "0" / "zarr.json").write_text(text)
    with pytest.raises(
        FileFormatError, match=r"zarr\.json|array metadata|shape is None"
    ):
        open_image(v5)
    (v5 / "zarr.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"in5\.zarr"):
        open_image(v5)


def test_huge_metadata(v5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_gradnet.io._zarr_store._MAX_METADATA_BYTES", 100)
    with pytest.raises(FileFormatError, match="at most 100 are allowed"):
        open_image(v5)


def test_a_guarded_store_is_never_written(v5: Path) -> None:
    array = zarr.open_array(GuardedStore(v5 / "0"), mode="r")
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0


# ---------------------------------------------------------------- what is copied
def test_the_rest_is_copied_as_it_is(v4: Path, tmp_path: Path) -> None:
    (v4 / "labels" / "cells" / "0").mkdir(parents=True)
    (v4 / "labels" / "cells" / "0" / "0.0").write_bytes(b"label")
    (v4 / "OME").mkdir()
    (v4 / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    target = tmp_path / "copy"
    target.mkdir()
    assert copy_rest(v4, target, ["0"]) == 2
    copied = sorted(p.relative_to(target) for p in target.rglob("*") if p.is_file())
    assert [str(p) for p in copied] == ["OME/METADATA.ome.xml", "labels/cells/0/0.0"]
    assert (target / "labels/cells/0/0.0").read_bytes() == b"label"


def test_links_out_of_the_store_are_not_copied(v4: Path, tmp_path: Path) -> None:
    (v4 / "labels").mkdir()
    (v4 / "labels" / "secret").symlink_to("/etc/passwd")
    with pytest.raises(FileFormatError, match="leads out of"):
        check_rest(v4, ["0"])
    target = tmp_path / "copy"
    target.mkdir()
    with pytest.raises(FileFormatError, match="leads out of"):
        copy_rest(v4, target, ["0"])
    assert not list(target.rglob("secret"))


def test_folders_linked_in_a_circle_are_not_copied(v4: Path) -> None:
    (v4 / "labels").mkdir()
    (v4 / "labels" / "again").symlink_to(v4)
    with pytest.raises(FileFormatError, match="a link to the folder"):
        check_rest(v4, ["0"])


def test_endless_folders_are_not_copied(v4: Path) -> None:
    deep = v4
    for _ in range(70):
        deep = deep / "d"
        deep.mkdir()
    (deep / "file").touch()
    with pytest.raises(FileFormatError, match="nested more than 64 deep"):
        check_rest(v4, ["0"])


def test_check_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert check_inside(root, root / "a" / "b") == (root / "a" / "b").resolve()
    with pytest.raises(FileFormatError, match="leads out of"):
        check_inside(root, root / ".." / "rooted")

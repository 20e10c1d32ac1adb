"""Names that zarr outputs may have, and how they come to stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.zarr_stores import ramp, write_ome

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io.volumes import (
    check_output,
    publish_folder,
    remove_leftovers,
    remove_replaced,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_names_that_must_not_be_written(tmp_path: Path) -> None:
    source = write_ome(tmp_path / "in.zarr", ramp((8, 8)), "yx")
    for output in (source, source / "labels", tmp_path):
        with pytest.raises(FileFormatError, match="is the input"):
            check_output(output, source, overwrite=True)
    link = tmp_path / "link.zarr"
    link.symlink_to(source)
    with pytest.raises(FileFormatError, match="is the input"):
        check_output(link, source, overwrite=True)
    with pytest.raises(FileFormatError, match="does not exist: create it first"):
        check_output(tmp_path / "none" / "out.zarr", source, overwrite=False)


def test_only_a_zarr_store_is_replaced(tmp_path: Path) -> None:
    source = write_ome(tmp_path / "in.zarr", ramp((8, 8)), "yx")
    other = write_ome(tmp_path / "out.zarr", ramp((8, 8)), "yx")
    with pytest.raises(FileFormatError, match="already exists"):
        check_output(other, source, overwrite=False)
    check_output(other, source, overwrite=True)
    photos = tmp_path / "photos"
    photos.mkdir()
    check_output(photos, source, overwrite=True)
    (photos / "holiday.jpg").touch()
    with pytest.raises(FileFormatError, match="no zarr store: it is not replaced"):
        check_output(photos, source, overwrite=True)
    with pytest.raises(FileFormatError, match="is no folder"):
        check_output(photos / "holiday.jpg", source, overwrite=True)


def test_publishing_replaces_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, output = tmp_path / "part", tmp_path / "out"
    for folder in (part, output):
        folder.mkdir()
        (folder / folder.name).touch()
    with pytest.raises(FileFormatError, match="already exists"):
        publish_folder(part, output, overwrite=False)
    rename = type(part).rename

    def broken(self: Path, target: Path) -> Path:
        if self == part:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(part), "rename", broken)
    with pytest.raises(FileFormatError, match="Input/output error"):
        publish_folder(part, output, overwrite=True)
    assert (output / "out").exists()
    monkeypatch.undo()
    publish_folder(part, output, overwrite=True)
    assert [p.name for p in output.iterdir()] == ["part"]
    # a killed run left this one; the last is somebody's own
    others = [tmp_path / f".out.{'a' * 12}.old", tmp_path / ".out.old"]
    for folder in others:
        folder.mkdir()
    assert len(list(tmp_path.iterdir())) == 4
    remove_replaced(output)
    assert {p.name for p in tmp_path.iterdir()} == {"out", ".out.old"}


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    kept = ["0/c/0", "0/zarr.json", "labels/notes.partial", "a.tmp"]
    gone = [f"0/c/0.{'a' * 32}.partial", f"labels/x.{'b' * 12}.tmp"]
    for name in [*kept, *gone]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    left = sorted(
        str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()
    )
    assert left == sorted(kept)

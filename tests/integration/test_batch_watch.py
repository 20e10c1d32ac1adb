"""``gradnet batch --watch``: files that arrive, grow or are replaced meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_gradnet import api
from napari_gradnet.batch import run, watch
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_changes_is_done_again_or_reported(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.1)
    path, output = tmp_path / "in" / "a.tif", tmp_path / "out"
    path.parent.mkdir()
    stack = rng.integers(0, 255, (3, 64, 65), np.uint8)
    tifffile.imwrite(path, stack, compression="zlib", photometric="minisblack")
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        start = file.pages[2].dataoffsets[0]
    path.write_bytes(whole[:start] + bytes(3000) + whole[start + 3000 :])
    ends = []
    for event in api.iter_denoise_files(
        path.parent, output, naive="median", watch=True, settle_seconds=0.1
    ):
        if event.state not in ("done", "failed"):
            continue
        ends.append((event.state, event.message))
        if len(ends) == 1:
            path.write_bytes(whole)
        elif len(ends) == 2:
            tifffile.imwrite(path, stack[:2])
        else:
            break
    assert [state for state, _ in ends] == ["failed", "done", "failed"]
    assert "a.tif has changed since" in ends[2][1]
    # it failed late, so that the journal knew of it
    assert '"forgotten"' in (output / "gradnet-journal.jsonl").read_text()
    assert tifffile.imread(output / "a.tif").shape == stack.shape


def test_a_file_is_taken_when_it_is_whole(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    photo = rng.integers(0, 255, (21, 30), np.uint8)
    Image.fromarray(photo).save("new/first.png")
    stack = rng.poisson(120, (4, 33, 47)).astype(np.uint16)
    tifffile.imwrite("stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    whole = (tmp_path / "stack.tif").read_bytes()
    growing = tmp_path / "new" / "growing.tif"
    growing.write_bytes(whole[:100])
    pieces = [
        whole[k : k + len(whole) // 6] for k in range(100, len(whole), len(whole) // 6)
    ]
    look = watch._state

    def grow_and_look(path: Path) -> object:
        """As a microscope that writes between any two looks."""
        if path == growing.relative_to(tmp_path) and pieces:
            with path.open("ab") as file:
                file.write(pieces.pop(0))
        return look(path)

    monkeypatch.setattr(watch, "_state", grow_and_look)
    events = api.iter_denoise_files(
        "new", "out", naive="median", watch=True, settle_seconds=0.1
    )
    states: dict[str, list[str]] = {}
    for event in events:
        states.setdefault(event.path.name, []).append(event.state)
        if event.path.name == "growing.tif":
            assert not pieces  # not before it was whole
        ends = {s[-1] for s in states.values()}
        if len(states) == 2 and ends <= {"done", "failed"}:
            break
    events.close()
    assert states["growing.tif"][-1] == "done"
    assert states["first.png"][-1] == "done"
    # the same folder again: the journal knows them
    events = api.iter_denoise_files(
        "new", "out", naive="median", watch=True, settle_seconds=0.05
    )
    again = {}
    for event in events:
        again[event.path.name] = event.state
        if set(again.values()) == {"skipped"} and len(again) == 2:
            break
    events.close()
    with pytest.raises(InputError, match="only folders can be watched"):
        api.denoise_files("new/first.png", "out", naive="median", watch=True)


def test_a_wrong_option_is_told_before_anything_arrives(tmp_path: Path) -> None:
    events = api.iter_denoise_files(
        tmp_path, tmp_path / "out", naive="bm3dd", watch=True
    )
    with pytest.raises(InputError, match="bm3dd"):
        next(events)
    assert not (tmp_path / "out").exists()


def test_workers_of_a_gpu_while_nothing_has_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Engine:
        def __init__(self, workers: int, **_: int) -> None:
            seen.append(workers)
            raise KeyboardInterrupt

    monkeypatch.setattr("napari_gradnet.batch.local.LocalEngine", Engine)
    monkeypatch.setattr(
        "napari_gradnet.inference.device.resolve_device",
        lambda _: SimpleNamespace(type="cuda"),
    )
    with pytest.raises(KeyboardInterrupt):
        next(api.iter_denoise_files(tmp_path, tmp_path / "out", watch=True))
    assert seen == [run._GPU_WORKERS]

"""``gradnet batch --watch``: files that are mended or replaced while it watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

from napari_gradnet import api
from napari_gradnet.batch import watch

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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

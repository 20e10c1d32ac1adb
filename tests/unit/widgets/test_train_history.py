"""What the Train widget takes from a run folder."""

from __future__ import annotations

import pytest

pytest.importorskip("napari")

from napari_gradnet.widgets._train_history import of_the_kept


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], None),
        ([(30.0, 1), (31.0, 1), (29.0, 0)], 31.0),
        ([(30.0, 1), (31.0, 1), (29.0, 1)], 29.0),  # keep: last
        ([(30.0, None), (31.0, None), (29.0, None)], 31.0),  # of an older version
    ],
)
def test_the_psnr_is_that_of_the_kept_weights(
    rows: list[tuple[float, int | None]], wanted: float | None
) -> None:
    metrics = [
        {"step": 1.0, "psnr": psnr} | ({} if kept is None else {"kept": float(kept)})
        for psnr, kept in rows
    ]
    assert of_the_kept(metrics) == wanted

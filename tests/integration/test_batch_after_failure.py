"""What failed once does not stand in the way of the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gradnet import api
from napari_gradnet.batch.image import ImageJob

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS: dict[str, Any] = {"naive": "gaussian", "sigma": 0.1, "workers": 1}


@pytest.fixture
def image(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> np.ndarray:
    """A plane, also in ``in/a.tif`` of the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    plane = rng.random((40, 40), np.float32)
    tifffile.imwrite("in/a.tif", plane)
    return plane


def counts(**more: Any) -> tuple[int, ...]:
    report = api.denoise_files("in", "out", **OPTIONS, **more)
    return tuple(report.count(state) for state in ("done", "skipped", "failed"))


def test_a_file_that_failed_before_an_update_stops_no_other(
    image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = image.copy()
    bad[3, 4] = np.nan
    tifffile.imwrite("in/b.tif", bad)
    assert counts() == (1, 0, 1)
    monkeypatch.setattr("napari_gradnet.batch.image.__version__", "99.0")
    tifffile.imwrite("in/c.tif", image)
    assert counts() == (1, 1, 1)


def test_a_restart_that_cannot_read_an_input_forgets_nothing(
    image: np.ndarray,
) -> None:
    assert counts() == (1, 0, 0)
    before = tifffile.imread("out/a.tif")

    def deny(_: ImageJob) -> None:
        raise OSError(5, "Input/output error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageJob, "fingerprint", property(deny))
        assert counts(restart=True) == (0, 0, 1)
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), before)
    assert counts(restart=True) == (1, 0, 0)

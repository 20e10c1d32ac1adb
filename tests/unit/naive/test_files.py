"""A file gets what the same array gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gradnet import api
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stack() -> np.ndarray:
    rng = np.random.default_rng(1)
    signal = np.linspace(20, 400, 160 * 200).reshape(160, 200)
    return rng.poisson(np.broadcast_to(signal, (3, 160, 200))).astype(np.uint16)


@pytest.mark.parametrize("sample_values", [1 << 20, 1 << 10])
def test_the_noise_of_a_file_is_that_of_its_array(
    stack: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sample_values: int,
) -> None:
    monkeypatch.setattr("napari_gradnet.samples.SAMPLE_VALUES", sample_values)
    tifffile.imwrite(tmp_path / "in.tif", stack, photometric="minisblack")
    api.naive_denoise_file(
        tmp_path / "in.tif", tmp_path / "out.tif", "gaussian", axes="ZYX"
    )
    expected = api.naive_denoise(stack, "gaussian", axes="ZYX")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


def test_a_word_for_vst_is_refused(stack: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", stack, photometric="minisblack")
    with pytest.raises(InputError, match="vst='off' is unknown"):
        api.naive_denoise_file(
            tmp_path / "in.tif", tmp_path / "out.tif", "gaussian", vst="off"
        )
    assert not (tmp_path / "out.tif").exists()

"""The comparison of tiles with the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from imageio.v3 import imwrite
from skimage import data

from napari_gradnet.errors import InputError
from napari_gradnet.inference.seams import iter_tile_effects


def test_tiles_change_nothing_and_the_bare_network_is_no_better(tmp_path):
    imwrite(tmp_path / "a.png", data.astronaut()[:150, :170])
    rows = list(
        iter_tile_effects(tmp_path, ["gradnet-fast-color", "dncnn-gray"], tile=64)
    )
    assert [r.model for r in rows] == ["gradnet-fast-color", "dncnn-gray"]
    for row in rows:
        assert row.size == (150, 170)
        assert row.difference < 0.01
        assert row.whole_psnr == pytest.approx(row.tiled_psnr, abs=1e-4)
        assert row.plain_psnr == pytest.approx(row.whole_psnr, abs=1e-3)
        assert row.plain_psnr > 26  # noisy: 20.2


def test_the_metric_sees_a_seam(tmp_path, monkeypatch):
    """A network that adds its tile's mean differs between tiles and is told so."""
    from napari_gradnet.inference import seams

    class Fake(seams.PlaneDenoiser):
        def denoise(self, plane, guide=None):
            return plane + np.float32(0.01 if self._tile == 64 else 0)

    monkeypatch.setattr(seams, "PlaneDenoiser", Fake)
    imwrite(tmp_path / "a.png", data.camera()[:100, :100])
    (row,) = iter_tile_effects(tmp_path, ["dncnn-gray"], tile=64)
    assert row.difference == pytest.approx(2.55, abs=1e-3)
    assert row.tiled_psnr != row.whole_psnr


def test_a_grey_image_does_for_models_of_both_kinds(tmp_path):
    imwrite(tmp_path / "a.png", data.camera()[:100, :100])
    rows = iter_tile_effects(tmp_path, ["dncnn-gray", "gradnet-fast-color"], tile=64)
    assert [row.difference < 0.01 for row in rows] == [True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed=-1 must be from 0"),
        ({"sigma": -3.0}, "sigma=-3 must be a finite number from 0"),
        ({"sigma": float("nan")}, "sigma=nan must be a finite number"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, message):
    imwrite(tmp_path / "a.png", data.camera()[:20, :20])
    with pytest.raises(InputError, match=message):
        next(iter_tile_effects(tmp_path, ["dncnn-gray"], **options))

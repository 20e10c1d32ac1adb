"""The hard cases and their picture."""

from __future__ import annotations

import numpy as np
import pytest
from imageio.v3 import imread

from napari_gradnet import api
from napari_gradnet.errors import ConfigError, InputError
from napari_gradnet.inference.failures import SIDE
from napari_gradnet.metrics import psnr


@pytest.mark.parametrize(
    ("model", "shape"), [("gradnet", (SIDE, SIDE, 3)), ("grey", (SIDE, SIDE))]
)
def test_every_case_is_what_its_figures_say(models, model, shape):
    cases = {c.name: c for c in api.benchmark_failures(models[model])}
    assert list(cases) == ["text", "periodic", "faint", "clean"]
    for case in cases.values():
        assert case.clean.shape == case.noisy.shape == case.denoised.shape == shape
        assert case.psnr_denoised == psnr(case.denoised, case.clean)
        assert 0 <= case.clean.min() < case.clean.max() <= 1
    assert np.isinf(cases["clean"].psnr_noisy)
    faint = cases["faint"]
    # nothing is near the ends of the scale, so clipping takes nothing away
    assert faint.psnr_noisy == pytest.approx(20 * np.log10(255 / 25), abs=0.1)


def test_the_patterns_reach_the_finest_waves(models):
    cases = {c.name: c.clean for c in api.benchmark_failures(models["grey"])}
    finest = cases["periodic"][2, : SIDE // 4]
    assert np.array_equal(np.sign(np.diff(finest)), np.tile([1, -1], SIDE // 8)[:-1])
    assert np.ptp(cases["faint"], axis=0)[[0, -1]] * 255 == pytest.approx(
        [4, 16], rel=0.05
    )


@pytest.mark.parametrize("name", ["cases.png", "cases.jpg"])
def test_the_picture(models, tmp_path, name):
    cases = api.benchmark_failures(models["gradnet"], tmp_path / name, noise="jpeg=20")
    picture = imread(tmp_path / name).astype(float)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    height = picture.shape[0] // 4
    assert picture.shape[1] == 8 + 4 * (SIDE + 8)
    # below its title each row begins with the clean image
    first = picture[24 : 24 + SIDE, 8 : 8 + SIDE]
    last = picture[3 * height + 24 : 3 * height + 24 + SIDE, 8 : 8 + SIDE]
    for found, case in ((first, cases[0]), (last, cases[-1])):
        assert psnr(found / 255, case.clean) > 28


def test_unknown_noise(models):
    with pytest.raises(ConfigError, match="is no noise"):
        api.benchmark_failures(models["gradnet"], noise="rain=3")


def test_endless_noise(models):
    with pytest.raises(InputError, match="poisson=inf must be a finite number"):
        api.benchmark_failures(models["gradnet"], noise="poisson=inf")

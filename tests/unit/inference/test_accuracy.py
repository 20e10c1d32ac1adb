"""The accuracy benchmark against the metrics and the noise that it claims to add."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
import tifffile
from imagecodecs import jpeg8_decode, jpeg8_encode
from imageio.v3 import imwrite
from skimage import data

from napari_gradnet.errors import ConfigError, InputError, ModelError
from napari_gradnet.inference.accuracy import iter_accuracy, noisy_image
from napari_gradnet.inference.models import list_models
from napari_gradnet.metrics import split_psnr
from napari_gradnet.naive import naive_denoise


@pytest.fixture
def folder(tmp_path):
    imwrite(tmp_path / "a.png", data.camera()[100:196, 200:300])
    imwrite(tmp_path / "b.png", data.camera()[300:396, 100:200])
    return tmp_path


def _rows(folder, **options):
    return {r.method: r for r in iter_accuracy(folder, grey=True, **options)}


def test_gaussian_noise_is_as_strong_as_it_says(folder):
    row = _rows(folder, sigmas=[25])["noisy"]
    assert row.sigma == 25
    assert row.noise == "Gaussian noise, sigma 25 of 255"
    # clipping to [0, 1] takes some of the noise away
    assert 0 < row.psnr - 20 * math.log10(255 / 25) < 1
    assert row.num_images == 2


@pytest.mark.parametrize(("peak", "words"), [(4, "4"), (120, "120")])
def test_poisson_noise_has_the_variance_of_its_peak(folder, peak, words):
    row = _rows(folder, noises=[f"poisson={peak}"])["noisy"]
    cleans = [data.camera()[a, b] / 255 for a, b in _corners()]
    # PSNR of unclipped Poisson noise is that of mean / peak; clipping helps a little
    expected = np.mean([10 * math.log10(peak / clean.mean()) for clean in cleans])
    assert expected - 0.1 < row.psnr < expected + 1.5
    assert row.noise == f"Poisson noise, {words} photons at full scale"
    assert math.isnan(row.sigma)


def _corners():
    return [
        (slice(100, 196), slice(200, 300)),
        (slice(300, 396), slice(100, 200)),
    ]


def test_naive_methods_know_the_noise(folder):
    rows = _rows(folder, noises=["poisson=30"], naive=["wavelet"])
    assert rows["wavelet"].psnr > rows["noisy"].psnr + 3


def test_clean_images_pass_through_sigma_zero(folder):
    rows = _rows(folder, sigmas=[0], models=["dncnn-gray"])
    assert rows["noisy"].psnr == math.inf
    assert 30 < rows["dncnn-gray"].psnr < 70


def test_a_model_that_is_named_must_fit(folder):
    with pytest.raises(ModelError, match="fast-color is for colour"):
        _rows(folder, models=["gradnet-fast-color"])
    with pytest.raises(InputError, match=r"is grey: measure grey .*--grey"):
        list(iter_accuracy(folder, models=["dncnn-gray"]))


def test_all_models_are_those_that_fit(monkeypatch, folder):
    infos = [m for m in list_models() if m.name in ("dncnn-gray", "dncnn-color")]
    monkeypatch.setattr("napari_gradnet.inference.models.list_models", lambda: infos)
    assert set(_rows(folder, sigmas=[25], models=None)) == {"noisy", "dncnn-gray"}


def test_negative_noise_is_refused(folder):
    with pytest.raises(ConfigError, match="sigma"):
        _rows(folder, sigmas=[-5])


def test_textured_and_smooth_parts(folder):
    epsilons = (0.5, 1.0)
    options = {"sigmas": [20.0], "naive": ["gaussian"], "split": epsilons}
    row = _rows(folder, **options)["gaussian"]
    parts = []
    for number, corner in enumerate(_corners()):
        clean = (data.camera()[corner] / 255).astype(np.float32)
        noisy = noisy_image(clean, 20.0, number)
        result = naive_denoise(noisy, "gaussian", sigma=20 / 255, vst=False)
        parts.append([split_psnr(result, clean, e) for e in epsilons])
    for place, (epsilon, textured, smooth) in enumerate(row.split):
        assert epsilon == epsilons[place]
        values = [p[place] for p in parts]
        assert textured == pytest.approx(np.mean([v.textured for v in values]))
        assert smooth == pytest.approx(np.mean([v.smooth for v in values]))
        assert textured < smooth


@pytest.mark.parametrize("words", ["poisson", "poisson=0", "fog=3", "jpeg=900", "=1"])
def test_unknown_noise_is_refused(folder, words):
    with pytest.raises(ConfigError, match="is no noise: write KIND=NUMBER"):
        next(iter_accuracy(folder, noises=[words]))


def test_a_limit_of_none_is_refused(folder):
    with pytest.raises(InputError, match="limit=0"):
        next(iter_accuracy(folder, limit=0))


def test_luma_of_a_compressed_photo(tmp_path):
    photo = data.astronaut()[:96, 200:300]
    imwrite(tmp_path / "a.png", photo)

    def noisy(**options):
        (row,) = iter_accuracy(tmp_path, noises=["jpeg=10"], **options)
        return row.psnr

    decoded = jpeg8_decode(jpeg8_encode(np.ascontiguousarray(photo), level=10))
    weights = np.array([0.299, 0.587, 0.114])
    error = (decoded.astype(float) - photo) @ weights / 255
    assert noisy(luma=True) == pytest.approx(
        -10 * np.log10((error**2).mean()), abs=1e-4
    )
    # colour is stored at half the resolution: it is worse
    assert noisy() < noisy(luma=True) - 0.5


def test_luma_of_grey_is_refused(folder):
    with pytest.raises(InputError, match="leave luma out"):
        _rows(folder, luma=True)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (data.camera()[:64, :64].astype(np.float32), r"floats from .* from 0 to 1"),
        (data.camera()[:64, :64].astype(np.uint16) * 16, "of uint16, but ends at"),
        (np.full((64, 64), np.nan, np.float32), "NaN or infinite"),
        (np.zeros((3, 64, 64), np.uint8), "holds 3 planes"),
        (np.arange(-9000, 9000, 5, np.int16).reshape(60, 60), "begins at -9000"),
    ],
)
def test_images_of_another_scale_are_refused(tmp_path, pixels, message):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match=rf"a\.tif .*{message}"):
        _rows(tmp_path)


def test_deep_images_and_floats_of_full_scale_are_measured(tmp_path):
    grey = data.camera()[:64, :64]
    values = []
    for name, pixels in {
        "8": grey,
        "16": grey.astype(np.uint16) * 257,
        "f": (grey / 255).astype(np.float32),
    }.items():
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", pixels)
        values.append(_rows(tmp_path / name, sigmas=[25])["noisy"].psnr)
    assert values == pytest.approx([values[0]] * 3, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 500}, "less than the crop of 500"),
        ({"crop": 7}, "crop=7 must be at least 8"),
        ({"seed": -1}, "seed=-1 must be from 0"),
        ({"seed": 2**63}, "seed="),
        ({"sigmas": [float("inf")]}, "must be a finite number"),
        ({"sigmas": [1e300]}, "must be a finite number"),
        ({"noises": ["poisson=inf"]}, "poisson=inf must be a finite number"),
    ],
)
def test_options_that_cannot_be_are_refused(folder, options, message):
    with pytest.raises((InputError, ConfigError), match=message):
        _rows(folder, **options)


def test_where_no_pixel_is_textured_there_is_no_figure(folder):
    row = _rows(folder, sigmas=[25], split=[50.0])["noisy"]
    ((epsilon, textured, smooth),) = row.split
    assert (epsilon, smooth) == (50, pytest.approx(row.psnr))
    assert math.isnan(textured)


def test_models_of_one_name_are_told_apart(folder, models):
    named, own = "dncnn-gray", str(models["grey"])
    assert set(_rows(folder, sigmas=[25], models=[named, own])) == {
        *("noisy", "dncnn-gray", "grey")
    }
    twin = folder / "twin.safetensors"
    shutil.copy(models["grey"], twin)
    found = set(_rows(folder, sigmas=[25], models=[named, own, str(twin)]))
    assert found == {"noisy", "dncnn-gray", own, str(twin)}

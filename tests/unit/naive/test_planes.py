"""Every method on planes: gain in PSNR, shapes, units, odd inputs."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from skimage import data

from napari_gradnet.errors import InputError, MissingDependencyError
from napari_gradnet.metrics import psnr
from napari_gradnet.naive import denoise_plane
from napari_gradnet.naive.block_matching import denoise_bm3d

CLASSICAL = ("bm3d", "nlm", "wavelet", "tv", "bilateral", "median", "gaussian")
#: Least gain in decibels at sigma 25 on the pictures below: 0.35 under the measured.
GAINS = {
    "bm3d": (9.5, 9.8),
    "nlm": (8.6, 8.1),
    "wavelet": (7.0, 6.2),
    "tv": (8.0, 7.1),
    "bilateral": (8.6, 8.3),
    "median": (5.5, 6.0),
    "gaussian": (6.0, 7.4),
}


def _pictures():
    return data.camera()[100:196, 120:216] / 255, data.chelsea()[80:150, 100:170] / 255


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(7)
    return [(c, c + rng.normal(0, 25 / 255, c.shape)) for c in _pictures()]


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("kind", [0, 1])
def test_removes_noise(pictures, method, kind, capfd, recwarn):
    clean, noisy = pictures[kind]
    before = noisy.copy()
    result = denoise_plane(noisy, method, 25 / 255)
    assert result.shape == clean.shape
    assert result.dtype == np.float64
    assert psnr(result, clean) - psnr(noisy, clean) > GAINS[method][kind]
    assert abs(result.mean() - clean.mean()) < 0.005
    np.testing.assert_array_equal(noisy, before)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize("method", CLASSICAL)
def test_units_do_not_matter(pictures, method):
    noisy = pictures[1][1][:40, :40]
    one = denoise_plane(noisy, method, 0.1)
    other = denoise_plane(noisy * 4000 - 900, method, 400)
    np.testing.assert_allclose((other + 900) / 4000, one, atol=2e-3)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 60), (60, 1), (7, 9), (33, 37, 3), (3, 5, 3)]
)
def test_any_size(rng, method, shape):
    noisy = 100 + rng.normal(0, 5, shape).astype(np.float32)
    result = denoise_plane(noisy, method, 5)
    assert result.shape == shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.std() <= noisy.std() + 1e-3
    np.testing.assert_array_equal(denoise_plane(noisy, method, 5), result)


@pytest.mark.parametrize("method", CLASSICAL)
def test_zero_sigma_and_constant_planes_come_back(rng, method):
    noisy = rng.random((20, 20, 3))
    np.testing.assert_array_equal(denoise_plane(noisy, method, 0), noisy)
    flat = np.full((20, 20), 9, np.uint8)
    result = denoise_plane(flat, method, 5)
    np.testing.assert_array_equal(result, flat)
    assert result.dtype == np.float32


@pytest.mark.parametrize("method", ["nlm", "wavelet", "bilateral", "bm3d"])
def test_channels_may_differ_in_noise(pictures, method):
    clean = pictures[1][0]
    sigmas = np.array([0.04, 0.1, 0.16])
    noisy = clean + np.random.default_rng(3).normal(0, sigmas, clean.shape)
    result = denoise_plane(noisy, method, tuple(sigmas))
    for c in range(3):
        assert psnr(result[..., c], clean[..., c]) > psnr(noisy[..., c], clean[..., c])
    # better than the same amount of noise taken as equal
    equal = denoise_plane(noisy, method, float(np.sqrt(np.mean(sigmas**2))))
    assert psnr(result, clean) > psnr(equal, clean)


def test_bm3d_of_grey_in_rgb_equals_grey(pictures):
    # both opponent channels are constant: bm3d_rgb itself returns only NaN
    noisy = pictures[0][1][:60, :60]
    colour = denoise_plane(np.repeat(noisy[..., None], 3, axis=-1), "bm3d", 25 / 255)
    assert np.isfinite(colour).all()
    np.testing.assert_allclose(colour[..., 0], colour[..., 1], atol=1e-6)
    np.testing.assert_allclose(colour[..., 0], colour[..., 2], atol=1e-6)
    # the mean of three equally noisy samples counts as less noisy
    grey = denoise_plane(noisy, "bm3d", 25 / 255 / np.sqrt(3))
    np.testing.assert_allclose(colour[..., 0], grey, atol=1e-5)


@pytest.mark.parametrize("constant", [0, 1, 2])
def test_bm3d_with_one_constant_opponent_channel(rng, constant):
    opponent = np.random.default_rng(1).normal(0.5, 0.1, (50, 50, 3))
    opponent[..., constant] = 0.25
    inverse = np.array([[1, 1, 2 / 3], [1, 0, -4 / 3], [1, -1, 2 / 3]])
    rgb = opponent @ inverse.T
    result = denoise_plane(rgb, "bm3d", 0.1)
    assert np.isfinite(result).all()
    forward = np.linalg.inv(inverse)
    np.testing.assert_allclose((result @ forward.T)[..., constant], 0.25, atol=1e-6)
    others = [c for c in range(3) if c != constant]
    assert ((result @ forward.T).std((0, 1)) < opponent.std((0, 1)) / 1.5)[others].all()


@pytest.mark.parametrize("channels", [1, 3])
def test_bm3d_bands_fit_together_whatever_the_workers(monkeypatch, channels):
    from napari_gradnet.naive import block_matching

    rng = np.random.default_rng(2)
    clean = data.chelsea()[50:150, 60:110, :channels] / 255
    noisy = clean + rng.normal(0, 0.1, clean.shape)
    sigma = np.full(channels, 0.1)
    whole = denoise_bm3d(noisy, sigma)
    monkeypatch.setattr(block_matching, "_BAND", 33)
    banded = denoise_bm3d(noisy, sigma, workers=1)
    np.testing.assert_array_equal(denoise_bm3d(noisy, sigma, workers=3), banded)
    assert not np.array_equal(whole, banded)
    assert np.sqrt(np.mean((whole - banded) ** 2)) < 2e-3
    assert abs(psnr(whole, clean) - psnr(banded, clean)) < 0.03


def test_bm3d_of_a_band_without_luminance_changes(monkeypatch):
    from napari_gradnet.naive import block_matching

    monkeypatch.setattr(block_matching, "_BAND", 33)
    monkeypatch.setattr(block_matching, "_CONTEXT", 9)
    noisy = np.random.default_rng(0).normal(0.5, 0.1, (120, 32, 3))
    noisy[:60] = 0.5
    noisy[:60, :, 0] += np.random.default_rng(1).normal(0, 0.1, (60, 32))
    noisy[:60, :, 2] -= noisy[:60, :, 0] - 0.5  # hue changes, the mean does not
    result = denoise_bm3d(noisy, np.full(3, 0.1))
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[:33].mean(axis=-1), 0.5, atol=1e-6)
    assert result[:33, :, 0].std() < 0.05
    assert result[70:].std() < 0.05


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 3)])
def test_noise_beyond_the_range_of_the_image(rng, method, shape):
    noisy = rng.random(shape)
    result = denoise_plane(noisy, method, 50)
    assert np.isfinite(result).all()
    assert (result >= noisy.min() - 0.05).all()
    assert (result <= noisy.max() + 0.05).all()


@pytest.mark.parametrize("sigma", [0.01, 0.5, 9])
def test_bm3d_of_a_single_bright_pixel(sigma):
    image = np.zeros((40, 40, 3))
    image[20, 20, 0] = 1
    result = denoise_plane(image, "bm3d", sigma)
    assert np.isfinite(result).all()
    assert np.abs(result[:12]).max() < 1e-3


def test_missing_bm3d_is_said_with_a_way_out(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "bm3d":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match=r"pip install bm3d.*'nlm'"):
        denoise_plane(np.eye(9), "bm3d", 0.1)


@pytest.mark.parametrize(
    ("plane", "sigma", "match"),
    [
        (np.zeros((9, 9, 4)), 1, r"this one \(9, 9, 4\)"),
        (np.zeros(9), 1, r"this one \(9,\)"),
        (np.zeros((0, 9)), 1, "is empty"),
        (np.zeros((9, 9)), (1, 2, 3), "3 values for 1 channels"),
        (np.zeros((9, 9)), -1, "sigma=-1 must be at least 0"),
        (np.zeros((9, 9)), np.nan, "sigma=nan must be"),
        (np.zeros((9, 9)), "a", "sigma='a' must be a number"),
    ],
)
def test_refuses_what_it_cannot_use(plane, sigma, match):
    with pytest.raises(InputError, match=match):
        denoise_plane(plane, "median", sigma)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("kind", [0, 1])
def test_a_hot_pixel_spoils_its_neighbourhood_at_most(pictures, method, kind):
    clean, noisy = pictures[kind]
    hot = noisy.copy()
    hot[30, 40] = 300
    away = np.ones(clean.shape[:2], bool)
    away[18:43, 28:53] = False
    expected, result = (
        denoise_plane(image, method, 25 / 255)[away] for image in (noisy, hot)
    )
    # a blur may be taken for another width
    assert psnr(result, clean[away]) > psnr(expected, clean[away]) - 0.5

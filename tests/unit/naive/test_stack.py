"""`naive_denoise`: axes, dtypes, alpha, noise, stabilisation, events."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_gradnet.errors import AxesError, InputError
from napari_gradnet.events import Progress
from napari_gradnet.metrics import psnr
from napari_gradnet.naive import denoise_plane, naive_denoise, registry
from napari_gradnet.noise.stabilize import Stabilizer


@pytest.fixture
def shift(monkeypatch):
    """A method that adds sigma: shows which sigma reached which plane."""
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    registry.register_method("shift", lambda plane, sigma, *, workers=1: plane + sigma)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (40, 35)),
        ("ZYX", (3, 40, 35)),
        ("YXZ", (40, 35, 3)),
        ("TZCYX", (2, 2, 2, 40, 35)),
        ("XCY", (35, 2, 40)),
        ("YXS", (40, 35, 3)),
        ("SYX", (3, 40, 35)),
        ("TYXS", (2, 40, 35, 3)),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_every_plane_is_denoised_on_its_own(rng, axes, shape, workers):
    image = rng.normal(0, 1, shape).astype(np.float32)
    result = naive_denoise(image, "nlm", sigma=1, axes=axes, workers=workers)
    assert result.dtype == np.float32
    order = [axes.index(a) for a in sorted(axes, key="TZCYXS".index)]
    wanted, got = image.transpose(order), result.transpose(order)
    tail = 3 if "S" in axes else 2
    for index in np.ndindex(wanted.shape[:-tail]):
        np.testing.assert_array_equal(
            got[index], denoise_plane(wanted[index], "nlm", 1)
        )


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", [0, 128, 253]),
        ("uint16", [0, 7, 65533]),
        ("int16", [-32768, 0, 32765]),
        ("int64", [-5, 0, 2**40]),
        ("uint64", [0, 1, 2**64 - 2049]),
        ("float16", [-60000, 0.5, 65504]),
        ("float32", [-1, 0.5, 1e20]),
        ("float64", [-1e-9, 0.5, 1e30]),
    ],
)
def test_comes_back_in_its_dtype(shift, dtype, values):
    image = np.array([values], dtype)
    result = naive_denoise(image, "shift", sigma=5.5)
    assert result.dtype == dtype
    if result.dtype.kind == "f":
        np.testing.assert_allclose(
            result[0],
            np.minimum(np.array(values) + 5.5, float(np.finfo(dtype).max)),
            rtol=float(np.finfo(dtype).eps),
        )
    else:
        top = np.iinfo(dtype).max
        # 5.5 rounds to even after the sum; what leaves the range saturates
        expected = [min(round(int(v) + 5.5), top) for v in values]
        np.testing.assert_allclose(result[0].astype(float), np.array(expected, float))
        if dtype in ("uint8", "uint16", "int16"):
            assert result[0].tolist() == expected


def test_saturates_below_too(shift, monkeypatch):
    registry.register_method("down", lambda plane, sigma, *, workers=1: plane - sigma)
    image = np.array([[0, 3, 200]], np.uint8)
    assert naive_denoise(image, "down", sigma=5).tolist() == [[0, 0, 195]]
    kept = naive_denoise(image, "down", sigma=5, dtype="float32")
    assert kept.dtype == np.float32
    assert kept.tolist() == [[-5, -2, 195]]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_alpha_is_untouched(rng, dtype):
    image = (rng.random((40, 30, 4)) * 200).astype(dtype)
    result = naive_denoise(image, "gaussian", sigma=20)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])
    colour = naive_denoise(image[..., :3], "gaussian", sigma=20)
    np.testing.assert_array_equal(result[..., :3], colour)
    assert np.abs(result[..., :3].astype(float) - image[..., :3]).max() > 5


def test_sigma_is_estimated_for_each_channel_and_scaled(rng, shift):
    sigmas = np.array([2.0, 9.0])
    clean = 1000 + np.zeros((3, 2, 64, 64))
    noisy = clean + rng.normal(0, 1, clean.shape) * sigmas[:, None, None]
    result = naive_denoise(noisy, "shift", axes="TCYX", sigma_factor=5, dtype="float32")
    added = (result - noisy).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(added, 5 * sigmas, rtol=0.05)
    # one value for a channel, whatever the plane
    assert np.ptp((result - noisy)[:, 1]) < 1e-2


def test_given_sigma_is_scaled_and_may_differ_by_sample(shift):
    image = np.arange(48.0).reshape(4, 4, 3)
    result = naive_denoise(image, "shift", sigma=(1, 2, 3), sigma_factor=2, axes="YXS")
    np.testing.assert_allclose(result - image, np.broadcast_to([2, 4, 6], image.shape))


def _camera_counts(rng, peak=20, gain=3, offset=100, read_noise=4):
    clean = data.camera()[50:306, 100:356] / 255 * peak * gain + offset
    raw = gain * rng.poisson((clean - offset) / gain) + offset
    raw = raw + rng.normal(0, read_noise, clean.shape)
    return clean, np.clip(np.rint(raw), 0, 65535).astype(np.uint16)


def test_stabilisation_helps_counts_and_is_chosen(rng):
    clean, raw = _camera_counts(rng)
    results = {
        vst: naive_denoise(raw, "nlm", vst=vst, dtype="float32")
        for vst in ("auto", True, False)
    }
    np.testing.assert_array_equal(results["auto"], results[True])
    numpys = naive_denoise(raw, "nlm", vst=np.True_, dtype="float32")
    np.testing.assert_array_equal(numpys, results[True])
    scores = {vst: psnr(r, clean, 160, clip=False) for vst, r in results.items()}
    assert scores["auto"] > scores[False] + 0.3
    # unbiased: neither the dark nor the bright parts are shifted
    for part in (clean < 110, clean > 140):
        assert results["auto"][part].mean() == pytest.approx(
            clean[part].mean(), abs=0.6
        )


def test_stabilisation_is_not_chosen_for_gaussian_noise(rng):
    noisy = data.camera()[:200, :200] + rng.normal(0, 20, (200, 200))
    auto = naive_denoise(noisy, "nlm")
    np.testing.assert_array_equal(auto, naive_denoise(noisy, "nlm", vst=False))


def test_a_known_camera_is_used(rng):
    _, raw = _camera_counts(rng)
    camera = Stabilizer(3, 100, 4)
    result = naive_denoise(raw, "gaussian", vst=camera, dtype="float32")
    expected = camera.inverse(denoise_plane(camera.forward(raw), "gaussian", 1))
    np.testing.assert_array_equal(result, expected)


def test_stabilisation_that_cannot_be_is_said(rng):
    with pytest.raises(InputError, match="sigma is the noise of an image that is not"):
        naive_denoise(np.ones((40, 40)), "nlm", sigma=1, vst=True)
    flat = rng.normal(0, 1, (64, 64))
    for vst in ("yes", 1, 0):
        with pytest.raises(InputError, match=f"vst={vst!r} is unknown"):
            naive_denoise(flat, "nlm", vst=vst)
    with pytest.raises(InputError, match="gain 0"):
        naive_denoise(np.ones((40, 40)), "nlm", vst=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_counts_planes_and_says_the_guess(rng, workers):
    events = []
    image = rng.normal(0, 1, (5, 40, 36))
    naive_denoise(image, "gaussian", sigma=1, workers=workers, on_event=events.append)
    assert events[0] == Progress(
        0,
        5,
        "plane",
        "axes guessed as ZYX from the shape (5, 40, 36); give axes=... if wrong",
    )
    assert [e.done for e in events] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_cancels(shift, workers):
    seen = []

    def count(plane, sigma, *, workers=1):
        seen.append(1)
        return plane

    registry.register_method("count", count)

    def stop(event):
        if event.done == 1:
            raise KeyboardInterrupt

    image = np.arange(100 * 4.0).reshape(100, 2, 2)
    with pytest.raises(KeyboardInterrupt):
        naive_denoise(image, "count", sigma=1, workers=workers, on_event=stop)
    assert len(seen) < 10


def test_an_error_in_a_thread_reaches_the_caller(shift):
    def fail(plane, sigma, *, workers=1):
        raise RuntimeError("broken")

    registry.register_method("fail", fail)
    with pytest.raises(RuntimeError, match="broken"):
        naive_denoise(np.arange(27.0).reshape(3, 3, 3), "fail", sigma=1, workers=2)


def test_methods_that_do_not_run_in_parallel_get_all_workers(shift):
    asked = []

    def alone(plane, sigma, *, workers=1):
        asked.append(workers)
        return plane

    registry.register_method("alone", alone, parallel=False)
    registry.register_method("apart", alone)
    image = np.arange(16.0).reshape(4, 2, 2)
    naive_denoise(image, "alone", sigma=1, workers=6)
    naive_denoise(image, "apart", sigma=1, workers=6)
    naive_denoise(image, "apart", sigma=1, workers=8)
    assert asked == [6] * 4 + [1] * 4 + [2] * 4


def test_the_same_bytes_again(rng):
    image = rng.normal(100, 10, (2, 50, 50)).astype(np.float32)
    one = naive_denoise(image, "bm3d", workers=1)
    assert naive_denoise(image, "bm3d", workers=2).tobytes() == one.tobytes()


def test_a_constant_stack_comes_back():
    image = np.full((2, 40, 40), 700, np.uint16)
    np.testing.assert_array_equal(naive_denoise(image, "nlm"), image)


@pytest.mark.parametrize(
    ("image", "options", "match"),
    [
        (np.zeros((9, 9), bool), {}, "bool"),
        (np.zeros((9, 9), complex), {}, "complex128"),
        (np.zeros(9), {}, "1 dimensions"),
        (np.zeros((0, 9)), {}, "empty"),
        (np.array([[0, 1], [np.nan, np.inf]]), {}, r"2 NaN or infinite .* at \(1, 0\)"),
        (np.zeros((9, 9)), {"method": "magic"}, "'magic' is unknown: use one of bm3d"),
        (np.zeros((9, 9)), {"dtype": "int8"}, "dtype='int8' is unknown"),
        (np.zeros((9, 9)), {"sigma_factor": 0}, "sigma_factor=0 must be above 0"),
        (np.zeros((9, 9)), {"workers": 0}, "workers=0 must be at least 1"),
        (np.zeros((9, 9)), {"sigma": -2.0}, "must be at least 0"),
        (np.zeros((2, 1)), {}, "give sigma instead"),
        (np.ones((9, 9)), {"sigma": "a"}, "sigma='a' must be a number"),
    ],
)
def test_refuses_what_it_cannot_use(image, options, match):
    with pytest.raises(InputError, match=match):
        naive_denoise(image, **{"method": "gaussian", **options})


def test_axes_that_do_not_fit():
    with pytest.raises(AxesError, match="names 3 dimensions"):
        naive_denoise(np.zeros((9, 9)), axes="ZYX")

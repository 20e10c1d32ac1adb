"""What was removed: noise alone, correlated noise, or details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_gradnet import api
from napari_gradnet.errors import InputError
from napari_gradnet.events import Progress
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.residual import analyze_residual, iter_analyze_residual

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGMA = 20.0


def clean_image(name: str) -> NDArray[np.float64]:
    image = getattr(data, name)().astype(float)
    if image.ndim == 3:
        image = image[..., :3].mean(-1)
    return image[:256, :256]


def blurred_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    noise = gaussian_filter(rng.normal(0, 1, shape), 0.7)
    return noise * SIGMA / noise.std()


@pytest.mark.parametrize("name", ["camera", "astronaut", "brick", "coins", "text"])
def test_white_noise_leaves_nothing(name: str, rng: np.random.Generator) -> None:
    clean = clean_image(name)
    report = analyze_residual(clean + rng.normal(0, SIGMA, clean.shape), clean)
    assert report.findings == ()
    assert report.sentence.startswith("No structure is left")
    assert report.sigma == pytest.approx(SIGMA, rel=0.02)
    assert abs(report.mean) < 0.5
    assert report.num_pixels == clean.size
    assert report.autocorrelation[8, 8] == pytest.approx(1)
    others = np.delete(report.autocorrelation.ravel(), 8 * 17 + 8)
    assert np.abs(others).max() < 0.03


@pytest.mark.parametrize("name", ["camera", "astronaut", "coins", "moon"])
@pytest.mark.parametrize("peak", [0.02, 0.5])
def test_camera_noise_is_no_structure(
    name: str, peak: float, rng: np.random.Generator
) -> None:
    clean = clean_image(name)
    counts = rng.poisson(clean * peak) / peak
    assert analyze_residual(counts, clean).findings == ()


@pytest.mark.parametrize("name", ["camera", "astronaut", "coins", "text"])
def test_noise_clipped_at_black_and_white_is_no_structure(
    name: str, rng: np.random.Generator
) -> None:
    clean = clean_image(name)
    noisy = np.clip(clean + rng.normal(0, SIGMA, clean.shape), 0, 255).round()
    findings = analyze_residual(noisy.astype(np.uint8), clean).findings
    # what is clipped is brighter or darker on average, and that is said
    assert set(findings) <= {"brightness"}


@pytest.mark.parametrize("name", ["camera", "astronaut", "brick", "grass", "coins"])
@pytest.mark.parametrize("width", [1.0, 2.0])
def test_blurring_leaves_structure(
    name: str, width: float, rng: np.random.Generator
) -> None:
    noisy = clean_image(name)
    noisy = noisy + rng.normal(0, SIGMA, noisy.shape)
    report = analyze_residual(noisy, gaussian_filter(noisy, width))
    assert "structure" in report.findings
    assert "details were removed" in report.sentence


@pytest.mark.parametrize("name", ["camera", "brick", "coins", "cell"])
def test_correlated_noise_is_told(name: str, rng: np.random.Generator) -> None:
    clean = clean_image(name)
    report = analyze_residual(clean + blurred_noise(rng, clean.shape), clean)
    assert report.findings == ("correlated",)
    assert report.direction == ""
    assert report.neighbour_correlation == pytest.approx(0.585, abs=0.03)
    assert "neighbours agree by 5" in report.sentence or "6" in report.sentence


def test_correlation_along_rows_is_told(rng: np.random.Generator) -> None:
    clean = clean_image("camera")
    lines = rng.normal(0, SIGMA / 2, (len(clean), 1))
    noisy = clean + lines + rng.normal(0, SIGMA, clean.shape)
    report = analyze_residual(noisy, clean)
    assert report.findings == ("correlated",)
    assert "correlated along rows" in report.sentence
    turned = analyze_residual(noisy.T, clean.T)
    assert "correlated along columns" in turned.sentence


def test_noise_that_was_left_is_told(rng: np.random.Generator) -> None:
    clean = np.full((256, 256), 100.0)
    noisy = clean + rng.normal(0, SIGMA, clean.shape)
    report = analyze_residual(noisy, gaussian_filter(noisy, 1.0))
    assert report.findings == ("noise left",)
    # -0.17 for n - g * n with a Gaussian g of width 1; more in the flattest half
    assert -0.23 < report.neighbour_correlation < -0.15
    assert report.sentence.endswith("A stronger setting removes more.")


def test_edges_that_were_spared_are_told(rng: np.random.Generator) -> None:
    clean = clean_image("coins")
    noise = rng.normal(0, SIGMA, clean.shape)
    steep = sobel_gradient(gaussian_filter(clean, 1.0)) > 100
    report = analyze_residual(clean + noise, clean + np.where(steep, noise / 2, 0))
    assert report.findings == ("edges spared",)
    assert report.sentence.startswith("No structure is left")
    assert "less was removed" in report.sentence


def test_advice_does_not_contradict_itself(rng: np.random.Generator) -> None:
    noisy = clean_image("coins")
    noisy = noisy + rng.normal(0, SIGMA, noisy.shape)
    report = analyze_residual(noisy, gaussian_filter(noisy, 1.0))
    assert report.findings == ("structure", "noise left")
    assert report.sentence.endswith("Another method would serve better.")


def test_nothing_removed_and_brightness_changed() -> None:
    clean = clean_image("camera").astype(np.uint8)
    assert analyze_residual(clean, clean).findings == ("nothing",)
    darker = analyze_residual(clean, clean.astype(float) - 7)
    assert darker.findings == ("brightness",)
    assert "on average +7 was removed" in darker.sentence


def test_a_shift_beside_noise_is_told(rng: np.random.Generator) -> None:
    clean = clean_image("camera")
    noisy = clean + rng.normal(5, SIGMA, clean.shape)
    report = analyze_residual(noisy, clean)
    assert report.findings == ("brightness",)
    assert "25% of the noise" in report.sentence


def test_integers_do_not_wrap_around(rng: np.random.Generator) -> None:
    noisy = rng.integers(0, 65536, (64, 64)).astype(np.uint16)
    flat = np.full_like(noisy, 32768)
    report = analyze_residual(noisy, flat)
    assert report.sigma == pytest.approx(noisy.std(), rel=1e-6)


def test_stacks_and_colours_are_read_plane_by_plane(rng: np.random.Generator) -> None:
    class Lazy:
        """Refuses to be read whole."""

        def __init__(self, array: NDArray[Any]) -> None:
            self.array, self.shape, self.dtype = array, array.shape, array.dtype
            self.reads: list[tuple[Any, ...]] = []

        def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
            self.reads.append(index)
            assert self.array[index].ndim == 2
            return self.array[index]

    clean = np.stack([clean_image("camera")] * 12)
    noisy = Lazy(clean + rng.normal(0, SIGMA, clean.shape))
    work = iter_analyze_residual(noisy, Lazy(clean), axes="ZYX", num_planes=3)
    events = []
    try:
        while True:
            events.append(next(work))
    except StopIteration as stop:
        report = stop.value
    assert events == [Progress(i, 3, "plane") for i in range(4)]
    assert [index[0] for index in noisy.reads] == [0, 6, 11]
    assert report.num_pixels == 3 * 256 * 256
    colour = np.stack([clean[0]] * 4, -1)  # with alpha
    noise = rng.normal(0, SIGMA, colour.shape)
    noise[..., 3] = 1000
    report = analyze_residual(colour + noise, colour, axes="YXS")
    assert report.sigma == pytest.approx(SIGMA, rel=0.02)
    assert report.num_pixels == 3 * 256 * 256


def test_only_the_middle_of_a_large_plane_is_read(rng: np.random.Generator) -> None:
    noisy = np.zeros((1500, 40), np.float32)
    noisy[238:1262] = rng.normal(0, 1, (1024, 40))
    noisy[:238] = noisy[1262:] = 1e6
    report = analyze_residual(noisy, np.zeros_like(noisy))
    assert report.num_pixels == 1024 * 40
    assert report.sigma == pytest.approx(1, rel=0.02)


def test_histogram_counts_the_values(rng: np.random.Generator) -> None:
    noisy = rng.normal(0, 2, (100, 100))
    report = analyze_residual(noisy, np.zeros_like(noisy))
    assert report.edges[0] == pytest.approx(report.mean - 4 * report.sigma)
    inside = (noisy >= report.edges[0]) & (noisy <= report.edges[-1])
    assert report.counts.sum() == inside.sum()
    assert abs(int(report.counts.argmax()) - 30) < 8


def test_histogram_of_whole_numbers_is_no_comb(rng: np.random.Generator) -> None:
    noisy = rng.normal(1000, 6.5, (200, 200)).round().astype(np.uint16)
    report = analyze_residual(noisy, np.full_like(noisy, 1000))
    np.testing.assert_array_equal(np.diff(report.edges), 1)
    assert report.counts.sum() == noisy.size
    middle = report.counts[25:36]
    assert np.abs(np.diff(middle)).max() < 0.15 * middle.max()


def test_holes_are_left_out(rng: np.random.Generator) -> None:
    clean = clean_image("camera")
    noisy = clean + rng.normal(0, SIGMA, clean.shape)
    noisy[40:60, 40:60] = np.nan
    denoised = clean.copy()
    denoised[100, 100] = np.inf
    report = analyze_residual(noisy, denoised)
    assert report.findings == ()
    assert report.num_pixels == clean.size - 400 - 1
    assert np.isfinite(report.autocorrelation).all()


@pytest.mark.parametrize("shape", [(1, 250), (15, 15), (3, 80)])
def test_tiny_images_are_refused(
    shape: tuple[int, int], rng: np.random.Generator
) -> None:
    with pytest.raises(InputError, match="at least 16 x 16"):
        analyze_residual(rng.normal(size=shape), np.zeros(shape))


def test_all_nan_and_unequal_shapes_are_refused() -> None:
    hole = np.full((40, 40), np.nan)
    with pytest.raises(InputError, match=r"too few finite pixels \(0\)"):
        analyze_residual(hole, np.zeros((40, 40)))
    with pytest.raises(InputError, match=r"\(40, 40\) and the denoised one \(40, 41\)"):
        analyze_residual(hole, np.zeros((40, 41)))
    with pytest.raises(InputError, match="mask"):
        analyze_residual(hole, np.zeros((40, 40), bool))


@pytest.mark.parametrize("side", [16, 24, 40])
def test_small_crops_raise_no_false_alarm(side: int, rng: np.random.Generator) -> None:
    clean = clean_image("camera")
    alarms = 0
    for start in range(0, 200, 5):
        part = clean[start : start + side, start : start + side]
        noisy = part + rng.normal(0, SIGMA, part.shape)
        alarms += bool(set(analyze_residual(noisy, part).findings) - {"brightness"})
    assert alarms == 0


def test_the_api_has_it() -> None:
    assert api.analyze_residual is analyze_residual

"""The shift between two images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_gradnet.data.pairs import align, find_shift

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -2), (4, 3), (-7, 5)])
@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.3])
def test_known_shift(
    shift: tuple[int, int],
    sigma: float,
    grey_photo: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    down, right = shift
    clean = grey_photo[100:356, 100:356]
    moved = grey_photo[100 - down : 356 - down, 100 - right : 356 - right]
    noisy = moved + rng.normal(0, sigma, moved.shape)
    found = find_shift(noisy[None], clean[None])
    assert found == pytest.approx(shift, abs=0.3)


@pytest.mark.parametrize("moved", [(0.4, -0.7), (-2.3, 1.1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_parts_of_a_pixel_are_undone(
    moved: tuple[float, float],
    dtype: type,
    grey_photo: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    from scipy.ndimage import fourier_shift, gaussian_filter

    scene = gaussian_filter(grey_photo[80:400, 80:400], 0.8) * 200
    drifted = np.fft.ifft2(fourier_shift(np.fft.fft2(scene), moved)).real
    clean, target = scene[None, 32:-32, 32:-32], drifted[None, 32:-32, 32:-32]
    noise = rng.normal(0, 10, target.shape)
    noisy = target + noise
    if dtype is np.uint8:
        noisy, clean = (np.clip(np.rint(i), 0, 255) for i in (noisy, clean))
    kept, laid = align(noisy.astype(dtype), clean.astype(dtype))
    border = int(np.ceil(max(abs(m) for m in moved) - 0.05))
    inner = (slice(None), slice(border, -border), slice(border, -border))
    assert laid.shape == kept.shape == noisy[inner].shape
    assert laid.dtype == kept.dtype == dtype
    assert np.array_equal(kept, noisy[inner].astype(dtype))  # not interpolated
    before = np.sqrt(np.mean((clean[inner] - target[inner]) ** 2))
    after = np.sqrt(np.mean((laid - target[inner]) ** 2))
    assert after < 0.25 * before


def test_far_shifts_are_left_alone(grey_photo: NDArray[np.float32]) -> None:
    far = grey_photo[None, 100:356, 109:365]
    near = grey_photo[None, 100:356, 100:356]
    noisy, clean = align(far, near)
    assert noisy is far
    assert clean is near


def test_images_without_structure() -> None:
    flat = np.full((3, 40, 40), 7, np.uint8)
    assert find_shift(flat, flat) == (0, 0)

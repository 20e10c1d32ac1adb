"""The shift between two images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_gradnet.data.pairs import find_shift

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


def test_images_without_structure() -> None:
    flat = np.full((3, 40, 40), 7, np.uint8)
    assert find_shift(flat, flat) == (0, 0)

"""A hot pixel stays, and spoils nothing around it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.inference.planes import Models, opened, plane

from napari_gradnet import api
from napari_gradnet.events import drain
from napari_gradnet.inference.plane import INSIDE, PlaneDenoiser


@pytest.fixture
def cells(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:96, :96]
    signal = 160 + 50 * np.sin(rows / 9) * np.cos(columns / 11)
    return np.rint(signal + rng.normal(0, 8, signal.shape)).astype(np.uint16)


@pytest.mark.parametrize("model", ["dn-resnet-13-gray", "gradnet-fast-gray"])
def test_a_hot_pixel_spoils_nothing_around_it(cells: np.ndarray, model: str) -> None:
    hot = cells.copy()
    hot[48, 48] = 65535
    options = {"value_range": (90, 230), "axes": "YX", "dtype": "float32"}
    expected = api.denoise(cells, model, **options)
    found = api.denoise(hot, model, **options)
    assert found[48, 48] == pytest.approx(65535, rel=0.01)
    change = np.abs(found - expected)
    ring = np.hypot(*(np.mgrid[:96, :96] - 48))
    # the network alone made it 270 here
    assert np.sqrt(np.mean(change[(ring > 2) & (ring < 10)] ** 2)) < 8
    assert change[ring > 30].max() < 2


@pytest.mark.parametrize("method", ["median", "gaussian"])
def test_a_hot_pixel_does_not_choose_the_naive_strength(
    cells: np.ndarray, method: str
) -> None:
    image = np.tile(cells, (4, 4))
    hot = image.copy()
    hot[48, 48] = 65535
    options = {"sigma": 8.0, "axes": "YX", "dtype": "float32"}
    expected = api.naive_denoise(image, method, **options)
    found = api.naive_denoise(hot, method, **options)
    np.testing.assert_allclose(found[96:, 96:], expected[96:, 96:], atol=2)


def test_parts_and_planes_treat_outliers_alike(models: Models) -> None:
    model = opened(models, "color")
    image = plane(model, (40, 50))
    image[:, 20, 30] = 400
    image[:, 5, 5] = -30
    denoiser = PlaneDenoiser(model)
    means = drain(denoiser.iter_statistics(image[None]))
    whole = denoiser.denoise(image)
    np.testing.assert_allclose(denoiser.denoise(image, means=means), whole, atol=1e-4)
    kept = torch.from_numpy(image).clamp(*INSIDE).numpy()
    expected = denoiser.denoise(kept) + image - kept
    np.testing.assert_allclose(whole, expected, atol=1e-4)

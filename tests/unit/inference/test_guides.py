"""Guides: given ones, and those that a model makes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.unit.inference.images import by_hand, random_image

from napari_gradnet.errors import InputError, ModelError
from napari_gradnet.inference.denoise import denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models


def test_a_guide_replaces_the_models_own(models: Models) -> None:
    image, guide = random_image((20, 18), "uint16"), random_image((20, 18), "uint16", 1)
    options = {"vst": False, "value_range": (0, 3000), "dtype": "float64"}
    own = denoise(image, models["grey-gradnet"], **options)
    other = denoise(image, models["grey-gradnet"], guide=guide, **options)
    expected = by_hand(models["grey-gradnet"], image, 0, 3000, guide)
    assert np.allclose(other, expected, atol=0.05)
    assert abs(own - other).max() > 10


def test_a_guide_for_each_plane_in_the_images_order(models: Models) -> None:
    image, guide = (
        random_image((3, 20, 18), "float32"),
        random_image((3, 20, 18), "int32"),
    )
    options = {"vst": False, "value_range": (-1000, 3000), "axes": "YXZ"}
    result = denoise(
        image.transpose(2, 1, 0).swapaxes(0, 1),
        models["grey-gradnet"],
        guide=guide.transpose(2, 1, 0).swapaxes(0, 1),
        **options,
    )
    for z in range(3):
        expected = by_hand(models["grey-gradnet"], image[z], -1000, 3000, guide[z])
        assert np.allclose(result[..., z], expected, atol=0.05)


@pytest.mark.parametrize("kind", ["noisy-guide", "bm3d-guide"])
def test_guides_without_a_network(models: Models, kind: str) -> None:
    image = random_image((24, 20), "float32")
    options = {"vst": False, "value_range": (-1000, 1000)}
    result = denoise(image, models[kind], **options)
    guide = image
    if kind == "bm3d-guide":
        from napari_gradnet.naive import denoise_plane
        from napari_gradnet.noise.estimate import estimate_noise

        scaled = ((image.astype(np.float64) + 1000) / 2000).astype(np.float32)
        sigma = estimate_noise(scaled).sigma
        guide = denoise_plane(scaled, "bm3d", sigma) * 2000.0 - 1000
        assert abs(guide - image).max() > 10
    expected = by_hand(models[kind], image, -1000, 1000, guide)
    assert np.allclose(result, expected, atol=0.1)


def test_bm3d_guides_a_colour_model(models: Models) -> None:
    image = random_image((24, 20, 3), "uint8")
    result = denoise(image, models["bm3d-guide-color"], axes="YXS")
    assert result.shape == image.shape
    guided = denoise(image, models["bm3d-guide-color"], axes="YXS", guide=image)
    assert not np.array_equal(result, guided)


def test_an_oracles_model_wants_its_guide(models: Models) -> None:
    image = random_image((20, 20), "float32")
    with pytest.raises(ModelError, match=r"'clean-guide' .*clean image.*give guide="):
        denoise(image, models["clean-guide"])
    result = denoise(image, models["clean-guide"], guide=image)
    assert np.isfinite(result).all()


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        (np.zeros((20, 21)), r"guide has shape \(20, 21\), the image \(20, 20\): give"),
        (np.zeros((1, 20, 20)), r"guide has shape \(1, 20, 20\)"),
        (np.zeros((20, 20), bool), r"the guide: a bool image"),
        (np.zeros((20, 20), complex), r"the guide: .*complex128"),
        (np.full((20, 20), np.nan), r"400 of 400 values of the guide are NaN"),
        (torch.ones(20, 20), r"torch.float32"),
    ],
)
def test_guides_that_cannot_be_used(models: Models, guide: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        denoise(random_image((20, 20), "float32"), models["grey-gradnet"], guide=guide)


def test_a_guide_for_a_network_without_one(models: Models) -> None:
    image = random_image((20, 20), "float32")
    with pytest.raises(InputError, match="model 'grey' takes no guide"):
        denoise(image, models["grey"], guide=image)

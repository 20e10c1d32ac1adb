"""The sample data are what they say they are."""

from __future__ import annotations

import numpy as np

from napari_gradnet.widgets import _sample_data as sample


def test_photo_has_the_noise_it_names() -> None:
    (clean, clean_meta, _), (noisy, noisy_meta, kind) = sample.photo()
    assert kind == "image"
    assert clean.dtype == noisy.dtype == np.uint8
    assert clean.shape == noisy.shape == (300, 451, 3)
    assert clean_meta["rgb"] is noisy_meta["rgb"] is True
    inner = (clean > 100) & (clean < 155)  # nothing is clipped there
    noise = noisy[inner].astype(float) - clean[inner]
    assert abs(noise.std() - sample.PHOTO_SIGMA) < 0.5
    assert abs(noise.mean()) < 0.5


def test_stack_follows_the_camera_law_and_has_a_pixel_size() -> None:
    (clean, _, _), (noisy, meta, _) = sample.fluorescence_stack()
    assert clean.shape == noisy.shape == sample.STACK_SHAPE
    assert clean.dtype == noisy.dtype == np.uint16
    assert meta["scale"] == sample.VOXEL_SIZE
    assert meta["units"] == ("micrometer",) * 3
    noise = noisy.astype(float) - clean
    for low, high in ((100, 110), (150, 250), (300, 500)):
        part = (clean >= low) & (clean < high)
        mean = clean[part].mean()
        expected = sample.GAIN * (mean - sample.OFFSET) + sample.READ_NOISE**2
        assert abs(noise[part].var() / expected - 1) < 0.05
        assert abs(noise[part].mean()) < 4 * noise[part].std() / np.sqrt(part.sum())
    low, high = meta["contrast_limits"]
    assert low < np.median(clean) < high < clean.max()


def test_samples_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(sample.photo()[1][0], sample.photo()[1][0])

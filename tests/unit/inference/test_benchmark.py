"""Speed and memory of models."""

from __future__ import annotations

import pytest

from napari_gradnet.errors import ModelError
from napari_gradnet.inference.benchmark import iter_speed


def test_a_model_measured_again_takes_its_memory_again() -> None:
    first, again = iter_speed(["dncnn-gray"] * 2, size=512, device="cpu", repeats=1)
    assert first.model == again.model == "dncnn-gray"
    assert first.macs_per_pixel == again.macs_per_pixel > 0
    assert first.megapixels_per_second > 0
    # in one process the second would find the first one's memory
    assert again.peak_megabytes > 0.5 * first.peak_megabytes > 1


def test_what_is_no_model_is_told() -> None:
    with pytest.raises(ModelError, match="nosuch"):
        list(iter_speed(["nosuch"], size=64))

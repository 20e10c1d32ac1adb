"""Models that average over flips and rotations by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.tiny_models import write_tiny_model

from napari_gradnet import api
from napari_gradnet.errors import GradNetError
from napari_gradnet.inference.benchmark import macs_per_pixel
from napari_gradnet.inference.models import open_model
from napari_gradnet.networks.views import NUM_VIEWS
from napari_gradnet.training.run import load_experiment
from napari_gradnet.training.weights import model_header

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A model, and the same one that is an ensemble by itself."""
    together = tmp_path / "together"
    together.mkdir()
    return (
        write_tiny_model(tmp_path, "gradnet"),
        write_tiny_model(together, "gradnet", ensemble=True),
    )


@pytest.mark.parametrize("options", [{}, {"tile": 16}, {"dtype": "float32"}])
def test_such_a_model_needs_not_be_asked(
    pair: tuple[Path, Path], options: dict[str, Any], rng: np.random.Generator
) -> None:
    one, together = pair
    image = rng.integers(0, 255, (33, 26, 3)).astype(np.uint8)
    asked = api.denoise(image, one, axes="YXS", ensemble=True, **options)
    result = api.denoise(image, together, axes="YXS", **options)
    np.testing.assert_array_equal(result, asked)
    assert not np.array_equal(result, api.denoise(image, one, axes="YXS", **options))
    again = api.denoise(image, together, axes="YXS", ensemble=True, **options)
    np.testing.assert_array_equal(result, again)  # not twice
    alone = api.denoise(image, together, axes="YXS", ensemble=False, **options)
    np.testing.assert_array_equal(alone, api.denoise(image, one, axes="YXS", **options))


def test_batches_know_it(
    pair: tuple[Path, Path], tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "in.png"
    from PIL import Image

    image = rng.integers(0, 255, (33, 26, 3)).astype(np.uint8)
    Image.fromarray(image).save(path)
    (file,) = api.denoise_files(path, tmp_path / "out", model=pair[1]).files
    assert file.state == "done"
    expected = api.denoise(image, pair[0], axes="YXS", ensemble=True)
    with Image.open(tmp_path / "out" / "in.png") as written:
        np.testing.assert_array_equal(np.asarray(written), expected)
        assert '"ensemble": true' in str(written.info)
    options: dict[str, Any] = {"model": pair[1], "ensemble": False}
    with pytest.raises(GradNetError, match=r"operation.ensemble was True, is False"):
        api.denoise_files(path, tmp_path / "out", **options)
    (alone,) = api.denoise_files(path, tmp_path / "alone", **options).files
    with Image.open(alone.output) as written:
        expected = api.denoise(image, pair[0], axes="YXS")
        np.testing.assert_array_equal(np.asarray(written), expected)
        assert '"ensemble": false' in str(written.info)


def test_its_work_is_counted(pair: tuple[Path, Path]) -> None:
    one, together = (open_model(path) for path in pair)
    assert macs_per_pixel(together) == NUM_VIEWS * macs_per_pixel(one)


def test_trainings_make_such_models() -> None:
    values: dict[str, Any] = {
        "name": "a",
        "network": {"name": "dncnn"},
        "data": {"train": [{"clean": "a.png", "noise": {"kind": "gaussian"}}]},
    }
    assert not model_header(load_experiment(values)).ensemble
    assert model_header(load_experiment({**values, "ensemble": True})).ensemble

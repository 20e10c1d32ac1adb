"""A file's planes come out as those of the same array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gradnet import api

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def stack(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Counts in two planes, the second ten times as bright."""
    light = np.linspace(20, 400, 40) * np.ones((2, 30, 1))
    light[1] *= 10
    return rng.poisson(light).astype(np.uint16)


@pytest.mark.parametrize("vst", ["auto", False])
@pytest.mark.parametrize(
    ("written", "axes"),
    [
        pytest.param({}, "ZYX", id="plain"),
        pytest.param({"imagej": True, "metadata": {"axes": "ZYX"}}, "ZYX", id="slices"),
        # tifffile calls them channels where nothing else is said
        pytest.param({"imagej": True}, "CYX", id="imagej"),
        pytest.param({"ome": True}, "CYX", id="ome"),
    ],
)
def test_a_file_is_denoised_as_the_array_of_its_axes(
    tmp_path: Path,
    models: dict[str, Path],
    stack: NDArray[np.uint16],
    written: dict[str, Any],
    axes: str,
    vst: Any,
) -> None:
    path, output, model = tmp_path / "a.tif", tmp_path / "b.tif", models["grey"]
    tifffile.imwrite(path, stack, **written)
    with api.open_image(path) as source:
        assert source.axes.axes == axes
    api.denoise_file(path, output, model, vst=vst)
    result = tifffile.imread(output)
    np.testing.assert_array_equal(result, api.denoise(stack, model, axes=axes, vst=vst))
    # an array does not tell channels from slices: slices are assumed, scaled together
    guessed = api.denoise(stack, model, vst=vst)
    assert np.array_equal(result, guessed) == (axes == "ZYX")
    if axes == "CYX":
        api.denoise_file(path, output, model, axes="ZYX", vst=vst, overwrite=True)
        np.testing.assert_array_equal(tifffile.imread(output), guessed)


@pytest.fixture
def two_series(tmp_path: Path) -> Path:
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as writer:
        for side in (8, 9):
            writer.write(np.zeros((side, side), np.uint8))
    return path


def test_what_is_left_out_on_reading_is_told(
    two_series: Path, models: dict[str, Path]
) -> None:
    output = two_series.with_name("out.tif")
    message = "of 2 image series only the first, of shape (8, 8), is read"
    assert api.gradient_file(two_series, output) == message
    assert api.denoise_file(two_series, output, models["grey"], overwrite=True) == (
        message
    )

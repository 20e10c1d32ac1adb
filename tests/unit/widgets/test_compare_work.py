"""What the threads of the Compare widget do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
from tests.tiny_models import package_only, write_tiny_model

from napari_gradnet import api
from napari_gradnet.events import Progress
from napari_gradnet.widgets import _compare_work as work
from napari_gradnet.widgets._thumbnail import first_plane, thumbnail

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray


def run(generator: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    events = []
    try:
        while True:
            events.append(next(generator))
    except StopIteration as stop:
        return events, stop.value


def test_removed_noise_is_signed_and_lazy() -> None:
    noisy = np.full((3, 4, 5), 10, np.uint16)
    denoised = np.full((3, 4, 5), 12, np.uint16)
    removed = work.removed_noise(noisy, denoised, rgb=False)
    assert isinstance(removed, da.Array)
    assert removed.chunks[0] == (1, 1, 1)
    assert removed.dtype == np.float32
    np.testing.assert_array_equal(removed, -2.0)


def test_removed_noise_of_colours_is_their_mean_without_alpha() -> None:
    noisy = np.zeros((2, 4, 5, 4), np.uint8)
    noisy[..., 0] = 30
    noisy[..., 3] = 255
    removed = work.removed_noise(noisy, np.zeros_like(noisy), rgb=True)
    assert removed.shape == (2, 4, 5)
    np.testing.assert_allclose(removed, 10)


def test_candidates_fit_the_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = write_tiny_model(tmp_path / "own", "grey")
    color = write_tiny_model(tmp_path, "color")
    (tmp_path / "own" / "broken.safetensors").write_bytes(b"no model")
    package_only(monkeypatch, tmp_path / "packaged", packaged=color)
    _, found = run(work.iter_candidates(tmp_path / "own", rgb=True))
    assert [c.name for c in found if c.kind == "model"] == ["packaged", str(grey)]
    assert [c.label for c in found][:2] == ["packaged", "grey"]
    assert {c.name for c in found if c.kind == "naive"} == set(api.list_naive_methods())
    assert all(c.about for c in found if c.kind == "naive")
    _, found = run(work.iter_candidates(tmp_path / "own", rgb=False))
    assert [c.label for c in found if c.kind == "model"] == ["grey"]


@pytest.fixture
def stack(grey_photo: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Two noisy planes, counts."""
    planes = np.stack([grey_photo[100:164, 200:264], grey_photo[200:264, 100:164]])
    return rng.normal(1000 + 500 * planes, 20).round().astype(np.uint16)


def test_trials_are_those_of_the_api(
    stack: NDArray[Any], tmp_path: Path, grey_photo: NDArray[Any]
) -> None:
    model = write_tiny_model(tmp_path, "grey")
    candidates = [
        work.Candidate("model", str(model)),
        work.Candidate("naive", "median"),
        work.Candidate("model", "missing.safetensors"),
        work.Candidate("naive", "gaussian"),
    ]
    region = (slice(1, 2), slice(8, 56), slice(0, 40))
    clean = (1000 + 500 * np.stack([grey_photo[:64, :64]] * 2)).astype(np.uint16)
    clean[1] = (1000 + 500 * grey_photo[200:264, 100:164]).astype(np.uint16)
    events, _ = run(work.iter_trials(stack, "ZYX", region, candidates, clean))
    trials = [e for e in events if isinstance(e, work.Trial)]
    labels = [t.candidate.label for t in trials]
    assert labels == ["grey", "median", "missing", "gaussian"]
    assert events[-1] == Progress(4, 4, "method")
    network, median, missing, _ = trials
    assert missing.image is None
    assert "neither a packaged model" in missing.error
    noise = api.estimate_noise(stack)
    whole = api.naive_denoise(stack[1], "median", sigma=noise.sigma, axes="YX")
    np.testing.assert_array_equal(median.image, whole[None, 8:56, :40])
    expected = api.measure_quality(median.image, clean[region], axes="ZYX").psnr
    assert median.psnr == expected
    assert network.record["model"] == "grey"
    assert network.image.shape == (1, 48, 40)
    assert network.seconds > 0


def test_trials_without_a_reference_have_no_psnr(stack: NDArray[Any]) -> None:
    region = (slice(0, 1), slice(0, 64), slice(0, 64))
    candidates = [work.Candidate("naive", "gaussian")]
    events, _ = run(work.iter_trials(stack, "ZYX", region, candidates))
    (trial,) = [e for e in events if isinstance(e, work.Trial)]
    assert trial.psnr is None


def test_networks_are_tried_where_noise_cannot_be_estimated(tmp_path: Path) -> None:
    image = np.arange(4, dtype=np.uint8).reshape(2, 2)
    candidates = [
        work.Candidate("naive", "gaussian"),
        work.Candidate("model", str(write_tiny_model(tmp_path, "grey"))),
    ]
    region = (slice(0, 2), slice(0, 2))
    events, _ = run(work.iter_trials(image, "YX", region, candidates))
    naive, network = [e for e in events if isinstance(e, work.Trial)]
    assert "noise cannot be estimated" in naive.error
    assert network.image.shape == (2, 2)


def test_qualities_count_the_planes_of_all_images(stack: NDArray[Any]) -> None:
    images = {"a": stack, "b": da.from_array(stack + 5, chunks=(1, 64, 64))}
    events, found = run(work.iter_qualities(images, stack, "ZYX", None))
    assert [e.done for e in events] == [0, 1, 2, 2, 3, 4]
    assert {e.total for e in events} == {4}
    assert found["a"].psnr == np.inf
    assert found["b"].num_planes == 2
    region = (slice(0, 1), slice(0, 20), slice(0, 20))
    _, found = run(work.iter_qualities(images, stack, "ZYX", region, fit=True))
    assert found["b"].psnr > 100
    assert found["b"].num_planes == 1


def test_residual_of_a_region_is_that_of_the_region(stack: NDArray[Any]) -> None:
    region = (slice(1, 2), slice(0, 30), slice(0, 30))
    zero = np.zeros_like(stack)
    _, report = run(work.iter_residual(stack, zero, "ZYX", region))
    assert report.num_pixels == 900
    assert report.mean == pytest.approx(stack[region].mean())


def test_thumbnails_are_small_and_scaled() -> None:
    ramp = np.tile(np.linspace(100, 300, 400), (1, 200, 1))
    picture = thumbnail(ramp, (100, 300), rgb=False)
    assert picture.shape == (40, 80, 3)
    assert picture[0, 0, 0] < 4
    assert picture[0, -1, 2] > 251
    np.testing.assert_array_equal(picture[..., 0], picture[..., 1])
    colours = np.zeros((1, 10, 20, 4), np.uint16)
    colours[..., 1] = 65535
    picture = thumbnail(colours, (0, 1), rgb=True)
    assert picture.shape == (10, 20, 3)
    assert (picture == (0, 255, 0)).all()
    hole = np.full((1, 1, 300), np.nan)
    picture = thumbnail(hole, (0, 1), rgb=False)
    assert picture.shape == (1, 75, 3)
    assert (picture == 0).all()


def test_the_first_plane_has_its_colours_last() -> None:
    image = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(first_plane(image, "ZYX"), image[0])
    np.testing.assert_array_equal(first_plane(image, "YXC"), image[..., 0])
    np.testing.assert_array_equal(first_plane(image, "XYS"), image.transpose(1, 0, 2))


def test_networks_compute_as_is_preferred_where_that_can_be(
    stack: NDArray[Any], tmp_path: Path
) -> None:
    candidates = [work.Candidate("model", str(write_tiny_model(tmp_path, "grey")))]
    region = (slice(0, 1), slice(0, 32), slice(0, 32))
    wanted = work.DenoiseOptions(device="cuda:77", precision="float32", tile=32)
    events, _ = run(work.iter_trials(stack, "ZYX", region, candidates, compute=wanted))
    (trial,) = [e for e in events if isinstance(e, work.Trial)]
    options = trial.record["options"]
    assert (options["precision"], options["tile"]) == ("float32", 32)
    assert "device" not in options  # it is not there

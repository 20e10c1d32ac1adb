"""The result does not depend on tiles, memory or threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tiny_models import MODELS
from tests.unit.inference.planes import Models, opened, plain, plane

from napari_gradnet.inference import attention
from napari_gradnet.inference.plane import PlaneDenoiser

#: Those whose guide is a network of their own, or that need none.
WHOLE = [n for n, parts in MODELS.items() if len(parts) in (2, 5)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(WHOLE),
    rows=st.integers(1, 70),
    columns=st.integers(1, 70),
    tile=st.integers(6, 64),
)
def test_tiled_equals_whole(
    models: Models, name: str, rows: int, columns: int, tile: int
) -> None:
    model = opened(models, name)
    image = plane(model, (rows, columns))
    tiled = PlaneDenoiser(model, tile=tile).denoise(image)
    assert tiled.dtype == np.float32
    assert np.allclose(tiled, plain(model, image), atol=1e-5)


@pytest.mark.parametrize("name", WHOLE)
def test_many_tiles_equal_the_whole(models: Models, name: str) -> None:
    model = opened(models, name)
    image = plane(model, (97, 83))
    denoiser = PlaneDenoiser(model, tile=30)
    assert denoiser.count_tiles((97, 83)) == 12
    assert np.allclose(denoiser.denoise(image), plain(model, image), atol=1e-5)


@pytest.mark.parametrize(("name", "tiles"), [("gradnet", 1), ("grey", 12)])
def test_a_plane_that_is_seen_whole_takes_one_pass(
    models: Models, name: str, tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser = PlaneDenoiser(opened(models, name))
    most = (30 + 2 * denoiser.halo) ** 2
    monkeypatch.setattr("napari_gradnet.inference.plane.CPU_PIXELS", most)
    assert most < 97 * 83
    assert denoiser.has_attention == (tiles == 1)
    assert denoiser.count_tiles((97, 83)) == tiles
    assert denoiser.steady_tile((97, 83)) == denoiser.tile_for((97, 83))
    calls = []
    run = denoiser.run_network
    monkeypatch.setattr(
        denoiser, "run_network", lambda *parts: calls.append(0) or run(*parts)
    )
    image = plane(denoiser.model, (97, 83))
    assert np.allclose(denoiser.denoise(image), plain(denoiser.model, image), atol=1e-5)
    assert len(calls) == tiles
    # statistics of a larger plane come from windows
    assert denoiser.count_tiles((2048, 1024)) > 1


@pytest.mark.parametrize("name", ["noisy-guide", "bm3d-guide", "bm3d-guide-color"])
def test_guides_from_outside_are_cut_like_the_image(models: Models, name: str) -> None:
    model = opened(models, name)
    image, guide = plane(model, (61, 50)), plane(model, (61, 50), 1)
    tiled = PlaneDenoiser(model, tile=16).denoise(image, guide)
    assert np.allclose(tiled, plain(model, image, guide), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["grey-attention", "gradnet", "grey-gradnet", "attention-guide"]
)
def test_attention_of_large_planes(
    models: Models, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a plane larger than what gives its statistics as a whole: windows stand for it
    monkeypatch.setattr(attention, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(attention, "WINDOW", 24)
    model = opened(models, name)
    image = plane(model, (90, 77))
    results = [
        PlaneDenoiser(model, tile=tile).denoise(image) for tile in (16, 50, 100, None)
    ]
    for other in results[1:]:
        assert np.allclose(results[0], other, atol=1e-5)
    # of noise alike everywhere, they are nearly those of the whole
    assert np.allclose(results[0], plain(model, image), atol=0.1)
    assert not np.allclose(results[0], plain(model, image), atol=1e-6)


@pytest.mark.parametrize("size", [(1 << 20, 1), (1024, 1024), (37, 5)])
def test_a_small_plane_is_its_own_window(size: tuple[int, int]) -> None:
    windows = attention.sample_windows(size, 4)
    assert windows == [(slice(0, size[0]), slice(0, size[1]))]


@pytest.mark.parametrize("alignment", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [(3000, 2000), (1 << 20, 3), (5, 300_001)])
def test_windows_lie_on_the_grid_and_inside(
    size: tuple[int, int], alignment: int
) -> None:
    windows = attention.sample_windows(size, alignment)
    assert len(windows) == 4
    for window in windows:
        for length, side in zip(size, window, strict=True):
            assert side.start % alignment == 0
            assert 0 <= side.start < side.stop <= length
            assert side.stop - side.start == min(256, length)
    if min(size) > 1000:
        assert len({(r.start, c.start) for r, c in windows}) == 4


def test_means_are_put_back(models: Models) -> None:
    model = opened(models, "grey-attention")
    image = plane(model, (40, 40))
    before = plain(model, image)
    PlaneDenoiser(model, tile=16).denoise(plane(model, (64, 64), 3))
    assert np.array_equal(plain(model, image), before)


def test_planes_that_are_denoised_by_turns(models: Models) -> None:
    # the attention's statistics of one plane must not reach the other
    model = opened(models, "grey-attention")
    images = [plane(model, (50, 60)), 3 * plane(model, (64, 40), 1)]
    work = [PlaneDenoiser(model, tile=20).iter_plane(i) for i in images]
    results: list[np.ndarray | None] = [None, None]
    while any(r is None for r in results):
        for i in range(2):
            if results[i] is None:
                try:
                    next(work[i])
                except StopIteration as stop:
                    results[i] = stop.value
    for image, result in zip(images, results, strict=True):
        assert np.allclose(result, plain(model, image), atol=1e-5)


def test_threads_share_a_model(models: Models) -> None:
    model = opened(models, "attention-guide")
    images = [(1 + i) * plane(model, (40, 50 + i), i) for i in range(4)]
    expected = [plain(model, image) for image in images]
    results: dict[int, np.ndarray] = {}

    def denoise(number: int) -> None:
        for _ in range(3):
            results[number] = PlaneDenoiser(model, tile=16).denoise(images[number])

    threads = [threading.Thread(target=denoise, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, image in enumerate(expected):
        assert np.allclose(results[number], image, atol=1e-5)


def test_an_abandoned_plane_leaves_the_model_free(models: Models) -> None:
    model = opened(models, "grey-attention")
    work = PlaneDenoiser(model, tile=8).iter_plane(plane(model, (40, 40)))
    next(work)
    work.close()
    assert model.lock.acquire(blocking=False)
    model.lock.release()


# ------------------------------------------------------------- ensemble


@pytest.mark.parametrize("name", ["color", "gradnet", "grey-attention"])
@pytest.mark.parametrize("tile", [None, 24])
def test_ensemble_is_the_mean_of_8_views(
    models: Models, name: str, tile: int | None
) -> None:
    model = opened(models, name)
    image = plane(model, (33, 46))
    expected = np.zeros_like(image)
    for turns in range(4):
        for mirrored in (False, True):
            view = np.rot90(image, turns, (1, 2))
            view = view[:, :, ::-1] if mirrored else view
            result = plain(model, np.ascontiguousarray(view))
            result = result[:, :, ::-1] if mirrored else result
            expected += np.rot90(result, -turns, (1, 2)) / 8
    denoiser = PlaneDenoiser(model, tile=tile, ensemble=True)
    assert np.allclose(denoiser.denoise(image), expected, atol=1e-5)
    assert denoiser.count_tiles((33, 46)) == 8 * (1 if tile is None else 4)


def test_ensemble_turns_the_guide_too(models: Models) -> None:
    model = opened(models, "grey-gradnet")
    image, guide = plane(model, (20, 31)), plane(model, (20, 31), 1)
    together = PlaneDenoiser(model, ensemble=True)
    turned = together.denoise(
        np.ascontiguousarray(np.rot90(image, 1, (1, 2))),
        np.ascontiguousarray(np.rot90(guide, 1, (1, 2))),
    )
    # the mean over all views knows no direction
    expected = np.rot90(together.denoise(image, guide), 1, (1, 2))
    assert np.allclose(turned, expected, atol=1e-5)

"""Progress, cancelling, and two jobs at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.inference.images import random_image

from napari_gradnet.events import Progress
from napari_gradnet.inference.denoise import denoise, iter_denoise

if TYPE_CHECKING:
    from tests.unit.inference.images import Models

    from napari_gradnet.events import Event


def test_one_event_a_tile(models: Models) -> None:
    events: list[Event] = []
    image = random_image((2, 30, 20, 3), "uint8")
    denoise(image, models["grey"], axes="TYXS", tile=16, on_event=events.append)
    total = 2 * 3 * 4  # planes, samples, tiles
    assert events == [Progress(i, total, "tile") for i in range(total + 1)]


def test_raising_in_on_event_cancels_and_keeps_what_is_done(models: Models) -> None:
    image = random_image((4, 20, 20), "uint16")
    out = np.zeros_like(image)
    whole = denoise(image, models["grey"], axes="TYX", tile=10)

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 10:  # in the third plane
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise(image, models["grey"], axes="TYX", tile=10, out=out, on_event=stop)
    assert np.array_equal(out[:2], whole[:2])
    assert not out[2:].any()
    # and the model can be used again
    again = denoise(image, models["grey"], axes="TYX", tile=10)
    assert np.array_equal(again, whole)


def test_closing_the_generator_cancels(models: Models) -> None:
    image = random_image((3, 20, 20), "uint16")
    out = np.zeros_like(image)
    work = iter_denoise(image, models["grey"], axes="TYX", out=out)
    for _ in range(3):
        next(work)
    work.close()
    assert out[0].any()
    assert not out[2].any()


def test_two_jobs_by_turns(models: Models) -> None:
    images = [random_image((2, 30, 30), "uint16", s) for s in range(2)]
    path = models["attention-guide"]
    expected = [denoise(i, path, axes="TYX", tile=16) for i in images]
    work = [iter_denoise(i, path, axes="TYX", tile=16) for i in images]
    results: dict[int, np.ndarray] = {}
    while len(results) < 2:
        for i in {0, 1} - results.keys():
            try:
                next(work[i])
            except StopIteration as stop:
                results[i] = stop.value
    assert np.array_equal(results[0], expected[0])
    assert np.array_equal(results[1], expected[1])


def test_two_threads(models: Models) -> None:
    images = [random_image((2, 30, 30), "uint16", s) for s in range(2)]
    path = models["attention-guide"]
    expected = [denoise(i, path, axes="TYX", tile=16) for i in images]
    results: dict[int, list[np.ndarray]] = {0: [], 1: []}

    def work(number: int) -> None:
        for _ in range(3):
            results[number].append(denoise(images[number], path, axes="TYX", tile=16))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        assert len(results[i]) == 3
        assert all(np.array_equal(r, expected[i]) for r in results[i])

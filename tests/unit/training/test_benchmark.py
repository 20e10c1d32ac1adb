"""The measurement of training speed measures."""

from __future__ import annotations

import pytest

from napari_gradnet.training.benchmark import benchmark_training
from napari_gradnet.training.check import check_training


def test_rows_add_up() -> None:
    (row,) = benchmark_training(
        ["mskresnet"],
        device="cpu",
        batch_size=1,
        patch_size=8,
        seconds=0.2,
        workers=0,
    )
    assert row.network == "mskresnet"
    assert row.parameters == 1_484_688
    assert row.patches_per_second > 0
    assert row.loader_patches_per_second > 0
    assert 0 < row.wait_fraction < 1
    assert row.matrix_fraction is None


def test_check_counts_the_steps(config, photos) -> None:  # type: ignore[no-untyped-def]
    report = check_training(config(), arrays={"photos": photos})
    assert (report.images, report.held_out) == (6, 2)
    assert (report.steps_per_epoch, report.total_steps) == (3, 12)
    assert report.hours == pytest.approx(12 * report.seconds_per_step / 3600)
    assert report.image_megabytes == pytest.approx(6 * 64 * 64 / 1e6)
    assert report.stages == ("main",)
    # at least the input, two layers' features and their gradients' makings
    assert report.peak_megabytes > 8 * 16 * 16 * (1 + 4 * 6) * 4 / 1e6
    twice = check_training(
        config(training={"batch_size": 16}), arrays={"photos": photos}
    )
    ratio = twice.peak_megabytes / report.peak_megabytes
    assert 1.7 < ratio < 2.1
    assert report.warnings == ()
    few = check_training(config(training={"batch_size": 40}), arrays={"photos": photos})
    assert "less than one batch of 40" in few.warnings[0]

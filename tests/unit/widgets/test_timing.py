"""Time left, where work was begun by somebody else."""

from __future__ import annotations

from napari_gradnet.widgets._timing import TimeLeft


def test_work_that_is_gone_on_with_says_nothing_at_first() -> None:
    left = TimeLeft()
    assert left.update(50, 100, now=10.0) == ""
    assert left.update(51, 100, now=12.0) == "1 min 38 s left"

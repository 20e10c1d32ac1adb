"""Which planes of two images are compared."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gradnet.errors import InputError
from napari_gradnet.pairs import spread_pair


def test_planes_of_each_channel_in_order_and_their_middles() -> None:
    image = np.zeros((5, 2, 6, 9), np.uint16)
    axes, places = spread_pair(
        {"image": image, "other": image.astype(np.float32)},
        axes="tcyx",
        num_planes=2,
        largest=4,
    )
    assert axes.axes == "TCYX"
    middle = (slice(1, 5), slice(2, 6))
    assert places == [(t, c, *middle) for t in (0, 4) for c in (0, 1)]


def test_what_cannot_be_compared_is_named() -> None:
    first, second = np.zeros((8, 8)), np.zeros((8, 9))
    with pytest.raises(
        InputError, match=r"the before has shape \(8, 8\) and the after \(8, 9\): give"
    ):
        spread_pair(
            {"before": first, "after": second}, axes=None, num_planes=1, largest=9
        )
    with pytest.raises(InputError, match="bool image"):
        spread_pair(
            {"before": first, "after": first > 0}, axes=None, num_planes=1, largest=9
        )

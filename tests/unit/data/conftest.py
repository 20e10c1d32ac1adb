"""Images to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def grey(grey_photo: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A grey photo, shape (128, 128), uint8."""
    return np.rint(grey_photo[100:228, 150:278] * 255).astype(np.uint8)

"""Which failures lose what is finished."""

from __future__ import annotations

import pytest

from napari_gradnet.batch.failures import is_final
from napari_gradnet.errors import DeviceError, FileFormatError


@pytest.mark.parametrize("error", [DeviceError("full"), MemoryError(), OSError(28, "")])
def test_what_passes_loses_nothing(error: Exception) -> None:
    assert not is_final(error)
    wrapped = RuntimeError("a unit failed")
    wrapped.__cause__ = error
    assert not is_final(wrapped)


@pytest.mark.parametrize("error", [FileFormatError("cut off"), ValueError()])
def test_what_lies_in_the_file_is_final(error: Exception) -> None:
    assert is_final(error)

"""Which failures lose what is finished."""

from __future__ import annotations

import pytest

from napari_gradnet.batch.failures import is_final
from napari_gradnet.errors import DeviceError, FileFormatError, InputError, ModelError


@pytest.mark.parametrize(
    "error",
    [
        DeviceError("full"),
        MemoryError(),
        OSError(28, ""),
        ConnectionError("lost"),
        RuntimeError("CUDA error: unspecified launch failure"),
        ModelError("not on this worker"),
    ],
)
def test_what_passes_loses_nothing(error: Exception) -> None:
    assert not is_final(error)


def test_what_led_to_an_error_decides() -> None:
    wrapped = InputError("a unit failed")
    assert is_final(wrapped)
    wrapped.__cause__ = OSError(28, "")
    assert not is_final(wrapped)


@pytest.mark.parametrize("error", [FileFormatError("cut off"), InputError("NaN")])
def test_what_lies_in_the_file_is_final(error: Exception) -> None:
    assert is_final(error)

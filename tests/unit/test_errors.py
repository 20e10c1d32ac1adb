"""The exception tree is as its module draws it."""

from __future__ import annotations

import inspect
import re

import pytest

from napari_gradnet import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_all_lists_what_is_defined() -> None:
    defined = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    ]
    assert sorted(errors.__all__) == sorted(defined)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_caught_by_the_base(error: type[Exception]) -> None:
    assert issubclass(error, errors.GradNetError)


@pytest.mark.parametrize("error", [c for c in CLASSES if c is not errors.GradNetError])
def test_the_drawing_names_class_and_parent(error: type[Exception]) -> None:
    drawn = re.search(rf"── {error.__name__}(?: \((\w+)\))?", errors.__doc__ or "")
    assert drawn is not None
    builtin = drawn.group(1)
    if builtin is None:
        assert error.__bases__ == (errors.InputError,)
    else:
        assert error.__bases__ == (
            errors.GradNetError,
            {"ValueError": ValueError, "RuntimeError": RuntimeError}.get(
                builtin, ImportError
            ),
        )

"""The register of naive denoisers."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from napari_gradnet import naive
from napari_gradnet.errors import InputError
from napari_gradnet.naive import registry


@pytest.fixture
def methods(monkeypatch):
    """A register that forgets what a test adds."""
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


def _halve(plane, sigma, *, workers=1):
    return plane / 2


def test_the_classical_methods_are_there():
    expected = ("bm3d", "nlm", "wavelet", "tv", "bilateral", "median", "gaussian")
    assert naive.list_methods()[:7] == expected
    for name in expected:
        info = naive.get_method(name)
        assert info.summary.endswith(".")
        assert callable(info.load())
    assert "non-commercial" in naive.get_method("bm3d").summary


def test_a_higher_layer_can_add_one(methods):
    naive.register_method("half", _halve, summary="Halves.")
    result = naive.denoise_plane(np.eye(40), "half", 0.1)
    np.testing.assert_array_equal(result, np.eye(40) / 2)


def test_a_method_named_by_module_is_imported_on_first_use(methods, monkeypatch):
    naive.register_method("lazy", "made_up_module:denoise")
    assert "lazy" in naive.list_methods()
    module = ModuleType("made_up_module")
    module.denoise = _halve
    monkeypatch.setitem(sys.modules, "made_up_module", module)
    assert naive.get_method("lazy").load() is _halve


def test_names_are_not_taken_twice(methods):
    with pytest.raises(InputError, match="'nlm' is already registered"):
        naive.register_method("nlm", _halve)
    naive.register_method("nlm", _halve, replace=True)
    assert naive.get_method("nlm").load() is _halve


def test_refuses_unknown_methods_and_targets(methods):
    with pytest.raises(
        InputError, match="method='bm4d' is unknown: use one of bm3d, nlm"
    ):
        naive.get_method("bm4d")
    for target in ("module", ":name", "module:"):
        with pytest.raises(InputError, match="must read 'module:name'"):
            naive.register_method("x", target)

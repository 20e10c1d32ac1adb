"""The protocol of naive denoisers and the register of methods.

A layer above may add one (``dncnn`` needs a trained network, which this layer cannot
load) with `register_method`: an object, or ``"module:name"`` to import on first use.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MethodInfo",
    "NaiveDenoiser",
    "get_method",
    "list_methods",
    "register_method",
]


class NaiveDenoiser(Protocol):
    """Denoises one plane of white Gaussian noise of known strength.

    It draws nothing at random, prints nothing, warns of nothing, and leaves `plane` as
    it is.
    """

    def __call__(
        self,
        plane: NDArray[np.floating],
        sigma: NDArray[np.float64],
        *,
        workers: int = 1,
    ) -> NDArray[np.floating]:
        """Denoise.

        Parameters
        ----------
        plane : ndarray, shape (Y, X, C)
            Finite; at least 32 pixels along Y and X; C is 1 (grey) or 3 (RGB). Any
            units, float32 or float64.
        sigma : ndarray, shape (C,)
            Noise standard deviation of each channel in the units of `plane`, above 0.
        workers : int
            Threads that may be used; the result must not depend on it.

        Returns
        -------
        ndarray, shape (Y, X, C)
            In the units of `plane`.
        """
        ...


@dataclass(frozen=True)
class MethodInfo:
    """One registered method.

    Parameters
    ----------
    name : str
        What callers ask for.
    target : NaiveDenoiser or str
        The denoiser, or where to import it from: ``"module:name"``.
    summary : str
        A sentence for lists and forms.
    parallel : bool
        Whether planes may be denoised in several threads at once.
    """

    name: str
    target: NaiveDenoiser | str
    summary: str = ""
    parallel: bool = True

    def load(self) -> NaiveDenoiser:
        """The denoiser itself, imported if need be."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        denoiser: NaiveDenoiser = getattr(importlib.import_module(module), name)
        return denoiser


_METHODS: dict[str, MethodInfo] = {}


def register_method(
    name: str,
    target: NaiveDenoiser | str,
    *,
    summary: str = "",
    parallel: bool = True,
    replace: bool = False,
) -> None:
    """Add a method to those that `naive_denoise` knows.

    Parameters
    ----------
    name, target, summary, parallel
        See `MethodInfo`.
    replace : bool
        Whether a method of this name may be replaced.

    Raises
    ------
    InputError
        The name is taken, or `target` is a string that is not ``"module:name"``.
    """
    if name in _METHODS and not replace:
        msg = f"the naive denoiser {name!r} is already registered: pass replace=True"
        raise InputError(msg)
    if isinstance(target, str) and not all(target.partition(":")):
        msg = f"target={target!r} must read 'module:name'"
        raise InputError(msg)
    _METHODS[name] = MethodInfo(name, target, summary, parallel)


def list_methods() -> tuple[str, ...]:
    """Names of the registered methods, in the order of registration."""
    return tuple(_METHODS)


def get_method(name: str) -> MethodInfo:
    """Look a method up.

    Raises
    ------
    InputError
        There is no such method; the message lists those there are.
    """
    try:
        return _METHODS[name]
    except KeyError:
        msg = f"method={name!r} is unknown: use one of {', '.join(_METHODS)}"
        raise InputError(msg) from None


for _name, _target, _summary in (
    (
        "bm3d",
        "block_matching:denoise_bm3d",
        "Block matching and 3-D filtering; strongest, slow; non-commercial use only.",
    ),
    ("nlm", "classical:denoise_nlm", "Non-local means."),
    ("wavelet", "classical:denoise_wavelet", "Wavelet shrinkage, shift-averaged."),
    ("tv", "classical:denoise_tv", "Total variation (Chambolle); flattens texture."),
    ("bilateral", "classical:denoise_bilateral", "Bilateral filter."),
    ("median", "classical:denoise_median", "Median of a small window; fast."),
    ("gaussian", "classical:denoise_gaussian", "Gaussian blur; fastest."),
):
    register_method(_name, f"napari_gradnet.naive.{_target}", summary=_summary)

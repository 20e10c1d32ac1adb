"""BM3D and the classical denoisers behind one protocol."""

from __future__ import annotations

from napari_gradnet.naive.channels import settle_channels
from napari_gradnet.naive.planes import denoise_plane
from napari_gradnet.naive.registry import (
    MethodInfo,
    NaiveDenoiser,
    get_method,
    list_methods,
    register_method,
)
from napari_gradnet.naive.stack import naive_denoise

__all__ = [
    "MethodInfo",
    "NaiveDenoiser",
    "denoise_plane",
    "get_method",
    "list_methods",
    "naive_denoise",
    "register_method",
    "settle_channels",
]

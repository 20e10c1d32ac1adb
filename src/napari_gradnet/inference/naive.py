"""All naive denoisers, with the one that needs a trained network."""

from __future__ import annotations

from napari_gradnet.naive import list_methods, naive_denoise, register_method

__all__ = ["list_naive_methods", "naive_denoise"]

if "dncnn" not in list_methods():
    register_method(
        "dncnn",
        "napari_gradnet.inference.naive_network:denoise_with_dncnn",
        summary="DnCNN, a trained network: blind to sigma.",
        parallel=False,
    )


def list_naive_methods() -> tuple[str, ...]:
    """Names that `naive_denoise` understands."""
    return list_methods()

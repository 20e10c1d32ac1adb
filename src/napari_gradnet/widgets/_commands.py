"""Commands of the menus that open no form of their own."""

from __future__ import annotations

from napari import current_viewer
from napari.utils.notifications import show_warning

__all__ = ["denoise_active_layer"]


def denoise_active_layer() -> None:
    """Denoise the active layer as the Denoise widget does at its start."""
    from napari.layers import Image

    viewer = current_viewer()
    active = None if viewer is None else viewer.layers.selection.active
    if viewer is None or not isinstance(active, Image):
        show_warning("select one image layer first: only images can be denoised")
        return
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-gradnet", "Denoise (GradNet)"
    )
    widget.layers.set_layer(active)
    widget.run()

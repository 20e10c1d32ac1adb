"""Commands of the menus that open no form of their own."""

from __future__ import annotations

from napari import current_viewer
from napari.utils.notifications import show_warning

__all__ = ["denoise_active_layer"]


def denoise_active_layer() -> None:
    """Denoise the whole active layer with what the Denoise widget says."""
    from napari.layers import Image

    from napari_gradnet.widgets._task import WHOLE

    viewer = current_viewer()
    active = None if viewer is None else viewer.layers.selection.active
    if viewer is None or not isinstance(active, Image):
        show_warning("select one image layer first: only images can be denoised")
        return
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-gradnet", "Denoise (GradNet)"
    )
    if not widget.layers.set_layer(active):
        show_warning("a preview cannot be denoised: select the layer it was made from")
        return
    widget.scope.setCurrentText(WHOLE)  # the form may be open, with another one
    widget.run()

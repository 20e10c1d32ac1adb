"""A preview that follows the form and the view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox

from napari_gradnet.widgets._parts import connect
from napari_gradnet.widgets._task import LayerWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["LiveWidget"]

#: Milliseconds without a change before a preview starts.
_DELAY = 200


class LiveWidget(LayerWidget):
    """A `LayerWidget` whose preview can follow what is changed and what is on screen.

    Parameters
    ----------
    viewer, suffix, button
        See `LayerWidget`.

    Attributes
    ----------
    live : QCheckBox
        Whether the preview follows.
    """

    def __init__(self, viewer: ViewerModel, suffix: str, button: str) -> None:
        super().__init__(viewer, suffix, button)
        self._again = False
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY)
        self._delay.timeout.connect(self._preview_live)
        self.live = QCheckBox("follow the view and every change")
        self.live.toggled.connect(self._on_change)
        self.job.ended.connect(self._on_job_ended)
        scene = getattr(self._viewer, "scene", self._viewer)  # napari 0.9 renamed it
        for emitter in (
            self._viewer.dims.events.point,
            self._viewer.dims.events.order,
            scene.camera.events.zoom,
            scene.camera.events.center,
        ):
            connect(self, emitter, self._on_change)

    def _on_layer(self, _: Any = None) -> None:
        super()._on_layer()
        self._on_change()

    def _on_data(self, _: Any = None) -> None:
        super()._on_data()
        self._on_change()

    def _can_preview(self) -> bool:
        """Whether what a preview needs is there; `_on_change` is called when it is."""
        return self.layers.layer is not None

    def _on_change(self, _: Any = None) -> None:
        """Preview again soon."""
        if self.live.isChecked():
            self._delay.start()

    def _preview_live(self) -> None:
        if not self._can_preview():
            return
        if self._task is None:
            self.preview()
        elif self._task.preview:
            self._again = True
            self.cancel()

    def _on_job_ended(self, _: Any) -> None:
        if self._again:
            self._again = False
            self._delay.start()

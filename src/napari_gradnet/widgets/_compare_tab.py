"""What the tabs of the Compare widget have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._layers import METADATA_KEY, guess_layer_axes, view_region
from napari_gradnet.widgets._parts import LayerBox, OptionalLayerBox, connect
from napari_gradnet.widgets._run_bar import RunBar
from napari_gradnet.widgets._task import sentence_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_gradnet.events import Event, Progress
    from napari_gradnet.widgets._layers import Region

__all__ = ["Chosen", "CompareTab", "ReferenceBox", "ScopeBox", "source_of"]

#: What the name of a layer without noise may hold.
_CLEAN = ("clean", "reference", "ground truth", "target")


def source_of(layer: Image | None) -> str:
    """Name of the layer from which one was made; empty where it is not known."""
    record = {} if layer is None else layer.metadata.get(METADATA_KEY, {})
    return str(record.get("source", "")) if isinstance(record, dict) else ""


class ReferenceBox(OptionalLayerBox):
    """Choice of a layer without noise, or none."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        names = [self.itemText(i).lower() for i in range(self.count())]
        clean = [i for i, name in enumerate(names) if any(k in name for k in _CLEAN)]
        self.setCurrentIndex(clean[0] if len(clean) == 1 else 0)


class Chosen(Protocol):
    """The layers that are chosen above the tabs."""

    viewer: ViewerModel
    before: LayerBox
    after: LayerBox
    reference: ReferenceBox


class ScopeBox(QComboBox):
    """How much of the layers is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.addItem("whole image, or 8 planes of a stack", "whole")
        self.addItem("what is on the screen", "view")

    def region(self, layer: Image, viewer: ViewerModel) -> Region | None:
        """The part of a layer; None for all of it."""
        if self.currentData() == "whole":
            return None
        return view_region(layer, viewer.dims, guess_layer_axes(layer))


class CompareTab(QWidget):
    """Work in a thread, with a button, progress and Cancel.

    Parameters
    ----------
    chosen : Chosen
        The layers.
    button : str
        What starts it.
    """

    def __init__(self, chosen: Chosen, button: str) -> None:
        super().__init__()
        self.chosen = chosen
        self._used: tuple[Image, ...] = ()
        self._dropped = False
        self.job = Job(self)
        self.bar = RunBar(chosen.viewer, {button: self.start}, self.job.cancel)
        self.column = QVBoxLayout(self)
        self.job.progressed.connect(self._on_event)
        self.job.ended.connect(self._on_ended)
        connect(self, chosen.viewer.layers.events.removed, self._on_removed)

    @abstractmethod
    def _make_work(self) -> tuple[Generator[Event, None, Any], tuple[Image, ...]]:
        """Prepare the work; also the layers that it needs."""

    @abstractmethod
    def _show(self, value: Any) -> str:
        """Show what came of it; returns what the bar says."""

    def start(self) -> None:
        """Begin, or say why not."""
        if self.job.running:
            show_warning("this is still at work: cancel it first")
            return
        try:
            work, self._used = self._make_work()
        except GradNetError as error:
            show_warning(str(error))
            return
        self._dropped = False
        self.bar.begin("Preparing")
        self.job.start(work)

    def _on_event(self, event: Progress) -> None:
        self.bar.show_progress(event)

    def _on_removed(self, event: Any) -> None:
        if self.job.running and event.value in self._used:
            self._dropped = True
            self.job.cancel()
        elif not self.job.running:
            self._forget(event.value)

    def _forget(self, layer: Image) -> None:
        """Let go of a layer that was removed: its pixels may fill the memory."""

    def _on_ended(self, outcome: Outcome) -> None:
        if self._dropped:
            self.bar.end("A layer was removed: nothing is left to do.")
            for layer in self._used:
                if layer not in self.chosen.viewer.layers:
                    self._forget(layer)
        elif outcome.error is not None:
            self.bar.end("Failed: see the notification.")
            show_error(sentence_of(outcome.error))
        elif outcome.cancelled:
            self.bar.end("Cancelled.")
        else:
            self._end_with(outcome.value)
        self._used = ()

    def _end_with(self, value: Any) -> None:
        try:
            message = self._show(value)
        except Exception as error:  # noqa: BLE001 - the buttons must work again
            self.bar.end("Failed: see the notification.")
            show_error(sentence_of(error))
        else:
            self.bar.end(message)

"""What the widgets that turn a layer into another one have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import QPushButton

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._form import Form
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._layers import (
    PLACE,
    full_data,
    result_keywords,
    view_region,
)
from napari_gradnet.widgets._parts import AxesChips, LayerBox, connect, unwrap
from napari_gradnet.widgets._run_bar import RunBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_gradnet.events import Progress
    from napari_gradnet.region import Region
    from napari_gradnet.widgets._work import Run

__all__ = ["LAZY", "RECTANGLE", "VIEW", "WHOLE", "LayerWidget", "sentence_of"]

WHOLE, VIEW, RECTANGLE = "whole stack", "current view", "drawn rectangle"
LAZY = "each plane when it is shown"


#: What errors advise and no form has.
_OF_SCRIPTS = (
    ", or keep them out of the way with nan='keep'",
    "; give sigma instead",
)


@dataclass
class _Task:
    """What is under way; `place` is that of the result, by the layer at the start."""

    run: Run
    layer: Image
    place: dict[str, Any]
    preview: bool
    dropped: bool = False


class LayerWidget(Form):
    """Makes a new layer from one of the viewer's, in a thread.

    Parameters
    ----------
    viewer : ViewerModel
        Where layers come from and results go.
    suffix : str
        Added to the layer's name for the result.
    button : str
        Text of the button that runs.
    """

    def __init__(self, viewer: ViewerModel, suffix: str, button: str) -> None:
        super().__init__()
        self._viewer = unwrap(viewer)
        self._suffix = suffix
        self._task: _Task | None = None
        self._kept: _Task | None = None
        self._preview: Any = None
        self._preview_looks: Any = None
        self._unwatch: Callable[[], None] | None = None
        # a preview that is worked on would be overwritten by the next one
        self.layers = LayerBox(self._viewer, previews=False)
        self.axes = AxesChips()
        self.bar = RunBar(
            self._viewer, {"Preview": self.preview, button: self.run}, self.cancel
        )
        self.keep_button = QPushButton("Keep finished planes")
        self.keep_button.setVisible(False)
        self.keep_button.clicked.connect(self.keep_finished)
        self.job = Job(self)
        self.job.progressed.connect(self._on_progress)
        self.job.ended.connect(self._on_ended)
        self.layers.currentIndexChanged.connect(self._on_layer)
        connect(self, self._viewer.layers.events.removed, self._on_removed)

    def _on_layer(self, _: Any = None) -> None:
        layer = self.layers.layer
        if self._unwatch is not None:
            self._unwatch()
        if layer is not None:
            self._unwatch = connect(self, layer.events.data, self._on_data)
        self.axes.set_layer(layer)

    def _on_data(self, _: Any = None) -> None:
        """Take over that the layer has other data."""
        if self.layers.layer is not None:
            self.axes.follow(self.layers.layer)

    # ----------------------------------------------- what each widget settles

    def _wants_whole(self) -> bool:
        """Whether the whole stack is wanted."""
        return True

    @abstractmethod
    def _make_run(self, image: Any, region: Region | None) -> Run:
        """Prepare the work."""

    def _looks(self, run: Run) -> dict[str, Any]:
        """Settle what the result has differently from its source."""
        return {}

    @abstractmethod
    def _summary(self, run: Run) -> str:
        """Say what was done."""

    # ------------------------------------------------------------------ work

    def preview(self) -> None:
        """Work on what is on the screen and show it in a layer of its own."""
        self._start(preview=True)

    def run(self) -> None:
        """Work on the whole stack or the view and add the result as a layer."""
        self._start(preview=False)

    def cancel(self) -> None:
        """End the work at the next tile or plane."""
        self.job.cancel()

    def _region(self, layer: Image, *, preview: bool) -> Region | None:
        if not preview and self._wants_whole():
            return None
        return view_region(layer, self._viewer.dims, self.axes.axes)

    def _start(self, *, preview: bool) -> None:
        layer = self.layers.layer
        if self.job.running:
            show_warning("this widget is still at work: cancel it first")
            return
        if layer is None:
            show_warning("there is no image layer: open an image first")
            return
        try:
            region = self._region(layer, preview=preview)
            run = self._make_run(full_data(layer), region)
        except GradNetError as error:
            show_error(sentence_of(error))
            return
        keywords = result_keywords(layer, "", {}, region)
        place = {k: keywords[k] for k in (*PLACE, "axis_labels") if k in keywords}
        self._task = _Task(run, layer, place, preview)
        self.bar.begin(f"Preparing {layer.name}")
        self.job.start(run.events())
        if not preview:
            self._forget_kept()

    def _on_progress(self, event: Progress) -> None:
        self.bar.show_progress(event)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._preview:
            self._preview = None
        if self._preview_looks is not None and event.value is self._preview_looks[0]:
            self._preview_looks = None
        if self._task is not None and event.value is self._task.layer:
            self._task.dropped = True
            self.job.cancel()
        if self._kept is not None and event.value is self._kept.layer:
            self._forget_kept()

    def _on_ended(self, outcome: Outcome) -> None:
        task, self._task = self._task, None
        if task is None:
            self.bar.end("")
        elif task.dropped:
            self.bar.end("The layer was removed: nothing is left to do.")
        elif outcome.error is not None:
            self.bar.end("Failed: see the notification.")
            self._offer_finished(task)
            show_error(sentence_of(outcome.error))
        elif outcome.cancelled:
            self.bar.end("Cancelled.")
            self._offer_finished(task)
        else:
            self.bar.end(self._summary(task.run))
            if task.preview:
                self._show_preview(task)
            else:
                self._add_result(task, f"{task.layer.name} {self._suffix}")

    # --------------------------------------------------------------- results

    def _add_layer(self, run: Run, keywords: dict[str, Any]) -> Image:
        """Add the result of a run to the viewer."""
        layer: Image = self._viewer.add_image(run.result, **keywords)
        return layer

    def _keywords(self, task: _Task, name: str) -> dict[str, Any]:
        record = {"source": task.layer.name, **task.run.record}
        if task.preview:
            record["preview"] = True
        keywords = result_keywords(task.layer, name, record)
        # by now the layer may have data of another shape
        return keywords | task.place | self._looks(task.run)

    def _add_result(self, task: _Task, name: str) -> Image:
        layer = self._add_layer(task.run, self._keywords(task, name))
        if self._preview is not None and not task.preview:
            self._viewer.layers.remove(self._preview)
        # napari selects what was added; the source stays this widget's choice
        self.layers.set_layer(task.layer)
        return layer

    def _show_preview(self, task: _Task) -> None:
        name = f"{task.layer.name} preview"
        looks = (task.layer, self._looks(task.run))
        before = self._preview_looks or (None, None)
        keywords = self._keywords(task, name)
        if self._preview is not None and _fits(self._preview, task.run, keywords):
            # its place in the list, and what a person made of its looks, stay
            if before[0] is not task.layer:
                self._preview.name = name
            self._update_preview(task, keywords, changed=looks != before)
        else:
            if self._preview is not None:
                self._viewer.layers.remove(self._preview)
            self._preview = self._add_result(task, name)
        self._preview_looks = looks

    def _update_preview(
        self, task: _Task, keywords: dict[str, Any], *, changed: bool
    ) -> None:
        layer = self._preview
        layer.data = task.run.result
        names = ["metadata", *PLACE]
        if changed and isinstance(layer, Image):  # masks have colours of their own
            names += [k for k in ("colormap", "contrast_limits") if k in keywords]
        for name in names:
            setattr(layer, name, keywords[name])

    def _offer_finished(self, task: _Task) -> None:
        done = task.run.num_finished
        if done and not task.preview:
            self._kept = task
            total = task.run.axes.num_planes
            self.keep_button.setText(f"Keep {done} of {total} planes that are finished")
            self.keep_button.setVisible(True)

    def keep_finished(self) -> None:
        """Add what was finished before the end as a layer; the rest of it is zero."""
        task = self._kept
        self._forget_kept()
        if task is not None:
            task.run.record["planes_finished"] = task.run.num_finished
            self._add_result(task, f"{task.layer.name} {self._suffix} in part")

    def _forget_kept(self) -> None:
        self._kept = None
        self.keep_button.setVisible(False)


def _fits(layer: Image, run: Run, keywords: dict[str, Any]) -> bool:
    """Whether a layer can take what was made instead of another one."""
    result = run.result
    same = layer.data.ndim == result.ndim and layer.dtype == result.dtype
    # a grey stack and a colour image have as many dimensions
    return bool(same and getattr(layer, "rgb", False) == keywords.get("rgb", False))


def sentence_of(error: Exception) -> str:
    """Say an error; those of this package say what to do themselves."""
    if isinstance(error, GradNetError):
        text = str(error)
        for remedy in _OF_SCRIPTS:
            text = text.replace(remedy, "")
        return text
    return f"the work failed: {type(error).__name__}: {error}"

"""The Denoise widget: a trained network on a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._advanced import AdvancedOptions
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._layers import (
    Region,
    full_data,
    guess_layer_axes,
    result_keywords,
    view_region,
)
from napari_gradnet.widgets._models import DeviceBox, ModelPicker
from napari_gradnet.widgets._options import (
    DenoiseOptions,
    command_line,
    file_script,
    layer_script,
)
from napari_gradnet.widgets._parts import AxesChips, LayerBox, RunBar, connect, unwrap
from napari_gradnet.widgets._timing import in_words
from napari_gradnet.widgets._work import DenoiseRun, take_inventory

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_gradnet.events import Progress

__all__ = ["DenoiseWidget"]

WHOLE, VIEW = "whole stack", "current view"


@dataclass
class _Task:
    """What is under way."""

    run: DenoiseRun
    layer: Image
    preview: bool
    dropped: bool = False


class DenoiseWidget(QWidget):
    """Denoise a layer with a trained network, in a thread.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where layers come from and results go.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = unwrap(napari_viewer)
        self._task: _Task | None = None
        self._kept: _Task | None = None
        self._last: DenoiseRun | None = None
        self._preview: Image | None = None
        self._build()
        self.job = Job(self)
        self.job.progressed.connect(self._on_progress)
        self.job.ended.connect(self._on_ended)
        self.scout = Job(self)
        self.scout.ended.connect(self._on_inventory)
        connect(self, self._viewer.layers.events.removed, self._on_removed)
        self._on_layer()
        self.scout.start(take_inventory())

    # ------------------------------------------------------------------ form

    def _build(self) -> None:
        self.layers = LayerBox(self._viewer)
        self.layers.currentIndexChanged.connect(self._on_layer)
        self.models = ModelPicker()
        self.axes = AxesChips()
        self.scope = QComboBox()
        self.scope.addItems([WHOLE, VIEW])
        self.scope.setToolTip("What Denoise works on; Preview always takes the view")
        self.devices = DeviceBox()
        self.advanced = AdvancedOptions()
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Layer", self.layers)
        form.addRow("Axes", self.axes)
        form.addRow("Model", self.models)
        form.addRow("", self.models.card)
        form.addRow("Denoise", self.scope)
        form.addRow("Device", self.devices)
        self.bar = RunBar(
            self._viewer, {"Preview": self.preview, "Denoise": self.run}, self.cancel
        )
        self.keep_button = QPushButton("Keep finished planes")
        self.keep_button.setVisible(False)
        self.keep_button.clicked.connect(self.keep_finished)
        python = QPushButton("Copy as Python")
        python.clicked.connect(self.copy_python)
        shell = QPushButton("Copy as command")
        shell.setToolTip("The line for a terminal, for layers that come from a file")
        shell.clicked.connect(self.copy_command)
        copies = QHBoxLayout()
        copies.addWidget(python)
        copies.addWidget(shell)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.advanced)
        column.addWidget(self.bar)
        column.addWidget(self.keep_button)
        column.addLayout(copies)
        column.addStretch()

    def _on_layer(self, _: Any = None) -> None:
        layer = self.layers.layer
        self.axes.set_layer(layer)
        # napari shows colours of other dtypes on other scales
        self.advanced.set_rgb(layer is not None and layer.rgb)

    def _on_inventory(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            show_error(f"models and devices cannot be listed: {outcome.error}")
        elif outcome.value is not None:
            self.models.set_inventory(outcome.value)
            self.devices.set_inventory(outcome.value)

    def options(self) -> DenoiseOptions:
        """What the form says."""
        return DenoiseOptions(
            model=self.models.model,
            axes=self.axes.axes or None,
            device=self.devices.device,
            **self.advanced.values(),
        )

    # ------------------------------------------------------------------ work

    def preview(self) -> None:
        """Denoise what is on the screen and show it in a layer of its own."""
        self._start(preview=True)

    def run(self) -> None:
        """Denoise the whole stack or the view into a new layer."""
        self._start(preview=False)

    def cancel(self) -> None:
        """End the work within one tile."""
        self.job.cancel()

    def _region(self, layer: Image, *, preview: bool) -> Region | None:
        if not preview and self.scope.currentText() == WHOLE:
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
        self._forget_kept()
        try:
            region = self._region(layer, preview=preview)
            run = DenoiseRun(full_data(layer), self.options(), region)
        except GradNetError as error:
            show_error(str(error))
            return
        self._task = _Task(run, layer, preview)
        self.bar.begin(f"Loading the model for {layer.name}")
        self.job.start(run.events())

    def _on_progress(self, event: Progress) -> None:
        self.bar.show_progress(event)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._preview:
            self._preview = None
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
            show_error(_sentence(outcome.error))
        elif outcome.cancelled:
            self.bar.end("Cancelled.")
            self._offer_finished(task)
        else:
            self._last = task.run
            seconds = in_words(task.run.record["seconds"])
            used = f"{task.run.record['model']} on {task.run.record['device']}"
            self.bar.end(f"Done in {seconds} with {used}.")
            if task.preview:
                self._show_preview(task)
            else:
                self._add_result(task, f"{task.layer.name} denoised")

    # --------------------------------------------------------------- results

    def _add_result(self, task: _Task, name: str) -> Image:
        record = {"source": task.layer.name, **task.run.record}
        keywords = result_keywords(task.layer, name, record, task.run.region)
        layer: Image = self._viewer.add_image(task.run.result, **keywords)
        if self._preview is not None and not task.preview:
            self._viewer.layers.remove(self._preview)
        # napari selects what was added; the source stays this widget's choice
        self.layers.set_layer(task.layer)
        return layer

    def _show_preview(self, task: _Task) -> None:
        if self._preview is not None:
            self._viewer.layers.remove(self._preview)
        self._preview = self._add_result(task, f"{task.layer.name} preview")

    def _offer_finished(self, task: _Task) -> None:
        done = task.run.num_finished
        if done and not task.preview:
            self._kept = task
            total = task.run.axes.num_planes
            self.keep_button.setText(f"Keep {done} of {total} planes that are finished")
            self.keep_button.setVisible(True)

    def keep_finished(self) -> None:
        """Add what was finished before the end as a layer; the rest of it is zero."""
        if self._kept is not None:
            task = self._kept
            task.run.record = task.run.record or {
                "operation": "denoise",
                "options": task.run.options.changed(),
            }
            task.run.record["planes_finished"] = task.run.num_finished
            self._add_result(task, f"{task.layer.name} denoised in part")
        self._forget_kept()

    def _forget_kept(self) -> None:
        self._kept = None
        self.keep_button.setVisible(False)

    # --------------------------------------------------------------- scripts

    def python_script(self) -> str:
        """Script that does what Denoise does.

        Raises
        ------
        GradNetError
            There is no layer, or black and white of the whole image are not known yet.
        """
        layer = self._require_layer()
        options = self.options()
        region = self._region(layer, preview=False)
        multiscale = bool(layer.multiscale)
        if region is None:
            path = layer.source.path
            if path and not multiscale:
                return file_script(self._for_file(options, layer), str(path))
            return layer_script(options, layer.name, multiscale=multiscale)
        last = self._last
        if last is None or last.region != region or last.image is not full_data(layer):
            msg = (
                "preview or denoise this view first: the script then holds black and "
                "white of the whole image and the margin that the network needs"
            )
            raise GradNetError(msg)
        return layer_script(
            last.options,
            layer.name,
            multiscale=multiscale,
            region=last.region,
            read=last.read,
        )

    def command(self) -> str:
        """Shell command that does what Denoise does.

        Raises
        ------
        GradNetError
            The layer comes from no file, or only a part of it is wanted.
        """
        layer = self._require_layer()
        path = layer.source.path
        if not path or self.scope.currentText() != WHOLE:
            msg = (
                "the command line works on whole files: use Copy as Python, or save "
                "the layer and open the file"
            )
            raise GradNetError(msg)
        return command_line(self._for_file(self.options(), layer), str(path))

    def _require_layer(self) -> Image:
        if self.layers.layer is None:
            msg = "there is no image layer: open an image first"
            raise GradNetError(msg)
        return self.layers.layer

    def _for_file(self, options: DenoiseOptions, layer: Image) -> DenoiseOptions:
        """Leave the axes to the file, unless they were corrected."""
        values = {**options.changed()}
        if options.axes == guess_layer_axes(layer):
            values.pop("axes", None)
        return DenoiseOptions(**values)

    def copy_python(self) -> None:
        """Put the Python script on the clipboard."""
        self._copy("Python script", self.python_script)

    def copy_command(self) -> None:
        """Put the shell command on the clipboard."""
        self._copy("command", self.command)

    def _copy(self, what: str, write: Any) -> None:
        try:
            text = write()
        except GradNetError as error:
            show_warning(str(error))
            return
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
            show_info(f"{what} copied to the clipboard")


def _sentence(error: Exception) -> str:
    """Say an error; those of this package say what to do themselves."""
    if isinstance(error, GradNetError):
        return str(error)
    return f"denoising failed: {type(error).__name__}: {error}"

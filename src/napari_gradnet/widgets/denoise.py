"""The Denoise widget: a trained network on a layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QVBoxLayout

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._advanced import AdvancedOptions
from napari_gradnet.widgets._copies import copy_text, script_buttons
from napari_gradnet.widgets._devices import DeviceBox
from napari_gradnet.widgets._fields import form_layout
from napari_gradnet.widgets._layers import file_axes, full_data
from napari_gradnet.widgets._lazy import LazyRun, PlaneServer
from napari_gradnet.widgets._memory import remember_fields
from napari_gradnet.widgets._models import ModelPicker, Scout
from napari_gradnet.widgets._options import (
    DenoiseOptions,
    command_line,
    file_script,
    layer_script,
)
from napari_gradnet.widgets._rectangle import (
    ask_rectangle,
    find_rectangles,
    rectangle_region,
)
from napari_gradnet.widgets._task import LAZY, RECTANGLE, VIEW, WHOLE, LayerWidget
from napari_gradnet.widgets._timing import in_words
from napari_gradnet.widgets._work import DenoiseRun

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_gradnet.widgets._layers import Region
    from napari_gradnet.widgets._work import Run

__all__ = ["DenoiseWidget"]


def _is_read(path: str | Path) -> bool:
    """Whether gradnet takes files of such a name; other plugins open more."""
    from napari_gradnet.io import OUTPUT_SUFFIXES

    return Path(path).suffix.lower() in OUTPUT_SUFFIXES


def _is_whole_file(layer: Image, *, as_it_is: bool) -> bool:
    """Whether a layer is its file: of several that were stacked napari tells the first.

    Its data may have been replaced, too: the first plane is compared. `as_it_is` says
    that the axes are left to the file: dimensions of length 1, which some readers leave
    out, do not matter then.
    """
    from napari_gradnet.io import open_image

    path = layer.source.path
    if not path or not _is_read(path):
        return False
    try:
        with open_image(str(path)) as source:
            there = source.axes.shape
            plane = source.read_plane(0)
            index = next(iter(source.axes.iter_planes()))
    except (GradNetError, OSError):
        return False
    data = full_data(layer)
    shape = tuple(data.shape)
    long, shown = (tuple(n for n in s if n > 1) for s in (there, shape))
    if (shown != long) if as_it_is else (shape != there):
        return False
    cuts = iter(i for i, n in zip(index, there, strict=True) if n > 1)
    first = np.asarray(data[tuple(next(cuts) if n > 1 else 0 for n in shape)])
    return first.dtype == plane.dtype and np.array_equal(
        first.squeeze(), plane.squeeze()
    )


class DenoiseWidget(LayerWidget):
    """Denoise a layer with a trained network, in a thread.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where layers come from and results go.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "denoised", "Denoise")
        self._build()
        self._on_layer()
        self.scout = Scout(self, self.models.set_inventory, self.devices.set_inventory)

    # ------------------------------------------------------------------ form

    def _build(self) -> None:
        self.models = ModelPicker("denoise")
        self.scope = QComboBox()
        self.scope.addItems([WHOLE, VIEW, RECTANGLE, LAZY])
        self.scope.setToolTip(
            "What Denoise works on: everything, the plane on screen as far as it is "
            "visible, a rectangle in all planes, or each plane not before it is on "
            "screen; Preview always takes the view"
        )
        self.devices = DeviceBox()
        self.advanced = AdvancedOptions(self._viewer)
        form = form_layout()
        form.addRow("Layer", self.layers)
        form.addRow("Axes", self.axes)
        form.addRow("Model", self.models)
        form.addRow("", self.models.card)
        form.addRow("Denoise", self.scope)
        form.addRow("Device", self.devices)
        copies = script_buttons(
            self.copy_python,
            self.copy_command,
            "The line for a terminal, for layers that come from a file",
        )
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.advanced)
        column.addWidget(self.bar)
        column.addWidget(self.keep_button)
        column.addLayout(copies)
        column.addStretch()
        remember_fields(
            "denoise",
            ensemble=self.advanced.ensemble,
            stabilise=self.advanced.vst,
        )
        self.scope.activated.connect(self._on_scope)
        self.models.changed.connect(self._on_model)

    def _on_layer(self, _: Any = None) -> None:
        layer = self.layers.layer
        super()._on_layer()
        # napari shows colours of other dtypes on other scales
        self.advanced.set_rgb(layer is not None and layer.rgb)

    def _on_scope(self, _: int) -> None:
        layer = self.layers.layer
        if self.scope.currentText() == RECTANGLE and layer is not None:
            ask_rectangle(self._viewer, layer)

    def _on_model(self) -> None:
        if self.advanced.guide is not None:
            self.advanced.guide.setEnabled(self.models.takes_guide)

    def options(self) -> DenoiseOptions:
        """What the form says."""
        return DenoiseOptions(
            model=self.models.model,
            axes=self.axes.axes or None,
            device=self.devices.device,
            **self.advanced.values(),
        )

    def _wants_whole(self) -> bool:
        return self.scope.currentText() in (WHOLE, LAZY)

    def _region(self, layer: Image, *, preview: bool) -> Region | None:
        if preview or self.scope.currentText() != RECTANGLE:
            return super()._region(layer, preview=preview)
        rectangles = find_rectangles(self._viewer)
        if rectangles is None or not len(rectangles.data):
            rectangles = ask_rectangle(self._viewer, layer)
        return rectangle_region(layer, rectangles)

    def _guide(self) -> Image | None:
        """Layer that guides, if one was chosen and the model has a use for it."""
        box = self.advanced.guide
        return box.layer if box is not None and box.isEnabled() else None

    def _check_lazy(self) -> None:
        if self._guide() is not None or self.options().guide is not None:
            msg = "planes that are denoised when shown take the model's own guide"
            raise GradNetError(msg)

    def _make_run(self, image: Any, region: Region | None) -> Run:
        guide = self._guide()
        if region is None and self.scope.currentText() == LAZY:
            self._check_lazy()
            return LazyRun(image, self.options())
        run = DenoiseRun(
            image, self.options(), region, None if guide is None else full_data(guide)
        )
        if guide is not None:
            run.record["guide"] = guide.name
        return run

    def _add_result(self, task: Any, name: str) -> Image:
        layer = super()._add_result(task, name)
        if isinstance(task.run, LazyRun):
            PlaneServer(self._viewer, layer)
        return layer

    def _looks(self, run: Run) -> dict[str, Any]:
        return {"visible": False} if isinstance(run, LazyRun) else {}

    def _summary(self, run: Run) -> str:
        record = run.record
        if isinstance(run, LazyRun):
            return f"Planes are denoised with {record['model']} as they are shown."
        used = f"{record['model']} on {record['device']}"
        return f"Done in {in_words(record['seconds'])} with {used}."

    # --------------------------------------------------------------- scripts

    def python_script(self) -> str:
        """Script that does what Denoise does.

        Raises
        ------
        GradNetError
            There is no layer, or no rectangle though one is wanted; or a guide for
            planes that are denoised when shown.
        """
        layer = self._require_layer()
        options = self.options()
        region = self._region(layer, preview=False)
        guide = self._guide()
        path = layer.source.path
        lazy = self.scope.currentText() == LAZY
        if lazy:
            self._check_lazy()
        from_file = (
            not lazy and region is None and guide is None and options.guide is None
        )
        if from_file and not layer.multiscale:
            of_file = self._for_file(options, layer)
            if _is_whole_file(layer, as_it_is=of_file.axes is None):
                return file_script(of_file, str(Path(path).absolute()))
        return layer_script(
            options,
            layer.name,
            multiscale=bool(layer.multiscale),
            region=region,
            guide=None if guide is None else (guide.name, bool(guide.multiscale)),
            lazy=lazy,
        )

    def command(self) -> str:
        """Shell command that does what Denoise does.

        Raises
        ------
        GradNetError
            The layer comes from no file, or only a part of it or a guide is wanted.
        """
        layer = self._require_layer()
        options = self.options()
        path = layer.source.path
        if not path or not _is_read(path) or self.scope.currentText() != WHOLE:
            msg = (
                "the command line works on whole files of TIFF, PNG and JPEG: use "
                "Copy as Python, or save the layer and open the file"
            )
            raise GradNetError(msg)
        if options.guide is not None or self._guide() is not None:
            msg = "the command line takes no guide: use Copy as Python"
            raise GradNetError(msg)
        of_file = self._for_file(options, layer)
        if not _is_whole_file(layer, as_it_is=of_file.axes is None):
            msg = (
                f"{layer.name} has other pixels than {Path(path).name}, such as a "
                "stack of several files: use Copy as Python, or save the layer and "
                "open the file"
            )
            raise GradNetError(msg)
        return command_line(of_file, str(Path(path).absolute()))

    def _require_layer(self) -> Image:
        if self.layers.layer is None:
            msg = "there is no image layer: open an image first"
            raise GradNetError(msg)
        return self.layers.layer

    def _for_file(self, options: DenoiseOptions, layer: Image) -> DenoiseOptions:
        """Leave the axes to the file where they are the same."""
        values = {**options.changed()}
        if options.axes == file_axes(layer):
            values.pop("axes", None)
        return DenoiseOptions(**values)

    def copy_python(self) -> None:
        """Put the Python script on the clipboard."""
        copy_text("Python script", self.python_script)

    def copy_command(self) -> None:
        """Put the shell command on the clipboard."""
        copy_text("command", self.command)

"""The removed noise: a layer, two plots and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout

from napari_gradnet.axes import ImageAxes
from napari_gradnet.widgets._compare_plots import AutocorrelationPlot, HistogramPlot
from napari_gradnet.widgets._compare_tab import Chosen, CompareTab, ScopeBox
from napari_gradnet.widgets._compare_view import check_alike
from napari_gradnet.widgets._compare_work import iter_residual, removed_noise
from napari_gradnet.widgets._fields import form_layout
from napari_gradnet.widgets._layers import (
    full_data,
    guess_layer_axes,
    result_keywords,
)
from napari_gradnet.widgets._lazy import PlaneServer
from napari_gradnet.widgets._lazy_planes import LazyPlanes
from napari_gradnet.widgets._parts import note

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Image

    from napari_gradnet.api import ResidualReport
    from napari_gradnet.events import Event

__all__ = ["NoiseTab"]


class NoiseTab(CompareTab):
    """Shows what was removed and judges it.

    Parameters
    ----------
    chosen : Chosen
        The layers; removed is what the first has more than the second.
    """

    def __init__(self, chosen: Chosen) -> None:
        super().__init__(chosen, "Show removed noise")
        self.report: ResidualReport | None = None
        self.layer: Image | None = None
        self._pair: tuple[Image, ...] = ()
        self.scope = ScopeBox()
        self.told = note()
        self.histogram = HistogramPlot()
        self.autocorrelation = AutocorrelationPlot()
        form = form_layout()
        form.addRow("Judge", self.scope)
        plots = QHBoxLayout()
        plots.addWidget(self.histogram)
        plots.addWidget(self.autocorrelation)
        self.column.addLayout(form)
        self.column.addWidget(self.bar)
        self.column.addWidget(self.told)
        self.column.addLayout(plots)
        self.column.addStretch(1)

    def _make_work(self) -> tuple[Generator[Event, None, Any], tuple[Image, ...]]:
        before, after = check_alike(
            self.chosen.before.layer, self.chosen.after.layer, "the denoised layer"
        )
        self._pair = (before, after)
        region = self.scope.region(before, self.chosen.viewer)
        axes = guess_layer_axes(before)
        work = iter_residual(full_data(before), full_data(after), axes, region)
        return work, self._pair

    def _show(self, value: ResidualReport) -> str:
        self.report = value
        self.told.setText(value.sentence)
        self.histogram.set_report(value)
        self.autocorrelation.set_report(value)
        self._show_layer(value)
        return f"{value.num_pixels:,} values were looked at."

    def _forget(self, layer: Image) -> None:
        if layer is self.layer:
            self.layer = None
        if layer in self._pair:
            self._pair = ()

    def _show_layer(self, report: ResidualReport) -> None:
        before, after = self._pair
        viewer = self.chosen.viewer
        if self.layer is not None and self.layer in viewer.layers:
            viewer.layers.remove(self.layer)
        record = {"operation": "removed noise", "source": before.name}
        record["denoised"] = after.name
        keywords = result_keywords(before, f"{before.name} removed noise", record)
        reach = 4 * report.sigma or 1.0
        keywords |= {
            "rgb": False,
            "colormap": "gray",
            "contrast_limits": (report.mean - reach, report.mean + reach),
            "gamma": 1.0,
            "visible": False,  # napari would first read what is not on the screen
        }
        levels = [
            removed_noise(first, second, rgb=before.rgb)
            for first, second in _common_levels(before, after)
        ]
        if len(levels) > 1:
            self.layer = viewer.add_image(levels, multiscale=True, **keywords)
        elif any(isinstance(x.data, LazyPlanes) for x in self._pair):
            # the viewer would wait for planes that are denoised when shown
            axes = ImageAxes(guess_layer_axes(before).replace("S", ""), levels[0].shape)
            planes = LazyPlanes(levels[0], axes)
            self.layer = viewer.add_image(planes, multiscale=False, **keywords)
            PlaneServer(viewer, self.layer)
        else:
            self.layer = viewer.add_image(levels[0], multiscale=False, **keywords)
        if not isinstance(self.layer.data, LazyPlanes):
            self.layer.visible = True
        self.chosen.before.set_layer(before)
        self.chosen.after.set_layer(after)


def _common_levels(first: Image, second: Image) -> list[tuple[Any, Any]]:
    """Data of two layers, at all resolutions where these are the same."""
    if first.multiscale and second.multiscale:
        shapes = [[tuple(level.shape) for level in x.data] for x in (first, second)]
        if shapes[0] == shapes[1]:
            return list(zip(first.data, second.data, strict=True))
    return [(full_data(first), full_data(second))]

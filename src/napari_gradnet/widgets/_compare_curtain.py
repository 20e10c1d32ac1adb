"""A curtain between two layers that can be dragged in the canvas. No Qt here.

napari cannot clip a 2-D image layer. The right layer is therefore hidden while the
curtain is up, and a layer of its columns beyond the curtain is shown in its place: a
view of the same array, never a copy, in the right layer's own colours. Only napari's
public interface is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.widgets._compare_view import (
    Scene,
    camera_of,
    check_alike,
    grid_of,
    rows_and_columns_shown,
)
from napari_gradnet.widgets._layers import full_data, result_keywords, unit_factors
from napari_gradnet.widgets._lazy_planes import LazyPlanes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

__all__ = ["Curtain", "cheap_array"]

#: Pixels of the screen from the line within which it can be taken.
_REACH = 8
#: Width of the line, pixels of the screen.
_LINE = 3
_COLOUR = "yellow"


class Curtain:
    """The left layer to the left of a line that can be dragged, the right one beyond.

    Parameters
    ----------
    viewer : ViewerModel
        Its other image layers are hidden meanwhile.
    left, right : Image
        Of one shape.
    same_contrast : bool
        Whether the right one takes the left one's contrast.
    on_moved : callable
        Called with the position, 0..1, when the line was dragged.
    on_lost : callable
        Called when the right layer has data of another shape: there is nothing to
        compare then.

    Raises
    ------
    InputError
        The layers do not fit, or rows and columns are not what is displayed.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        left: Image | None,
        right: Image | None,
        *,
        same_contrast: bool,
        on_moved: Callable[[float], None],
        on_lost: Callable[[], None],
    ) -> None:
        left, right = check_alike(left, right, "the denoised layer")
        if not rows_and_columns_shown(viewer):
            msg = (
                "the curtain needs rows and columns on the screen: switch to 2-D and "
                "put the dimensions in order"
            )
            raise InputError(msg)
        self.layers = (left, right)
        self._viewer = viewer
        self._on_moved = on_moved
        self._on_lost = on_lost
        self._fraction = 0.5
        active = viewer.layers.selection.active
        self._had_grid, grid_of(viewer).enabled = grid_of(viewer).enabled, False
        self._levels: list[Any] | None = None
        self._data: Any
        self._take_data()  # may fail: before layers are hidden
        self._scene = Scene(viewer, (left, right))
        self._width = int(self._data.shape[right.ndim - 1])
        # at any column it is on the straight line between these
        self._origin, self._step = self._translations()
        self.cut = self._add_cut()
        self.line = self._add_line()
        self._scene.link([left, right, self.cut], same_contrast=same_contrast)
        self._scene.hide_second()
        viewer.layers.selection.active = active
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_hover)
        camera_of(viewer).events.zoom.connect(self._on_zoom)
        right.events.data.connect(self._on_data)
        self.fraction = 0.5

    # ---------------------------------------------------------------- layers

    def _take_data(self) -> None:
        right = self.layers[1]
        if right.multiscale:
            self._levels = [cheap_array(x) for x in right.data]
        data = full_data(right)
        self._data = data if isinstance(data, LazyPlanes) else cheap_array(data)

    def _on_data(self, _: Any = None) -> None:
        """Show the new pixels of the right layer, such as those of a live preview."""
        left, right = self.layers
        if full_data(left).shape != full_data(right).shape:
            self._on_lost()
        else:
            self._take_data()
            self.fraction = self._fraction

    def _translations(self) -> tuple[Any, Any]:
        right = self.layers[1]
        shape = self._data.shape
        places = []
        for column in (0, 1):
            region = [slice(0, n) for n in shape]
            region[right.ndim - 1] = slice(column, shape[right.ndim - 1])
            keywords = result_keywords(right, "", {}, tuple(region))
            places.append(np.asarray(keywords["translate"], dtype=float))
        return places[0], places[1] - places[0]

    def _add_cut(self) -> Image:
        right = self.layers[1]
        keywords = result_keywords(right, f"{right.name} (curtain)", {})
        keywords["blending"] = "opaque"
        keywords["multiscale"] = bool(right.multiscale)
        if not right.rgb:
            keywords["contrast_limits"] = right.contrast_limits
        cut: Image = self._viewer.add_image(self._beyond(self._width // 2), **keywords)
        return cut

    def _beyond(self, column: int) -> Any:
        """Columns from one on, of every level."""
        axis = self.layers[1].ndim - 1
        if isinstance(self._data, LazyPlanes):  # those not there yet stay unread
            return self._data.beyond(axis, column)
        if self._levels is None:
            return self._data[_from(axis, column)]
        return [
            level[
                _from(
                    axis,
                    min(
                        column * level.shape[axis] // self._width, level.shape[axis] - 1
                    ),
                )
            ]
            for level in self._levels
        ]

    def _add_line(self) -> Layer:
        right = self.layers[1]
        ends = np.zeros((2, right.ndim))
        ends[:, -1] = -0.5
        ends[0, -2], ends[1, -2] = -0.5, self._data.shape[right.ndim - 2] - 0.5
        world = np.array([right.data_to_world(end) for end in ends])[:, -2:]
        line: Layer = self._viewer.add_vectors(
            np.array([[world[0], world[1] - world[0]]]),
            name="curtain",
            edge_color=_COLOUR,
            edge_width=self._line_width(),
            vector_style="line",
            units=right.units[-2:],
        )
        return line

    def _line_width(self) -> float:
        pixel = 1 / max(float(camera_of(self._viewer).zoom), 1e-9)
        return _LINE * pixel * float(self._factors()[-1])

    def _factors(self) -> Any:
        """From the units of the viewer to those of the right layer."""
        units = getattr(self._viewer.dims, "units", None)
        return unit_factors(units, self.layers[1].units)

    def _on_zoom(self, _: Any = None) -> None:
        self.line.edge_width = self._line_width()

    @property
    def involved(self) -> tuple[Layer, ...]:
        """Layers without which there is no curtain."""
        return (*self.layers, self.cut, self.line)

    # -------------------------------------------------------------- position

    @property
    def fraction(self) -> float:
        """Where the line is: 0 at the left edge, 1 at the right."""
        return self._fraction

    @fraction.setter
    def fraction(self, value: float) -> None:
        self._fraction = min(max(float(value), 0.0), 1.0)
        column = round(self._fraction * self._width)
        # an image has at least one column
        start = min(column, self._width - 1)
        if self._levels is not None:  # where the coarsest level has a pixel's edge
            coarse = max(
                1, round(self._width / self._levels[-1].shape[self.cut.ndim - 1])
            )
            start = min(start // coarse * coarse, (self._width - 1) // coarse * coarse)
        data = self._beyond(start)
        if isinstance(data, LazyPlanes):
            data.server = self.cut.data.server
        self.cut.data = data
        self.cut.translate = self._origin + start * self._step
        self.cut.visible = column < self._width
        right = self.layers[1]
        places = np.zeros((2, right.ndim))
        places[1, -1] = column
        first, here = (np.asarray(right.data_to_world(p))[-2:] for p in places)
        self.line.translate = here - first

    def _column_at(self, position: Any) -> float:
        """Column of the right layer under a place in the world, from its edge."""
        right = self.layers[1]
        place = np.asarray(position, dtype=float)[-right.ndim :]
        return float(right.world_to_data(place * self._factors())[-1]) + 0.5

    def _is_near(self, position: Any) -> bool:
        right = self.layers[1]
        off = abs(self._column_at(position) - self._fraction * self._width)
        column = np.zeros((2, right.ndim))
        column[1, -1] = 1
        first, second = (np.asarray(right.data_to_world(p)) for p in column)
        pixel = float(np.linalg.norm((second - first) / self._factors()))
        return off * pixel * float(camera_of(self._viewer).zoom) <= _REACH

    def _on_hover(self, viewer: Any, event: Any) -> None:
        near = self._is_near(event.position)
        if near != (viewer.cursor.style == "pointing"):
            viewer.cursor.style = "pointing" if near else "standard"

    def _on_drag(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self._is_near(event.position):
            return
        camera = camera_of(self._viewer)
        could_pan, camera.mouse_pan = camera.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                self.fraction = self._column_at(event.position) / self._width
                self._on_moved(self._fraction)
                yield
        finally:
            camera.mouse_pan = could_pan

    # ------------------------------------------------------------------- end

    def stop(self) -> None:
        """Put the viewer back as it was."""
        viewer = self._viewer
        for callbacks, own in (
            (viewer.mouse_drag_callbacks, self._on_drag),
            (viewer.mouse_move_callbacks, self._on_hover),
        ):
            if own in callbacks:
                callbacks.remove(own)
        camera_of(viewer).events.zoom.disconnect(self._on_zoom)
        self.layers[1].events.data.disconnect(self._on_data)
        viewer.cursor.style = "standard"
        self._scene.put_back()
        for layer in (self.line, self.cut):
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        grid_of(viewer).enabled = self._had_grid


def _from(axis: int, start: int) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, slice(start, None))


def cheap_array(data: Any) -> Any:
    """Make an array that can be cut without being read."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data
    import dask.array as da

    chunks = getattr(data, "chunks", None) or "auto"  # none of h5py's plain datasets
    return da.from_array(data, chunks=chunks, name=False)  # type: ignore[no-untyped-call]

"""Two layers in one canvas, alike and alone; side by side. No Qt here."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from napari.experimental import layers_linked
from napari.layers import Image, Layer

from napari_gradnet.errors import InputError
from napari_gradnet.widgets._layers import full_data

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = [
    "Scene",
    "SideBySide",
    "camera_of",
    "check_alike",
    "grid_of",
    "rows_and_columns_shown",
]


def camera_of(viewer: ViewerModel) -> Any:
    """The camera; napari 0.9 moved it."""
    return getattr(viewer, "scene", viewer).camera


def grid_of(viewer: ViewerModel) -> Any:
    """The grid; napari 0.9 moved it."""
    return getattr(viewer, "canvas", viewer).grid


def check_alike(
    first: Image | None, second: Image | None, what: str
) -> tuple[Image, Image]:
    """Return two layers, or refuse them where they cannot be compared.

    Parameters
    ----------
    first, second : Image or None
        What is chosen.
    what : str
        What the second one is for, such as ``"the denoised layer"``.

    Raises
    ------
    InputError
        One is missing, both are the same, or their shapes differ.
    """
    if first is None or second is None:
        msg = f"{what} is missing: open or choose two image layers"
        raise InputError(msg)
    if first is second:
        msg = f"{what} is the same layer, {first.name!r}: choose another one"
        raise InputError(msg)
    shapes = [tuple(full_data(layer).shape) for layer in (first, second)]
    if shapes[0] != shapes[1] or first.rgb != second.rgb:
        colours = ["colours" if layer.rgb else "grey" for layer in (first, second)]
        msg = (
            f"{first.name!r} has shape {shapes[0]} ({colours[0]}) and {second.name!r} "
            f"{shapes[1]} ({colours[1]}): choose two layers of one shape"
        )
        raise InputError(msg)
    return first, second


class Scene:
    """What was changed in a viewer, to be put back.

    Parameters
    ----------
    viewer : ViewerModel
        Some of its other layers are hidden meanwhile.
    shown : tuple of Image
        The layers that are compared.
    hidden : type of layer
        Which others are hidden.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        shown: tuple[Image, Image],
        hidden: type[Layer] = Image,
    ) -> None:
        self.viewer = viewer
        self._hidden = [
            layer
            for layer in viewer.layers
            if isinstance(layer, hidden) and _is_shown(layer) and layer not in shown
        ]
        self._before = [(layer, _is_shown(layer)) for layer in shown]
        self._limits: tuple[Image, Any, Any] | None = None
        # ends the links made here, and leaves those that were there
        self._links = ExitStack()
        self._eyes: list[Image] = []
        for layer in self._hidden:
            layer.visible = False
        for layer in shown:
            layer.visible = True

    def link(self, layers: list[Image], *, same_contrast: bool) -> None:
        """Show layers alike; the first one's contrast is taken."""
        first, second, *others = layers
        if first.rgb:
            return
        if same_contrast:
            low, high = first.contrast_limits
            reach = second.contrast_limits_range
            self._limits = (second, tuple(second.contrast_limits), tuple(reach))
            second.contrast_limits_range = (min(reach[0], low), max(reach[1], high))
            second.contrast_limits = (low, high)
            for other in others:
                other.contrast_limits = (low, high)
        linked = layers if same_contrast else layers[1:]
        names = ("contrast_limits", "gamma")
        if len(linked) > 1:
            self._links.enter_context(layers_linked(linked, names))
        if others:
            self._links.enter_context(layers_linked(layers[1:], ("colormap",)))

    def hide_second(self) -> None:
        """Hide the second layer that is compared, and it alone."""
        (first, _), (second, _) = self._before
        second.visible = False
        if not _is_shown(first):  # their eyes are linked
            self._eyes = [first, second]
            self.viewer.layers.unlink_layers(self._eyes, ("visible",))
            first.visible = True

    def put_back(self) -> None:
        """Undo it, in the layers that are still there."""
        there = set(self.viewer.layers)
        self._links.close()
        if self._limits is not None and self._limits[0] in there:
            layer, limits, reach = self._limits
            layer.contrast_limits = limits
            layer.contrast_limits_range = reach
        for layer in self._hidden:
            layer.visible = True
        for layer, visible in self._before:
            layer.visible = visible
        if self._eyes and there.issuperset(self._eyes):
            self.viewer.layers.link_layers(self._eyes, ("visible",))


def _is_shown(layer: Layer) -> bool:
    """Whether a layer is visible, or will be when its plane is computed."""
    server = getattr(layer.data, "server", None)
    return bool(layer.visible or getattr(server, "wanted", False))


class SideBySide:
    """Two layers beside each other in napari's grid, under one camera.

    Parameters
    ----------
    viewer : ViewerModel
        All its other layers are hidden meanwhile: each would take a place in the grid.
    left, right : Image
        Of one shape.
    same_contrast : bool
        Whether the right one takes the left one's contrast.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        left: Image | None,
        right: Image | None,
        *,
        same_contrast: bool,
    ) -> None:
        left, right = check_alike(left, right, "the denoised layer")
        self.layers = (left, right)
        self._viewer = viewer
        self._scene = Scene(viewer, (left, right), Layer)
        self._scene.link([left, right], same_contrast=same_contrast)
        grid = grid_of(viewer)
        self._grid = (grid.enabled, grid.shape, grid.stride)
        camera = camera_of(viewer)
        self._camera = (camera.center, camera.zoom)
        first, second = viewer.layers.index(left), viewer.layers.index(right)
        grid.stride = 1 if first < second else -1
        grid.shape = (1, 2)
        grid.enabled = True
        viewer.reset_view()

    @property
    def involved(self) -> tuple[Layer, ...]:
        """Layers without which there is no comparison."""
        return self.layers

    def stop(self) -> None:
        """Put the viewer back as it was."""
        grid = grid_of(self._viewer)
        grid.enabled, grid.shape, grid.stride = self._grid
        self._scene.put_back()
        camera = camera_of(self._viewer)
        camera.center, camera.zoom = self._camera


def rows_and_columns_shown(viewer: ViewerModel) -> bool:
    """Whether the last two dimensions are what is displayed."""
    dims = viewer.dims
    return dims.ndisplay == 2 and tuple(dims.displayed) == (
        dims.ndim - 2,
        dims.ndim - 1,
    )

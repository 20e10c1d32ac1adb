"""From a layer to the array that is denoised, and back to a layer. No Qt here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pint  # napari's units are of it
from napari.utils.transforms import Affine

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.region import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import Dims
    from napari.layers import Image
    from numpy.typing import NDArray

__all__ = [
    "METADATA_KEY",
    "PLACE",
    "Region",
    "file_axes",
    "full_data",
    "guess_layer_axes",
    "is_preview",
    "result_keywords",
    "shifted",
    "unit_factors",
    "view_region",
]

#: Where a result's metadata says how it was made.
METADATA_KEY = "napari-gradnet"
#: Where a layer lies.
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
#: What a result takes over from its source.
KEPT = (
    *(*PLACE, "axis_labels"),
    *("colormap", "contrast_limits", "gamma", "blending", "opacity", "rgb"),
)
#: Without names, dimensions are counted from the last one: Y and X stand there.
_GUESS = {1: "X", 2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}
#: What files say of layers: path, shape, axes.
_of_files: WeakKeyDictionary[Image, tuple[str, tuple[int, ...], str]] = (
    WeakKeyDictionary()
)
_NAMES = {"time": "T", "channel": "C", "depth": "Z", "row": "Y", "column": "X"}


def full_data(layer: Image) -> Any:
    """Array of a layer at full resolution; numpy, dask or zarr, not copied."""
    return layer.data[0] if layer.multiscale else layer.data


def is_preview(layer: Image) -> bool:
    """Whether a layer is the preview of a widget."""
    record = layer.metadata.get(METADATA_KEY)
    return isinstance(record, dict) and bool(record.get("preview"))


def guess_layer_axes(layer: Image) -> str:
    """Guess which dimension of a layer is which: from its labels, file or their number.

    Returns
    -------
    str
        One letter a dimension of `full_data`; S for the samples of rgb layers.
    """
    samples = "S" if layer.rgb else ""
    labels = [str(a).strip().lower() for a in layer.axis_labels]
    letters = [_NAMES.get(a, a.upper()) for a in labels]
    named = all(len(a) == 1 and a.isascii() and a.isalpha() for a in letters)
    if named and {"Y", "X"} <= set(letters) and "S" not in letters:
        return _distinct("".join(letters)) + samples
    return file_axes(layer) or _counted(layer.ndim) + samples


def _counted(ndim: int) -> str:
    return "PQRUVW"[: max(ndim - 5, 0)] + _GUESS[min(ndim, 5)]


def file_axes(layer: Image) -> str:
    """Axes of a layer as the file says that it was opened from; most readers do not.

    Dimensions of length 1 may be missing in the layer, or in the file.

    Returns
    -------
    str
        One letter a dimension of `full_data`; empty where that is not the file's.
    """
    shape = tuple(full_data(layer).shape)
    path = layer.source.path
    known = _of_files.get(layer)
    if known is None or known[:2] != (path, shape):
        axes = _read_axes(path, shape) if path else ""
        _of_files[layer] = known = (path, shape, axes)
    axes = known[2]
    return axes if ("S" in axes) == bool(layer.rgb) else ""


def _read_axes(path: str, shape: tuple[int, ...]) -> str:
    from napari_gradnet.io import OUTPUT_SUFFIXES, open_image

    if Path(path).suffix.lower() not in OUTPUT_SUFFIXES:
        return ""
    try:
        with open_image(path) as source:
            axes = source.axes
    except (GradNetError, OSError):
        return ""
    if axes.shape == shape:
        return axes.axes
    long = [(a, n) for a, n in zip(axes.axes, axes.shape, strict=True) if n > 1]
    if [n for _, n in long] != [n for n in shape if n > 1]:
        return ""
    letters = iter(a for a, _ in long)
    counted = _counted(len(shape) - axes.is_rgb) + "S" * axes.is_rgb
    pairs = zip(counted, shape, strict=True)
    return _distinct("".join(next(letters) if n > 1 else a for a, n in pairs))


def _distinct(letters: str) -> str:
    """Replace letters that are there twice."""
    spare = iter("PQRUVWABDEFGH")
    kept = ""
    for letter in letters:
        kept += letter if letter not in kept else next(spare)
    return kept


def unit_factors(
    units: Sequence[Any] | None, wanted: Sequence[Any]
) -> NDArray[np.float64]:
    """What coordinates in some units are multiplied by to have others.

    Parameters
    ----------
    units : sequence of pint.Unit, optional
        What they have, in the viewer or a layer; its last dimensions are common.
    wanted : sequence of pint.Unit
        What they are to have, in a layer.

    Returns
    -------
    ndarray, shape (len(wanted),)
        One where `units` are none, or no lengths where lengths are wanted.
    """
    factors = np.ones(len(wanted))
    registry = pint.get_application_registry()  # type: ignore[no-untyped-call]
    pairs = zip(reversed(units or ()), reversed(wanted), strict=False)
    for d, (has, wants) in enumerate(pairs, 1):
        # by name: units of two registries cannot be compared
        names = str(has), str(wants)
        if names[0] != names[1] and has.dimensionality == wants.dimensionality:
            first, second = (float(registry.get_base_units(n)[0]) for n in names)
            factors[-d] = first / second
    return factors


def view_region(layer: Image, dims: Dims, axes: str) -> Region:
    """What is on the screen, as slices of `full_data`.

    Parameters
    ----------
    layer : Image
        A layer of the viewer.
    dims : Dims
        The viewer's dimensions.
    axes : str
        Of `full_data`. Rows and columns that are not displayed are taken whole; in
        3-D they always are, from the plane where the slider stands.

    Returns
    -------
    tuple of slice
        One a dimension; none is empty and all keep the dimension.
    """
    shape = full_data(layer).shape[: layer.ndim]
    offset = dims.ndim - layer.ndim
    displayed = {d - offset for d in dims.displayed}
    if dims.ndisplay == 3:  # a slab of the middle would be drawn: one plane, whole
        displayed = set()
    # older napari than 0.9 has one unit for all layers
    factors = unit_factors(getattr(dims, "units", None), layer.units)
    point = layer.world_to_data(np.asarray(dims.point)[-layer.ndim :] * factors)
    corners = np.asarray(layer.corner_pixels, dtype=float)
    # a dimension's are zero before it is drawn, and wrong in a viewer of other units
    drawn = np.asarray(corners.any(axis=0) & np.allclose(factors, 1))
    if layer.multiscale:
        # the last corner is a pixel of that level, with all its finer ones
        steps = layer.downsample_factors[layer.data_level]
        corners = np.stack([corners[0] * steps, (corners[1] + 1) * steps - 1])
    region = []
    for d, length in enumerate(shape):
        first, last = corners[0, d], corners[1, d]
        if d in displayed and drawn[d]:
            low = int(np.clip(np.floor(first), 0, length - 1))
            high = int(np.clip(np.ceil(last), low, length - 1))
            region.append(slice(low, high + 1))
        elif d in displayed or axes[d] in "YX":
            region.append(slice(0, length))
        else:
            here = int(np.clip(np.rint(point[d]), 0, length - 1))
            region.append(slice(here, here + 1))
    if layer.rgb:
        region.append(slice(0, full_data(layer).shape[-1]))
    ImageAxes(axes, tuple(s.stop - s.start for s in region))
    return tuple(region)


def result_keywords(
    layer: Image,
    name: str,
    record: dict[str, Any],
    region: Region | None = None,
) -> dict[str, Any]:
    """Keywords of `viewer.add_image` for what was made from a layer.

    Parameters
    ----------
    layer : Image
        The source. Nothing in it is shared with the result.
    name : str
        Of the result.
    record : dict
        How it was made; stands in its metadata under `METADATA_KEY`.
    region : tuple of slice, optional
        The part of `layer` that the result covers.
    """
    _, state, _ = layer.as_layer_data_tuple()
    keywords = {key: state[key] for key in KEPT if key in state}
    if layer.rgb:  # colours have neither
        keywords = {
            k: v
            for k, v in keywords.items()
            if k not in ("colormap", "contrast_limits")
        }
    keywords["name"] = name
    keywords["metadata"] = {**layer.metadata, METADATA_KEY: record}
    if region is not None:
        start = [s.start for s in region[: layer.ndim]]
        keywords["translate"] = shifted(layer, start)
    return keywords


def shifted(layer: Image, start: Sequence[float] | NDArray[Any]) -> Any:
    """Translation of a layer that begins at `start` of another one."""
    placed = Affine(
        scale=layer.scale,
        rotate=layer.rotate,
        shear=layer.shear,
        translate=layer.translate,
    )
    return placed(np.asarray(start, dtype=float))

"""Pixel sizes, units and channel names of any image file, in OME-Zarr's words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_gradnet.io._ome import find_image
from napari_gradnet.io._tiff_read import TiffSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from napari_gradnet.io._base import ImageSource

__all__ = ["Calibration", "read_calibration"]

_UNITS = {
    "micron": "micrometer",
    "microns": "micrometer",
    "um": "micrometer",
    "\u00b5m": "micrometer",
    "\u03bcm": "micrometer",
    "\\u00B5m": "micrometer",
    "fm": "femtometer",
    "pm": "picometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "dm": "decimeter",
    "m": "meter",
    "km": "kilometer",
    "\u00c5": "angstrom",
    "in": "inch",
    "inch": "inch",
    "ft": "foot",
    "yd": "yard",
    "mi": "mile",
    "s": "second",
    "sec": "second",
    "ms": "millisecond",
    "us": "microsecond",
    "\u00b5s": "microsecond",
    "\u03bcs": "microsecond",
    "ns": "nanosecond",
    "ps": "picosecond",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
#: TIFF's ResolutionUnit; the last two are tifffile's and a few other programs'.
_RESOLUTION_UNITS = {2: "inch", 3: "centimeter", 4: "millimeter", 5: "micrometer"}
#: Of channels whose file tells none.
_COLOURS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


@dataclass(frozen=True)
class Calibration:
    """What an image says of its axes.

    Parameters
    ----------
    scales : mapping of str to float
        Size of a pixel along an axis, by letter.
    units : mapping of str to str
        Its unit, as OME-Zarr spells it.
    channels : sequence of dict
        Entries of the omero block's channels; empty where nothing is known.
    """

    scales: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[Mapping[str, Any]] = ()


def read_calibration(source: ImageSource) -> Calibration:
    """Read an image's calibration; what is not understood is left out."""
    if not isinstance(source, TiffSource):
        return Calibration()
    if source.kind == "ome":
        return _from_ome(source)
    scales, units = _from_resolution(source)
    imagej = source.metadata.get("imagej") if source.kind == "imagej" else None
    if isinstance(imagej, dict):
        if "unit" not in imagej:  # pixels
            scales = dict.fromkeys(scales, 1.0)
        if (spacing := _positive(imagej.get("spacing"))) is not None:
            scales["Z"] = spacing
        units = _imagej_units(imagej, scales)
        if (interval := _positive(imagej.get("finterval"))) is not None:
            scales["T"] = interval
            units["T"] = _UNITS.get(str(imagej.get("tunit", "s")), "second")
    return Calibration(scales, units, _imagej_channels(source, imagej))


def _imagej_units(imagej: Mapping[str, Any], letters: Iterable[str]) -> dict[str, str]:
    """Units of the axes of space: those of Y and Z may differ from that of X."""
    general = imagej.get("unit", "")
    own = {"Y": imagej.get("yunit", general), "Z": imagej.get("zunit", general)}
    found = {x: _UNITS.get(str(own.get(x, general))) for x in letters}
    return {letter: unit for letter, unit in found.items() if unit}


def _imagej_channels(
    source: TiffSource, imagej: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Names and colours of the channels of an ImageJ file, where it has them."""
    if imagej is None or "C" not in source.axes.axes:
        return []
    count = source.axes.length("C")
    labels = imagej.get("Labels")
    found: list[set[str]] = [set() for _ in range(count)]
    if isinstance(labels, list) and len(labels) in (count, source.num_planes):
        for number, label in enumerate(labels):
            per_plane = len(labels) == source.num_planes
            found[source.axes.channel_of(number) if per_plane else number].add(label)
    # labels that differ along a channel are those of planes
    named = all(len(names) == 1 for names in found)
    tables = imagej.get("LUTs")
    colours: list[str] = []
    shown = imagej.get("mode") != "grayscale"
    if shown and isinstance(tables, list) and len(tables) == count:
        colours = [table[:, -1].tobytes().hex().upper() for table in tables]
    known = [names.pop() for names in found] if named else []
    return _channels(known, colours, count, source.dtype)


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _from_resolution(source: TiffSource) -> tuple[dict[str, float], dict[str, str]]:
    resolution = source.resolution
    unit = _RESOLUTION_UNITS.get(int(source.keyframe.resolutionunit or 1))
    if resolution is None or (unit is None and source.kind != "imagej"):
        return {}, {}
    scales = {
        letter: below / above
        for letter, (above, below) in zip("XY", resolution, strict=True)
    }
    return scales, dict.fromkeys(scales, unit) if unit else {}


def _from_ome(source: TiffSource) -> Calibration:
    from xml.dom import minidom

    # as text: the encoding that it declares is the file's, and no longer applies
    root = minidom.parseString(source.description).documentElement
    if root is None:
        return Calibration()
    page = source.keyframe
    image = find_image(
        root,
        size=(page.imagelength, page.imagewidth),
        page=source.first_page,
        file=source.file.filename,
    )
    pixels = image.getElementsByTagNameNS("*", "Pixels")[0]
    scales: dict[str, float] = {}
    units: dict[str, str] = {}
    for letter, name, default in (
        ("X", "PhysicalSizeX", "\u00b5m"),
        ("Y", "PhysicalSizeY", "\u00b5m"),
        ("Z", "PhysicalSizeZ", "\u00b5m"),
        ("T", "TimeIncrement", "s"),
    ):
        size = _positive(pixels.getAttribute(name))
        if size is not None:
            scales[letter] = size
            unit = _UNITS.get(pixels.getAttribute(f"{name}Unit") or default)
            if unit:
                units[letter] = unit
    if source.axes.is_rgb:  # one channel of the file is three of OME-Zarr
        return Calibration(scales, units)
    nodes = pixels.getElementsByTagNameNS("*", "Channel")
    labels = [node.getAttribute("Name") for node in nodes]
    colours = [_ome_colour(node.getAttribute("Color")) for node in nodes]
    count = source.axes.length("C")
    if len(nodes) != count:
        labels, colours = [], []
    return Calibration(scales, units, _channels(labels, colours, count, source.dtype))


def _ome_colour(text: str) -> str:
    """RRGGBB of a signed integer that holds RGBA; empty where there is none."""
    try:
        return f"{(int(text) & 0xFFFFFFFF) >> 8:06X}"
    except ValueError:
        return ""


def _channels(
    labels: Sequence[str], colours: Sequence[str], count: int, dtype: np.dtype[Any]
) -> list[dict[str, Any]]:
    """Entries of the omero block, which needs a colour and a window for each.

    Empty where the file tells neither names nor colours.
    """
    import numpy as np

    if not any(labels) and not any(colours):
        return []
    labels = labels or [""] * count
    colours = colours or [""] * count
    low, high = 0.0, 1.0
    if dtype.kind in "iu":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return [
        {
            **({"label": label} if label else {}),
            "color": colour or _COLOURS[place % len(_COLOURS)],
            "active": True,
            "window": {"min": low, "max": high, "start": low, "end": high},
        }
        for place, (label, colour) in enumerate(zip(labels, colours, strict=True))
    ]

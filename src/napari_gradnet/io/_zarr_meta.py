"""What an OME-Zarr image says about itself: axes, levels, scales.

Validated with `yaozarrs`; everything that is not needed here is passed through as it
was found.

References
----------
J. Moore et al., "OME-Zarr: a cloud-optimized bioimaging file format with international
community support", Histochemistry and Cell Biology 160, 2023.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from yaozarrs import v04, v05

from napari_gradnet.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gradnet.io._zarr_calibration import Calibration

__all__ = ["OmeImage", "build_attributes", "parse_attributes", "processed_attributes"]

#: Attribute that holds what was done to an image, last entry last.
HISTORY = "napari-gradnet"
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
#: Letters for axes that have no letter of their own.
_SPARE = "QRUVWABDEFGHIJKLMNOP"


@dataclass(frozen=True)
class OmeImage:
    """The first multiscale image of a group.

    Parameters
    ----------
    version : {"0.4", "0.5"}
    attributes : dict
        All attributes of the group, as found.
    letters : str
        The axes, one upper-case letter each.
    paths : tuple of str
        Folders of the levels, finest first.
    """

    version: str
    attributes: dict[str, Any]
    letters: str
    paths: tuple[str, ...]

    @property
    def block(self) -> dict[str, Any]:
        """The part of the attributes that OME-Zarr defines."""
        return _block(self.attributes, self.version)

    @property
    def multiscale(self) -> dict[str, Any]:
        """Metadata of the image."""
        return self.block["multiscales"][0]


def _block(attributes: dict[str, Any], version: str) -> dict[str, Any]:
    return attributes if version == "0.4" else attributes["ome"]


def parse_attributes(
    path: Path, attributes: dict[str, Any], zarr_format: int
) -> OmeImage | None:
    """Find the image that a group's attributes describe.

    Parameters
    ----------
    path : Path
        The group, for messages.
    attributes : dict
        Its attributes.
    zarr_format : int
        2 (OME-Zarr 0.4) or 3 (0.5).

    Returns
    -------
    OmeImage or None
        None where the group is no OME-Zarr at all.

    Raises
    ------
    FileFormatError
        It is a plate, a collection of images, or does not follow the specification.
    """
    version = "0.4" if zarr_format == 2 else "0.5"
    block = attributes if zarr_format == 2 else attributes.get("ome")
    if not isinstance(block, dict):
        return None
    for key, what in _COLLECTIONS.items():
        if key in block and "multiscales" not in block:
            msg = f"{path} is {what}: name one image in it, such as {path}/0"
            raise FileFormatError(msg)
    if "multiscales" not in block:
        return None
    given = block.get("version", _stated_version(block, version))
    if given != version:
        msg = (
            f"{path} is OME-Zarr {given!r:.40}: versions 0.4 (zarr format 2) and 0.5 "
            "(zarr format 3) are read"
        )
        raise FileFormatError(msg)
    model = v04.Image if version == "0.4" else v05.Image
    try:
        with warnings.catch_warnings():  # a unit beyond the list is the user's business
            warnings.simplefilter("ignore")
            # validation fills in defaults: the found attributes stay as they are
            # how it is shown ("omero") does not matter here, and is often incomplete
            checked = {key: value for key, value in block.items() if key != "omero"}
            image = model.model_validate(copy.deepcopy(checked))
    except (ValidationError, RecursionError) as error:
        msg = f"{path}: its OME-Zarr {version} metadata are not valid: {_first(error)}"
        raise FileFormatError(msg) from error
    multiscale = image.multiscales[0]
    names = [(axis.name, axis.type) for axis in multiscale.axes]
    paths = tuple(dataset.path for dataset in multiscale.datasets)
    return OmeImage(version, attributes, _letters(names), paths)


_COLLECTIONS = {
    "plate": "a plate of many images",
    "well": "a well of several images",
    "bioformats2raw.layout": "a collection of images",
    "series": "a collection of images",
    "labels": "a list of label images",
}


def _stated_version(block: dict[str, Any], default: str) -> Any:
    try:
        return block["multiscales"][0].get("version", default)
    except (AttributeError, IndexError, KeyError, TypeError):
        return default


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        return f"{where}: {problem['msg']}"
    return str(error)


def _letters(names: Sequence[tuple[str, str | None]]) -> str:
    """One letter an axis: its name, or what its type stands for."""
    wanted: list[str] = []
    space = [i for i, (_, kind) in enumerate(names) if kind == "space"]
    letters = _space_letters([names[i][0].upper() for i in space])
    for place, (name, kind) in enumerate(names):
        letter = name.upper()
        if kind == "space":
            letter = letters[space.index(place)]
        elif kind in ("time", "channel"):
            letter = kind[0].upper()
        elif len(letter) != 1 or not letter.isascii() or not letter.isalpha():
            letter = ""
        wanted.append("" if letter in wanted or letter == "S" else letter)
    spare = iter(x for x in _SPARE if x not in wanted)
    return "".join(letter or next(spare) for letter in wanted)


def _space_letters(names: Sequence[str]) -> str:
    """Letters of the axes of space: their names, or their places where those differ."""
    named = len(set(names)) == len(names) and {"X", "Y"} <= set(names) <= set("XYZ")
    return "".join(names) if named else "ZYX"[3 - len(names) :]


def processed_attributes(
    image: OmeImage, paths: Sequence[str], record: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Attributes of what was made of an image: its own, with levels of 2 x 2 means.

    Parameters
    ----------
    image : OmeImage
        What was read.
    paths : sequence of str
        Folders of the new levels, finest first.
    record : mapping or None
        What was done.
    """
    attributes = copy.deepcopy(image.attributes)
    multiscale = _block(attributes, image.version)["multiscales"][0]
    finest = multiscale["datasets"][0]
    multiscale["datasets"] = [
        {
            **(finest if level == 0 else {}),
            "path": path,
            "coordinateTransformations": _transformations(
                finest["coordinateTransformations"], image.letters, level
            ),
        }
        for level, path in enumerate(paths)
    ]
    if len(paths) > 1:
        multiscale["type"] = "mean"
    if record is not None:
        history = attributes.get(HISTORY)
        attributes[HISTORY] = [*(history if isinstance(history, list) else []), record]
    return attributes


def _transformations(
    finest: Sequence[Mapping[str, Any]], letters: str, level: int
) -> list[dict[str, Any]]:
    """Scale and translation of a level, from those of the finest one."""
    factor = 2**level
    scale = next(t["scale"] for t in finest if t["type"] == "scale")
    result = [
        {
            "type": "scale",
            "scale": [
                s * factor if letter in "YX" else s
                for s, letter in zip(scale, letters, strict=True)
            ],
        }
    ]
    found = [t["translation"] for t in finest if t["type"] == "translation"]
    if found or level:
        # the centre of a mean's pixel lies between those that it was taken of
        moved = [
            t + (s * (factor - 1) / 2 if letter in "YX" else 0)
            for t, s, letter in zip(
                found[0] if found else [0.0] * len(scale), scale, letters, strict=True
            )
        ]
        result.append({"type": "translation", "translation": moved})
    return result


def build_attributes(
    letters: str,
    name: str,
    version: str,
    calibration: Calibration,
    *,
    attributes: Mapping[str, Any] | None = None,
) -> OmeImage:
    """Make the metadata of an image that had none of OME-Zarr.

    Parameters
    ----------
    letters : str
        Its axes, in the order time, channel or other, space.
    name : str
        Of the image.
    version : {"0.4", "0.5"}
        Of OME-Zarr.
    calibration : Calibration
        Pixel sizes, units, names of the channels.
    attributes : mapping, optional
        Others that are kept.

    Raises
    ------
    FileFormatError
        OME-Zarr holds no image with such axes.
    """
    axes: list[dict[str, str]] = []
    for letter in letters:
        axis = {"name": letter.lower()}
        if letter in _TYPES:
            axis["type"] = _TYPES[letter]
        if letter in calibration.units:
            axis["unit"] = calibration.units[letter]
        axes.append(axis)
    scale = [float(calibration.scales.get(letter, 1.0)) for letter in letters]
    dataset = {
        "path": "0",
        "coordinateTransformations": [{"type": "scale", "scale": scale}],
    }
    multiscale: dict[str, Any] = {"name": name, "axes": axes, "datasets": [dataset]}
    block: dict[str, Any] = {"multiscales": [multiscale]}
    if calibration.channels:
        block["omero"] = {"channels": list(calibration.channels)}
    found = dict(attributes or {})
    if version == "0.4":
        multiscale["version"] = version
        found |= block
    else:
        found["ome"] = {"version": version, **block}
    image = parse_attributes(Path(name), found, 2 if version == "0.4" else 3)
    if image is None or image.letters != letters:
        msg = f"{name}: OME-Zarr holds no image with the axes {letters}: give axes=..."
        raise FileFormatError(msg)
    return image

"""OME-Zarr (0.4 and 0.5) and plain zarr arrays, read by planes and by regions."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.errors import AxesError, FileFormatError
from napari_gradnet.io._base import ImageSource, join_messages
from napari_gradnet.io._zarr_array import CheckedArray, open_checked
from napari_gradnet.io._zarr_meta import OmeImage, parse_attributes
from napari_gradnet.io._zarr_store import METADATA_NAMES, check_inside, read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ZarrSource", "is_zarr"]

#: Planes that lie in the same chunks are kept together up to this many bytes.
_SLAB_BYTES = 1 << 28


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return any((path / n).is_file() for n in ("zarr.json", ".zgroup", ".zarray"))


class ZarrSource(ImageSource):
    """An OME-Zarr image at full resolution, or a zarr array.

    Unlike other sources it may be read from several threads at once.

    Parameters
    ----------
    path : Path
        Folder of the group or the array.
    axes : str, optional
        Letters for the dimensions, where the metadata's own are missing or wrong.
        ``S`` for a channel axis of 3 makes the image one of RGB colours.

    Attributes
    ----------
    array : CheckedArray
        The full resolution.
    image : OmeImage or None
        The metadata; None for a plain array.
    version : str
        OME-Zarr version, ``"0.4"`` or ``"0.5"``; of a plain array the one that has
        its zarr format.
    kind : str
        ``"ome-zarr"`` or ``"zarr"``.

    Raises
    ------
    FileFormatError
        The store is damaged, leads out of its folder, or holds what cannot be denoised.
    AxesError
        `axes` does not fit.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        self.path = path
        self._slab: tuple[tuple[slice, ...], NDArray[Any]] | None = None
        self._lock = threading.Lock()
        self.image, self.array = self._open()
        self.kind = "zarr" if self.image is None else "ome-zarr"
        self.version = "0.4" if self.array.zarr_format == 2 else "0.5"
        self.dtype = self.array.dtype
        self._set_axes(axes)

    def _open(self) -> tuple[OmeImage | None, CheckedArray]:
        root = self.path
        if not root.is_dir():
            msg = f"{root} is no folder: a zarr store is one"
            raise FileFormatError(msg)
        document = read_json(root, root / "zarr.json")
        if document is None:
            if (root / ".zarray").is_file():
                return None, open_checked(root, root)
            attributes = read_json(root, root / ".zattrs") or {}
            image = parse_attributes(root, attributes, 2)
        elif document.get("node_type") == "array":
            return None, open_checked(root, root)
        else:
            attributes = document.get("attributes") or {}
            image = parse_attributes(root, attributes, 3)
        if image is None:
            found = self._children()
            msg = (
                f"{root} is a zarr group without an OME-Zarr image: name an array in it"
                + (f", such as {root / found[0]}" if found else "")
            )
            raise FileFormatError(msg)
        for name in image.paths:
            check_inside(root, root / _relative(root, name))
        array = open_checked(root, root / image.paths[0])
        if len(array.shape) != len(image.letters):
            msg = (
                f"{root}: {len(image.letters)} axes ({image.letters}) are named for an "
                f"array of shape {array.shape}: its metadata are damaged"
            )
            raise FileFormatError(msg)
        if (array.zarr_format == 2) != (image.version == "0.4"):
            msg = (
                f"{root}: OME-Zarr {image.version} with an array of zarr format "
                f"{array.zarr_format}: its metadata are damaged"
            )
            raise FileFormatError(msg)
        return image, array

    def _children(self) -> list[str]:
        return sorted(p.name for p in self.path.iterdir() if p.is_dir() and is_zarr(p))

    def _set_axes(self, axes: str | None) -> None:
        shape = self.array.shape
        try:
            if axes is None and self.image is not None:
                self.axes = ImageAxes(self.image.letters, shape)
            else:
                given = axes or _named(self.array)
                self.axes, message = resolve_axes(shape, given)
                self.message = join_messages(message)
        except AxesError as error:
            msg = f"{self.path}: {error}"
            raise AxesError(msg) from None

    @property
    def metadata(self) -> dict[str, Any]:
        """What the store says about itself."""
        attributes = self.array.attributes
        return {
            "kind": self.kind,
            "version": self.version,
            "attributes": attributes if self.image is None else self.image.attributes,
            "chunks": self.array.chunks,
            "shards": self.array.shards,
        }

    def read_region(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read a block; only the chunks that it touches are read.

        Parameters
        ----------
        region : tuple of slice
            First and last index along each of `axes`, both given.

        Raises
        ------
        FileFormatError
            A chunk is damaged or cannot be read.
        """
        return self.array.read(region)

    def _read(self, index: int) -> NDArray[Any]:
        """Read a plane; those that share its chunks come from memory, if they fit."""
        shape = self.axes.stack_shape
        places = iter(np.unravel_index(index, shape) if shape else ())
        lengths = self.axes.shape
        region: list[slice] = []
        slab: list[slice] = []
        for letter, length, chunk in zip(
            self.axes.axes, lengths, self.array.chunks, strict=True
        ):
            if letter in "YXS":
                region.append(slice(0, length))
                slab.append(slice(0, length))
                continue
            place = int(next(places))
            region.append(slice(place, place + 1))
            start = place // chunk * chunk
            slab.append(slice(start, min(start + chunk, length)))
        size = self.dtype.itemsize
        for part in slab:
            size *= part.stop - part.start
        if slab == region or size > _SLAB_BYTES:
            block = self.read_region(tuple(region))
        else:
            whole = self._cached(tuple(slab))
            block = whole[
                tuple(
                    slice(r.start - s.start, r.stop - s.start)
                    for r, s in zip(region, slab, strict=True)
                )
            ]
        kept = [
            slice(None) if letter in "YXS" else 0 for letter in self.axes.axes
        ]  # the stack's axes have length 1 here
        return np.array(self.axes.to_plane(block[tuple(kept)]), order="C")

    def _cached(self, slab: tuple[slice, ...]) -> NDArray[Any]:
        with self._lock:
            if self._slab is None or self._slab[0] != slab:
                self._slab = None  # free the old one before the new one comes
                self._slab = slab, self.read_region(slab)
            return self._slab[1]

    def fingerprint(self) -> dict[str, Any]:
        """Tell this store from a changed one, by sizes and times of its files.

        Every file of the full resolution counts, but none is read.
        """
        try:
            return self._identity()
        except OSError as error:
            msg = f"{self.path} cannot be read: {error.strerror or error}"
            raise FileFormatError(msg) from error

    def _identity(self) -> dict[str, Any]:
        documents = hashlib.sha256()
        for folder in sorted({self.path, self.array.path}):
            for name in METADATA_NAMES:
                file = folder / name
                if file.is_file():
                    documents.update(name.encode() + file.read_bytes())
        count = size = mixed = 0
        for folder_name, _, files in os.walk(self.array.path):
            for name in files:
                path = os.path.join(folder_name, name)  # noqa: PTH118 - a million times
                info = os.stat(path)  # noqa: PTH116
                count, size = count + 1, size + info.st_size
                text = f"{os.path.relpath(path, self.array.path)} {info.st_size} "
                text += str(info.st_mtime_ns)
                digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
                # a sum does not depend on the order in which the disk lists files
                mixed += int.from_bytes(digest, "little")
        return {
            "metadata_sha256": documents.hexdigest(),
            "files": count,
            "bytes": size,
            "times": f"{mixed % (1 << 64):016x}",
        }


def _relative(root: Path, name: str) -> Path:
    """A dataset's path, if it stays below the group."""
    path = Path(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name:
        msg = (
            f"{root}: the level {name!r:.80} lies outside of the store: only paths "
            "below it are followed"
        )
        raise FileFormatError(msg)
    return path


def _named(array: CheckedArray) -> str | None:
    """Axes that a plain array names itself (zarr format 3, or xarray's attribute)."""
    names = array.document.get("dimension_names") or array.attributes.get(
        "_ARRAY_DIMENSIONS"
    )
    if not isinstance(names, list) or len(names) != len(array.shape):
        return None
    letters = "".join(str(name).upper() for name in names)
    known = len(letters) == len(names) and set(letters) <= set("TCZYX")
    return letters if known and {"Y", "X"} <= set(letters) else None

"""An OME-Zarr that is written block by block, in a folder that is renamed last."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
from typing import TYPE_CHECKING, Any, Literal

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, ZstdCodec
from zarr.storage import LocalStore

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._partial import explain_write_error, short_name
from napari_gradnet.io._tiff_check import damaged
from napari_gradnet.io._white import invert
from napari_gradnet.values import cast_values

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.io._zarr_layout import ZarrLayout
    from napari_gradnet.io._zarr_plan import LevelPlan, VolumePlan

__all__ = [
    "ZarrVolume",
    "check_output",
    "create_volume",
    "halve",
    "make_folder",
    "partial_folder",
    "publish_folder",
    "remove_replaced",
]


#: How the hidden name of a replaced folder ends.
_REPLACED = ".old"


def partial_folder(output: Path) -> Path:
    """The hidden folder in which an output is made; the same in every run."""
    return output.with_name(f".{short_name(output.name)}.gradnet-part")


def make_folder(folder: Path) -> None:
    """Make a folder with all that lead to it, if it is missing."""
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)


def check_output(output: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse a name that must not be written.

    Raises
    ------
    FileFormatError
        It exists, or is the input, holds it or lies in it.
    """
    try:
        target, read = output.resolve(), source.resolve()
    except (OSError, RuntimeError) as error:
        msg = f"{output}: its links lead nowhere or in circles ({error})"
        raise FileFormatError(msg) from error
    if _lies_in(target, read) or _lies_in(read, target):
        msg = f"{output} is the input {source}, lies in it or holds it: choose another"
        raise FileFormatError(msg)
    if os.path.lexists(output):
        if not overwrite:
            msg = f"{output} already exists: choose another name or allow overwriting"
            raise FileFormatError(msg)
        if output.is_symlink() or not output.is_dir():
            msg = f"{output} is no folder: only a zarr store is replaced by one"
            raise FileFormatError(msg)
        names = ("zarr.json", ".zgroup", ".zarray")
        if not any((output / name).exists() for name in names) and any(
            output.iterdir()
        ):
            msg = f"{output} is a folder but no zarr store: it is not replaced"
            raise FileFormatError(msg)
    if not target.parent.is_dir():
        msg = f"{output}: the folder {target.parent} does not exist: create it first"
        raise FileFormatError(msg)


def _lies_in(inner: Path, outer: Path) -> bool:
    """Whether a path is another one or lies below it, under whatever name.

    Names alone do not tell: a disk may ignore upper and lower case, and a folder may
    be mounted twice.
    """
    if inner.is_relative_to(outer):
        return True
    for path in (inner, *inner.parents):
        # what is missing, or may not be looked at, is known by its name only
        with contextlib.suppress(OSError):
            if path.samefile(outer):
                return True
    return False


def publish_folder(folder: Path, output: Path, *, overwrite: bool) -> None:
    """Give a finished folder its final name; what it replaces is hidden beside it.

    Raises
    ------
    FileFormatError
        The name was taken in the meantime, or the disk refuses.
    """
    with explain_write_error(output):
        old = None
        if os.path.lexists(output):
            if not overwrite:
                msg = f"{output} already exists: choose another name"
                raise FileFormatError(msg)
            name = f".{short_name(output.name)}.{secrets.token_hex(6)}{_REPLACED}"
            old = output.with_name(name)
            output.rename(old)
        try:
            folder.rename(output)
        except OSError:
            if old is not None:
                old.rename(output)
            raise


def remove_replaced(output: Path) -> None:
    """Remove what `publish_folder` replaced, in this run or in killed ones."""
    start = re.escape(f".{short_name(output.name)}.")
    pattern = re.compile(rf"{start}[0-9a-f]{{12}}{re.escape(_REPLACED)}")
    with contextlib.suppress(OSError):
        for path in output.parent.iterdir():
            if pattern.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)


def _sync_path(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    # Windows brings nothing to the disk that was opened for reading
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}.tmp")
    temporary.write_text(json.dumps(value, indent=2, default=str))
    temporary.replace(path)


def _compressors(layout: ZarrLayout, zarr_format: int, dtype: np.dtype[Any]) -> Any:
    level = layout.level
    if layout.compression == "none":
        return None
    if layout.compression == "zstd":
        level = 3 if level is None else level
        new = ZstdCodec(level=level) if zarr_format == 3 else numcodecs.Zstd(level)
    else:
        level = 5 if level is None else level
        if zarr_format == 3:
            new = BloscCodec(
                typesize=dtype.itemsize,
                cname="zstd",
                clevel=level,
                shuffle="bitshuffle",
            )
        else:
            shuffle = numcodecs.Blosc.BITSHUFFLE
            new = numcodecs.Blosc("zstd", level, shuffle)
    return new


def create_volume(folder: Path, plan: VolumePlan) -> None:
    """Make the folder with all metadata and no pixels.

    Raises
    ------
    FileFormatError
        The disk refuses.
    """
    zarr_format: Literal[2, 3] = 2 if plan.version == "0.4" else 3
    with explain_write_error(folder):
        store = LocalStore(folder)
        for level in plan.levels:
            _create_array(store, plan, level, zarr_format)
        if zarr_format == 2:
            _write_json(folder / ".zgroup", {"zarr_format": 2})
            _write_json(folder / ".zattrs", plan.attributes)
        else:
            group = {"zarr_format": 3, "node_type": "group"}
            _write_json(folder / "zarr.json", {**group, "attributes": plan.attributes})


def _create_array(
    store: LocalStore,
    plan: VolumePlan,
    level: LevelPlan,
    zarr_format: Literal[2, 3],
) -> None:
    options: dict[str, Any] = {}
    if zarr_format == 3:
        options = {
            "shards": level.shards,
            "dimension_names": [letter.lower() for letter in plan.letters],
            "serializer": BytesCodec(),
            "chunk_key_encoding": {"name": "default", "separator": "/"},
        }
    else:
        options = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    zarr.create_array(
        store,
        name=level.path,
        shape=level.shape,
        dtype=plan.dtype,
        chunks=level.chunks,
        compressors=_compressors(plan.layout, zarr_format, plan.dtype),
        filters=None,
        fill_value=plan.fill_value,
        attributes=plan.array_attributes,
        zarr_format=zarr_format,
        overwrite=True,
        **options,
    )


class ZarrVolume:
    """An unfinished output, open in this process. Safe in several threads.

    Parameters
    ----------
    folder : Path
        What `create_volume` made.
    plan : VolumePlan
    """

    def __init__(self, folder: Path, plan: VolumePlan) -> None:
        self.folder = folder
        self.plan = plan
        with damaged(folder, "the unfinished output"):
            store = LocalStore(folder)
            self._arrays = [
                zarr.open_array(store, path=level.path, mode="r+")
                for level in plan.levels
            ]

    def write(
        self, level: int, region: tuple[slice, ...], block: NDArray[Any]
    ) -> NDArray[Any]:
        """Store a block that covers whole files of its level, and see it on the disk.

        Each file is written under another name and renamed, so that a crash leaves none
        that is cut off.

        Returns
        -------
        ndarray
            What `read` gives for it.

        Raises
        ------
        FileFormatError
            The disk is full or refuses.
        """
        if level == 0 and self.plan.black is not None:
            block = invert(block, self.plan.black)
        with explain_write_error(self.folder):
            self._arrays[level][region] = block
            self._sync(level, region)
        return block

    def _sync(self, level: int, region: tuple[slice, ...]) -> None:
        """Bring the files of a block to the disk: a power cut must not undo them."""
        plan, array = self.plan.levels[level], self._arrays[level]
        sides = [
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(region, plan.grid, strict=True)
        ]
        folders = set()
        for place in itertools.product(*sides):
            file = self.folder / plan.path / array.metadata.encode_chunk_key(place)
            try:
                _sync_path(file)
            except FileNotFoundError:  # blank chunks are not stored
                continue
            folders.add(file.parent)
        for folder in folders:
            with contextlib.suppress(OSError):  # not on every system
                _sync_path(folder)

    def read(self, level: int, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read a block that was written before."""
        with damaged(self.folder, f"level {level} of the unfinished output"):
            return np.asarray(self._arrays[level][region])

    def finer(self, level: int, region: tuple[slice, ...]) -> tuple[slice, ...]:
        """The region of the next finer level that a region is made of."""
        shape = self.plan.levels[level - 1].shape
        return tuple(
            slice(2 * part.start, min(2 * part.stop, length))
            if letter in "YX"
            else part
            for part, length, letter in zip(
                region, shape, self.plan.letters, strict=True
            )
        )


def halve(block: NDArray[Any], letters: str) -> NDArray[Any]:
    """Mean of 2 x 2 pixels along Y and X; at an odd end, of those that are there.

    Parameters
    ----------
    block : ndarray
        Any dtype of intensities.
    letters : str
        One a dimension.

    Returns
    -------
    ndarray
        Of the dtype of `block`; integers are rounded.
    """
    mean = block.astype(np.float64)
    for axis, letter in enumerate(letters):
        if letter not in "YX":
            continue
        length = mean.shape[axis]
        whole = np.moveaxis(mean, axis, 0)
        pairs = whole[: length // 2 * 2].reshape(length // 2, 2, *whole.shape[1:])
        halved = pairs[:, 0] / 2 + pairs[:, 1] / 2
        if length % 2:
            halved = np.concatenate([halved, whole[-1:]])
        mean = np.moveaxis(halved, 0, axis)
    return cast_values(np.ascontiguousarray(mean), block.dtype)

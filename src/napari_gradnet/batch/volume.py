"""One volume as a job: read, denoised and written to an OME-Zarr, block by block."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet import __version__
from napari_gradnet.batch.identity import file_identity
from napari_gradnet.batch.job import Job, Written
from napari_gradnet.batch.volume_open import MEANS, OpenVolume
from napari_gradnet.batch.volume_samples import (
    RegionReader,
    sample_noise,
    sample_volume,
)
from napari_gradnet.batch.volume_state import VolumeState
from napari_gradnet.errors import InputError
from napari_gradnet.io import join_messages, open_image
from napari_gradnet.io.volumes import (
    ZarrLayout,
    ZarrSource,
    ZarrVolume,
    check_output,
    check_rest,
    copy_rest,
    create_volume,
    halve,
    is_zarr,
    partial_folder,
    publish_folder,
    remove_leftovers,
    remove_replaced,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.batch.operation import Operation
    from napari_gradnet.io import ImageSource

__all__ = ["VolumeJob"]


class VolumeJob(Job):
    """One image, turned into an OME-Zarr block by block.

    Memory follows from the blocks, not from the volume. The output is of the input's
    OME-Zarr version (0.5 where the input is no zarr), with its axes, levels, labels and
    metadata. It is made in a hidden folder beside its final name.

    Parameters
    ----------
    source : path
        OME-Zarr (0.4, 0.5), a zarr array, or any file that `open_image` reads.
    output : path
        Folder to be made, usually ``*.ome.zarr``.
    operation : Operation
        What is done to every plane.
    name : str
        Of the input, for messages.
    layout : ZarrLayout
        Chunks, shards, compression, levels.
    axes : str, optional
        Where the input's own are missing or wrong.
    overwrite : bool
        Replace an existing zarr store (never the input).
    measure_noise : bool
        Whether `noise` looks at the image; of a gradient there is none to tell.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        output: str | os.PathLike[str],
        operation: Operation,
        *,
        name: str = "",
        layout: ZarrLayout | None = None,
        axes: str | None = None,
        overwrite: bool = False,
        measure_noise: bool = True,
    ) -> None:
        self.source = Path(source)
        self.output = Path(output)
        self.name = name or str(source)
        self.operation = operation
        self.layout = layout or ZarrLayout()
        self.axes = axes
        self.overwrite = overwrite
        self.measure_noise = measure_noise
        self._part = partial_folder(self.output)
        self._store = VolumeState(self.output)
        self._known: dict[str, Any] | None = None
        self._settled: dict[str, Any] | None = None
        self._done = False
        self._opened: OpenVolume | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    # --------------------------------------------------------------- description
    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What the output's bytes depend on."""
        if self._known is None:
            with open_image(self.source, axes=self.axes) as image:
                self._known = self._describe(image)
        return self._known

    def _describe(self, image: ImageSource) -> dict[str, Any]:
        if isinstance(image, ZarrSource):
            identity = image.fingerprint()
            _check_store(self.source)  # else there was less and less to list
        else:
            identity = file_identity(self.source)
        return {
            "input": identity,
            "operation": self.operation.describe(image.axes, image.dtype),
            "axes": image.axes.axes,
            "layout": self.layout.record,
            "version": __version__,
        }

    @property
    def _open(self) -> OpenVolume:
        if self._opened is None:
            self.open()
        if self._opened is None:
            msg = f"{self.name} could not be opened"
            raise InputError(msg)
        return self._opened

    @property
    def stages(self) -> Sequence[Sequence[str]]:
        """Statistics of planes (where needed), pixels, then each smaller level."""
        return [] if self._done else self._open.stages

    @property
    def num_values(self) -> int:
        """Pixel values of the full resolution; none where nothing is left to do."""
        return 0 if self._done else math.prod(self._open.image.shape)

    # ---------------------------------------------------------------- life cycle
    @property
    def keeps_units(self) -> bool:
        """Whether the unfinished store and its state are there."""
        return self._part.is_dir() and self._store.exists()

    def prepare(self) -> None:
        """Settle scaling and layout, or find what was settled; start the output."""
        with open_image(self.source, axes=self.axes) as image:
            self._known = self._describe(image)
            settled = self._store.load(self._known)
            if settled is not None and self._store.was_renamed(self._part):
                self._done = True
                return
            check_output(self.output, self.source, overwrite=self.overwrite)
            if isinstance(image, ZarrSource) and image.image is not None:
                check_rest(self.source, image.image.paths)
            if settled is not None and self._part.is_dir():
                self._settled = settled
                self.open()
                return
            read = RegionReader(image)
            # steps of a pipeline run on the samples: those must be whole images
            thin = not hasattr(self.operation, "steps")
            samples = sample_volume(image, read, thin=thin)
            self._settled = self.operation.settle(image.axes, image.dtype, samples)
            del samples
        self._start()

    def _start(self) -> None:
        """Make the empty output, then the state: with it the output is a whole one."""
        self._remove_unfinished()
        try:
            with self._load_input() as opened:
                create_volume(self._part, opened.plan)
            self._store.save(self._known or {}, self._settled or {})
        except Exception:
            self._remove_unfinished()
            raise
        self.open()

    def _load_input(self) -> OpenVolume:
        if self._settled is None:
            msg = f"{self.name} is not prepared: call prepare first"
            raise InputError(msg)
        image = open_image(self.source, axes=self.axes)
        try:
            return OpenVolume(image, self.operation, self._settled, self.layout)
        except BaseException:
            image.close()
            raise

    def open(self) -> None:
        """Open input, unfinished output and model in this process."""
        if self._opened is None and not self._done:
            opened = self._load_input()
            opened.volume = ZarrVolume(self._part, opened.plan)
            self._opened = opened

    def close(self) -> None:
        """Close the input."""
        if self._opened is not None:
            self._opened.image.close()
            self._opened = None

    # --------------------------------------------------------------------- units
    def read(self, unit: str) -> Any:
        """Read a block with its context, or a block of the next finer level."""
        opened = self._open
        stage = unit.partition("/")[0]
        if stage == MEANS:
            return None  # it reads its windows one by one
        if stage == "0":
            return opened.read_block(unit)
        level = int(stage)
        region = opened.grids[level].region(unit)
        volume = opened.target
        block = volume.read(level - 1, volume.finer(level, region))
        _check_store(self._part)
        return block

    def compute(self, unit: str, data: Any) -> Any:
        """Work on a block, or halve it."""
        opened = self._open
        stage = unit.partition("/")[0]
        if stage == MEANS:
            return opened.gather(unit)
        if stage == "0":
            return opened.work_on(unit, data, self._statistics)
        return halve(data, opened.plan.letters)

    def _statistics(self, number: int) -> NDArray[np.float32]:
        return self._store.load_statistics(number, self._open.work.statistics_size)

    def write(self, unit: str, result: Any) -> Written:
        """Store a block."""
        opened = self._open
        stage = unit.partition("/")[0]
        block = np.ascontiguousarray(result)
        _check_store(self._part)
        if stage == MEANS:
            self._store.save_statistics(opened.number(unit), block)
        else:
            level = int(stage)
            region = opened.grids[level].region(unit)
            block = opened.target.write(level, region, block)
            _check_store(self._part)
        return Written(block.nbytes, _checksum(block))

    def holds(self, unit: str, checksum: str) -> bool:
        """Read a block again: a block that is missing reads as a blank one."""
        opened = self._open
        stage = unit.partition("/")[0]
        try:
            if stage == MEANS:
                block = self._statistics(opened.number(unit))
            else:
                level = int(stage)
                region = opened.grids[level].region(unit)
                block = opened.target.read(level, region)
        except Exception:  # noqa: BLE001 - whatever a damaged block makes of a codec
            return False
        return _checksum(block) == checksum

    def noise(self) -> tuple[float, float] | None:
        """Noise of the middle of the middle plane."""
        if not self.measure_noise or self._done:
            return None
        opened = self._open
        axes, order = opened.image.axes, opened.plan.order

        def read_result(region: tuple[slice, ...]) -> NDArray[Any]:
            block = opened.target.read(0, tuple(region[k] for k in order))
            return block.transpose(np.argsort(order))

        before = sample_noise(axes, opened.reader)
        after = sample_noise(axes, read_result)
        return None if before is None or after is None else (before, after)

    def finish(self) -> str:
        """Copy labels and the like, and give the output its name."""
        message = ""
        if not self._done:
            opened = self._open
            message = join_messages(opened.image.message, opened.plan.message)
            _check_store(self._part)
            remove_leftovers(self._part)
            image = opened.image
            if isinstance(image, ZarrSource) and image.image is not None:
                copy_rest(self.source, self._part, image.image.paths)
            self.close()
            self._store.mark_renaming()
            publish_folder(self._part, self.output, overwrite=self.overwrite)
            self._done = True
        remove_replaced(self.output)
        self._store.remove()
        return message

    def discard(self) -> None:
        """Close, and remove the unfinished output."""
        self.close()
        self._remove_unfinished()

    def _remove_unfinished(self) -> None:
        # the state first: without it what is left of the store is begun anew
        self._store.remove()
        shutil.rmtree(self._part, ignore_errors=True)


def _checksum(block: NDArray[Any]) -> str:
    # a store may keep the other order of bytes
    data = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).data
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _check_store(folder: Path) -> None:
    """Notice that a store was taken away, or its disk unmounted.

    A block that is missing reads as a blank one, and writing it makes its folders.
    """
    if not is_zarr(folder):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))

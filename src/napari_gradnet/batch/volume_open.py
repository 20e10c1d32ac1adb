"""What a process has open of a volume, and what it does to one block of it."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.batch.volume_samples import RegionReader, as_plane, plane_region
from napari_gradnet.batch.volume_units import (
    MAX_UNIT_BYTES,
    BlockUnits,
    Context,
    unit_block,
)
from napari_gradnet.errors import InputError
from napari_gradnet.inference.record import processing_record
from napari_gradnet.io.volumes import (
    VolumePlan,
    ZarrLayout,
    ZarrSource,
    ZarrVolume,
    plan_volume,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.batch.operation import Operation, PlaneWork
    from napari_gradnet.io import ImageSource

__all__ = ["MEANS", "OpenVolume"]

#: Values of a block of whole planes beyond which methods that need those are refused.
MAX_WHOLE_VALUES = 1 << 26
#: Stage that gathers what all parts of a plane share.
MEANS = "means"


class OpenVolume:
    """Input, operation and the grids of units.

    Parameters
    ----------
    image : ImageSource
        Closed with this.
    operation : Operation
        What is done to every plane.
    settled : mapping
        What `operation` settled for the whole volume.
    layout : ZarrLayout
        Of the output.
    """

    def __init__(
        self,
        image: ImageSource,
        operation: Operation,
        settled: Mapping[str, Any],
        layout: ZarrLayout,
    ) -> None:
        self.image = image
        self.reader = RegionReader(image)
        self.work: PlaneWork = operation.bind(image.axes, image.dtype, settled)
        record = processing_record(**self.work.record)
        self.plan: VolumePlan = plan_volume(
            image, self.work.dtype, layout, record, by_plane=self.work.halo is None
        )
        self.volume: ZarrVolume | None = None
        self.grids = self._make_grids()

    def __enter__(self) -> OpenVolume:
        return self

    def __exit__(self, *_: object) -> None:
        self.image.close()

    @property
    def target(self) -> ZarrVolume:
        """The unfinished output."""
        if self.volume is None:
            msg = "the unfinished output is not open: call open first"
            raise InputError(msg)
        return self.volume

    def _make_grids(self) -> list[BlockUnits]:
        plan, axes = self.plan, self.image.axes
        finest = plan.levels[0]
        if isinstance(self.image, ZarrSource):
            stored = [self.image.array.chunks[k] for k in plan.order]
        else:  # a file gives whole planes
            stored = [n if a in "YXS" else 1 for a, n in self._in_order()]
        whole = "".join(
            out
            for out, (letter, _) in zip(plan.letters, self._in_order(), strict=True)
            if letter == "S" or (self.work.halo is None and letter in "YX")
        )
        itemsizes = self.image.dtype.itemsize + self.work.dtype.itemsize
        most = MAX_UNIT_BYTES // itemsizes
        if self.work.halo is None:
            self._check_whole_plane(finest.grid)
        grids = []
        for number, level in enumerate(plan.levels):
            block = unit_block(
                plan.letters,
                level.shape,
                level.grid,
                stored if number == 0 else level.grid,
                # four pixels are read for one that is written
                max_values=most if number == 0 else most // 2,
                whole=whole if number == 0 else "",
                # means cost so little that a few planes make one unit
                grown="YX" if number == 0 else plan.letters,
            )
            grids.append(BlockUnits(str(number), plan.letters, level.shape, block))
        #: whether a unit holds whole planes
        sides = zip(plan.letters, grids[0].block, finest.shape, strict=True)
        self.by_plane = all(b >= n for letter, b, n in sides if letter in "YX")
        self.means = BlockUnits(
            MEANS, axes.stack_axes, axes.stack_shape, [1] * len(axes.stack_shape)
        )
        return grids

    def _in_order(self) -> list[tuple[str, int]]:
        """Letter and length of the input's axes, in the output's order."""
        axes = self.image.axes
        return [(axes.axes[k], axes.shape[k]) for k in self.plan.order]

    def _check_whole_plane(self, grid: tuple[int, ...]) -> None:
        plane = math.prod(self.image.axes.plane_shape)
        deep = math.prod(
            min(g, n)
            for g, (letter, n) in zip(grid, self._in_order(), strict=True)
            if letter not in "YXS"
        )
        if deep * plane > MAX_WHOLE_VALUES:
            msg = (
                f"{self.image.path}: this method needs whole planes, and {deep} of "
                f"{plane:,} values are written at once: give chunks of one plane "
                "(chunks of Z and T of 1)"
            )
            raise InputError(msg)

    @functools.cached_property
    def stages(self) -> list[Sequence[str]]:
        """All units."""
        stages: list[Sequence[str]] = list(self.grids)
        if self._needs_means:
            stages.insert(0, self.means)
        return stages

    @property
    def _needs_means(self) -> bool:
        return bool(self.work.statistics_size) and not self.by_plane

    # ---------------------------------------------------------------- statistics
    def number(self, unit: str) -> int:
        """Plane that a unit of the first stage is about."""
        shape = self.image.axes.stack_shape
        places = [part.start for part in self.means.region(unit)]
        return int(np.ravel_multi_index(places, shape)) if places else 0

    def gather(self, unit: str) -> NDArray[np.float32]:
        """Gather the statistics of a plane."""
        number, axes = self.number(unit), self.image.axes

        def read(window: tuple[slice, slice]) -> NDArray[Any]:
            return as_plane(axes, self.reader(plane_region(axes, number, *window)))

        return self.work.statistics(read, number)

    # --------------------------------------------------------------------- blocks
    def _inner(self, unit: str) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Region of a unit along the input's axes, without and with its context."""
        region = self.grids[0].region(unit)
        axes = self.image.axes
        core = tuple(region[self.plan.order.index(k)] for k in range(len(axes.axes)))
        if self.by_plane:
            return core, core
        context = Context(self.work.halo or 0, self.work.alignment)
        return core, tuple(
            context.around(part, length) if letter in "YX" else part
            for part, length, letter in zip(core, axes.shape, axes.axes, strict=True)
        )

    def read_block(self, unit: str) -> NDArray[Any]:
        """Read a block with its context, along the input's axes."""
        return self.reader(self._inner(unit)[1])

    def work_on(self, unit: str, data: NDArray[Any], statistics: Any) -> NDArray[Any]:
        """Work on all planes of a block; the result is along the output's axes."""
        core, wide = self._inner(unit)
        axes = self.image.axes
        inner = type(axes)(axes.axes, data.shape)
        starts = [
            p.start for p, a in zip(core, axes.axes, strict=True) if a not in "YXS"
        ]
        cut = {
            a: slice(c.start - w.start, c.stop - w.start)
            for c, w, a in zip(core, wide, axes.axes, strict=True)
        }
        kept = tuple(cut[a] for a in axes.plane_axes)
        result = np.empty(
            tuple(part.stop - part.start for part in core), self.work.dtype
        )
        for index in inner.iter_planes():
            at = [
                start + k
                for start, k in zip(
                    starts, (i for i in index if not isinstance(i, slice)), strict=True
                )
            ]
            number = int(np.ravel_multi_index(at, axes.stack_shape)) if at else 0
            shared = statistics(number) if self._needs_means else None
            plane = np.ascontiguousarray(inner.to_plane(data[index]))
            done = self.work.apply(plane, number, shared)[kept]
            result[index] = inner.from_plane(done)
        return result.transpose(self.plan.order)

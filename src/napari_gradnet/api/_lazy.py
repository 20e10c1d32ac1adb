"""Denoise dask arrays when and where their values are asked for."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.batch.network import NetworkOperation
from napari_gradnet.batch.volume_samples import (
    as_plane,
    plane_region,
    sample_volume,
)
from napari_gradnet.batch.volume_units import Context
from napari_gradnet.errors import MissingDependencyError
from napari_gradnet.inference.options import NanPolicy, StackOptions, Vst
from napari_gradnet.values import check_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.batch.operation import PlaneWork
    from napari_gradnet.inference.precision import Precision

__all__ = ["denoise_lazy"]

logger = logging.getLogger(__name__)

#: Bound operations that a process keeps, so that each of its blocks finds its own.
_KEPT = 4
_bound: OrderedDict[str, PlaneWork] = OrderedDict()


def denoise_lazy(  # noqa: PLR0913 - the options of `denoise`
    image: Any,
    model: str | Path = "auto",
    *,
    axes: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    ensemble: bool | None = None,
    dtype: str = "same",
    vst: Vst = "auto",
    nan: NanPolicy = "raise",
    value_range: tuple[float, float] | None = None,
) -> Any:
    """Denoise a dask array chunk by chunk, when its values are computed.

    Chunks see as much of their neighbours as the network's receptive field asks for,
    so that the result is that of `denoise`, without seams. The graph can be pickled and
    computed by any scheduler; each process loads the model once.

    Parameters
    ----------
    image : dask.array.Array, 2 to 5 dimensions
        Or anything that ``dask.array.from_array`` takes, such as a zarr array.
    model, axes, device, precision, tile, ensemble, dtype, vst, nan, value_range
        See `denoise`. `device` is one of the machine that computes.

    Returns
    -------
    dask.array.Array
        In the units of `image` and with its chunks; chunks along Y and X that are
        smaller than the context they need are joined first, as are all of a plane for a
        guide by BM3D, which needs whole planes.

    Raises
    ------
    InputError, ModelError, DeviceError
        See `denoise`. What only the pixels tell, such as NaN, is raised on computing.
    MissingDependencyError
        dask is not installed.

    Notes
    -----
    The scaling is settled here and now, once for the array: of each channel at most 16
    evenly spread planes are computed (of planes above 2**24 values 9 windows of 512 x
    512 pixels each). Up to that size it is the scaling that `denoise` finds.
    """
    da = _import_dask()
    array = image if isinstance(image, da.Array) else da.from_array(image)
    checked, guessed = resolve_axes(array.shape, axes)
    if guessed:
        logger.warning("%s", guessed)
    check_dtype(array.dtype)
    operation = NetworkOperation(
        model,
        device=device,
        precision=precision,
        options=StackOptions(tile, ensemble, vst, nan, dtype, value_range),
    )
    source = _DaskSource(array, checked)
    samples = sample_volume(source, source.read_region)
    state = operation.settle(checked, array.dtype, samples)
    del samples
    block = _Block(operation, checked, array.dtype, state)
    return _map(array, block)


def _import_dask() -> Any:
    try:
        import dask.array
    except ImportError as error:
        msg = (
            "lazy denoising needs dask, which is not installed: run `pip install "
            "'napari-gradnet[cluster]'`"
        )
        raise MissingDependencyError(msg) from error
    return dask.array


class _DaskSource:
    """A dask array as something that samples can be taken from."""

    def __init__(self, array: Any, axes: ImageAxes) -> None:
        self.axes = axes
        self._array = array

    def read_region(self, region: tuple[slice, ...]) -> NDArray[Any]:
        return np.asarray(self._array[region])

    def read_plane(self, number: int) -> NDArray[Any]:
        rows, columns = (slice(0, k) for k in self.axes.plane_shape[:2])
        region = plane_region(self.axes, number, rows, columns)
        return as_plane(self.axes, self.read_region(region))


@dataclass(frozen=True)
class _Block:
    """What is done to a chunk; pickled with the graph, without the model."""

    operation: NetworkOperation
    axes: ImageAxes
    dtype: np.dtype[Any]
    state: dict[str, Any]
    #: tells operations apart in the memory of a process
    key: str = field(init=False)

    def __post_init__(self) -> None:
        told = self.operation.describe(self.axes, self.dtype)
        shape = (self.axes.axes, self.axes.shape, self.dtype.str)
        text = json.dumps([told, *shape, self.state], default=str)
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        object.__setattr__(self, "key", digest)

    def __dask_tokenize__(self) -> str:
        return self.key

    @property
    def work(self) -> PlaneWork:
        """The operation, bound once a process (or twice, should two threads meet)."""
        work = _bound.get(self.key)
        if work is None:
            work = self.operation.bind(self.axes, self.dtype, self.state)
            _bound[self.key] = work
            while len(_bound) > _KEPT:
                _bound.popitem(last=False)
        return work

    @property
    def context(self) -> Context:
        """What is read around a part."""
        return Context(self.work.halo or 0, self.work.alignment)

    def gather(self, number: int, *windows: NDArray[Any]) -> NDArray[np.float32]:
        """Gather a plane's statistics from its windows."""
        parts = iter(windows)
        return self.work.statistics(lambda _: as_plane(self.axes, next(parts)), number)

    def __call__(
        self, chunk: NDArray[Any], means: NDArray[np.float32] | None, *where: Any
    ) -> NDArray[Any]:
        """Work on a chunk with its context; `where` is its first and last index."""
        letters = self.axes.axes
        core = [
            slice(int(first[0]), int(last[0]))
            for first, last in zip(where[::2], where[1::2], strict=True)
        ]
        inner = ImageAxes(letters, chunk.shape)
        # of what came with the chunk, the part that keeps the network's grid
        wide: dict[str, slice] = {}
        kept: dict[str, slice] = {}
        for letter, part, length, size in zip(
            letters, core, self.axes.shape, chunk.shape, strict=True
        ):
            wide[letter], kept[letter] = slice(None), slice(None)
            if letter in "YX" and size != part.stop - part.start:
                read = self.context.around(part, length)
                first = max(0, part.start - self.depth)
                wide[letter] = slice(read.start - first, read.stop - first)
                kept[letter] = slice(part.start - read.start, part.stop - read.start)
        cut = tuple(wide[a] for a in self.axes.plane_axes)
        keep = tuple(kept[a] for a in self.axes.plane_axes)
        result = np.empty([p.stop - p.start for p in core], self.work.dtype)
        starts = [p.start for p, a in zip(core, letters, strict=True) if a not in "YXS"]
        for index in inner.iter_planes():
            places = [k for k in index if not isinstance(k, slice)]
            at = [s + k for s, k in zip(starts, places, strict=True)]
            number = int(np.ravel_multi_index(at, self.axes.stack_shape)) if at else 0
            plane = np.ascontiguousarray(inner.to_plane(chunk[index])[cut])
            shared = None if means is None else means[tuple(places)]
            result[index] = inner.from_plane(
                self.work.apply(plane, number, shared)[keep]
            )
        return result

    @property
    def depth(self) -> int:
        """Pixels that a chunk brings along from its neighbours."""
        # the grid may begin anywhere in a chunk
        return self.context.halo + self.context.alignment - 1


def _map(array: Any, block: _Block) -> Any:
    """Build the graph."""
    da = _import_dask()
    work, letters = block.work, block.axes.axes
    array = array.rechunk(_joined_chunks(array, block))
    split = [k for k, a in enumerate(letters) if a in "YX" and array.numblocks[k] > 1]
    depth = dict.fromkeys(range(array.ndim), 0) | dict.fromkeys(split, block.depth)
    wide = da.overlap.overlap(array, depth, boundary="none", allow_rechunk=False)
    axes = tuple(range(array.ndim))
    operands: list[Any] = [wide, axes]
    if split and work.statistics_size:
        stack = tuple(k for k, a in enumerate(letters) if a not in "YXS")
        operands += [_means(array, block, stack), (*stack, array.ndim)]
    else:
        operands += [None, None]
    for axis, sizes in enumerate(array.chunks):
        ends = np.cumsum(sizes)
        for bounds in (ends - np.asarray(sizes), ends):
            operands += [da.from_array(bounds, chunks=1), (axis,)]
    return da.blockwise(
        block,
        axes,
        *operands,
        dtype=work.dtype,
        meta=np.empty((0,) * array.ndim, work.dtype),
        adjust_chunks=dict(enumerate(array.chunks)),
        align_arrays=False,
        concatenate=True,
        name=f"denoise-{block.key}-{array.name}",
    )


def _joined_chunks(array: Any, block: _Block) -> dict[int, Any]:
    """Chunks in which every one has the context that its neighbours need."""
    from dask.array.overlap import ensure_minimum_chunksize

    enough: Any = ensure_minimum_chunksize  # dask has no types here
    chunks: dict[int, Any] = {}
    for axis, letter in enumerate(block.axes.axes):
        if letter == "S" or (letter in "YX" and block.work.halo is None):
            chunks[axis] = -1
        elif letter in "YX" and array.numblocks[axis] > 1:
            if sum(array.chunks[axis]) < 2 * block.depth:
                chunks[axis] = -1
            else:
                chunks[axis] = enough(block.depth, array.chunks[axis])
    return chunks


def _means(array: Any, block: _Block, stack: Sequence[int]) -> Any:
    """Statistics of all planes, with the chunks of the stack."""
    from dask.delayed import delayed

    da = _import_dask()
    size = block.work.statistics_size
    windows = block.work.statistics_windows()
    gather = delayed(block.gather, pure=True)
    rows = []
    for number in range(block.axes.num_planes):
        parts = [array[plane_region(block.axes, number, *w)] for w in windows]
        rows.append(da.from_delayed(gather(number, *parts), (size,), np.float32))
    shape = tuple(array.shape[k] for k in stack)
    means = da.stack(rows).reshape((*shape, size))
    return means.rechunk((*(array.chunks[k] for k in stack), -1))

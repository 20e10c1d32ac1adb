"""One image file (TIFF, PNG, JPEG) as a job whose units are its planes."""

from __future__ import annotations

import contextlib
import threading
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet import __version__
from napari_gradnet.batch.identity import differences, file_identity
from napari_gradnet.batch.job import Job, Written
from napari_gradnet.batch.spool import Spool, spool_path
from napari_gradnet.errors import FileFormatError, GradNetError, InputError
from napari_gradnet.inference.record import processing_record
from napari_gradnet.io import check_like, create_like, join_messages, open_image
from napari_gradnet.samples import sample_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.batch.operation import Operation, PlaneWork
    from napari_gradnet.io import ImageSource

__all__ = ["ImageJob"]

#: Side of the part of a plane whose noise goes into the report, pixels.
NOISE_SIDE = 256


class _PlaneNames:
    """Names of the planes, without a list of them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return f"plane-{index}"

    def __iter__(self) -> Iterator[str]:
        return (f"plane-{k}" for k in range(self._count))


class ImageJob(Job):
    """One image file, denoised plane by plane into a file of the same kind.

    Planes of a stack wait in a `Spool` until all are there; a single plane waits in
    memory.

    Parameters
    ----------
    source, output : Path
        Input and output.
    operation : Operation
        What is done to every plane.
    name : str
        Of the input, for messages.
    axes : str, optional
        Where the file's own are missing or wrong.
    overwrite : bool
        Whether an existing output is replaced.
    measure_noise : bool
        Whether `noise` looks at the image; of a gradient there is none to tell.
    """

    def __init__(
        self,
        source: Path,
        output: Path,
        operation: Operation,
        *,
        name: str = "",
        axes: str | None = None,
        overwrite: bool = False,
        measure_noise: bool = True,
    ) -> None:
        self.source = source
        self.output = output
        self.name = name or str(source)
        self.operation = operation
        self.axes = axes
        self.overwrite = overwrite
        self.measure_noise = measure_noise
        self._known: dict[str, Any] | None = None
        self._state: dict[str, Any] | None = None
        self._forget()

    def _forget(self) -> None:
        """Have nothing open."""
        self._guard = threading.Lock()
        self._file: ImageSource | None = None
        self._work: PlaneWork | None = None
        self._spool: Spool | None = None
        self._single: NDArray[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        left = ("_guard", "_file", "_work", "_spool", "_single")
        return {k: v for k, v in self.__dict__.items() if k not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    # --------------------------------------------------------------- description
    @property
    def _image(self) -> ImageSource:
        if self._file is None:
            self._file = open_image(self.source, axes=self.axes)
        return self._file

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What the output's bytes depend on; the file is opened for it."""
        if self._known is None:
            self._known = {
                "input": file_identity(self.source),
                "operation": self.operation.describe(
                    self._image.axes, self._image.dtype
                ),
                "axes": self.axes,
                "version": __version__,
            }
        return self._known

    @property
    def stages(self) -> Sequence[Sequence[str]]:
        """One stage: the planes."""
        names: Any = _PlaneNames(self._image.num_planes)
        return [names]

    @property
    def num_values(self) -> int:
        """Pixel values of the file."""
        return self._image.nbytes // self._image.dtype.itemsize

    @property
    def is_small(self) -> bool:
        """Whether one process should do all of it: a single plane."""
        return self._image.num_planes == 1

    # ---------------------------------------------------------------- life cycle
    @property
    def keeps_units(self) -> bool:
        """Whether the spool is there."""
        return spool_path(self.output).exists()

    def prepare(self) -> None:
        """Settle what all planes share; start or find the spool."""
        image = self._image
        fingerprint = dict(self.fingerprint)
        self._spool = self._find_spool(fingerprint)
        if self._spool is not None:
            self._state = self._spool.header["state"]
        else:
            samples = sample_planes(image.read_plane, image.axes)
            self._state = self.operation.settle(image.axes, image.dtype, samples)
            del samples
        self._bind()
        # a name or type that cannot be written is told now, not after all the work
        check_like(image, self.output, dtype=self._bound.dtype)
        if self._spool is None and not self.is_small:
            self._spool = Spool.create(
                spool_path(self.output),
                image.axes.plane_shape,
                self._bound.dtype,
                {"fingerprint": fingerprint, "state": self._state},
                image.num_planes,
            )

    def _find_spool(self, fingerprint: dict[str, Any]) -> Spool | None:
        try:
            spool = Spool(spool_path(self.output))
        except (FileFormatError, FileNotFoundError):
            return None
        changed = differences(spool.header["fingerprint"], fingerprint)
        if changed:
            spool.close()
            name, how = next(iter(changed.items()))
            msg = (
                f"{self.output} was begun otherwise ({name} {how}): set the options "
                "back, or begin it anew (--restart)"
            )
            raise InputError(msg)
        return spool

    def _bind(self) -> None:
        image = self._image
        if self._state is None:
            msg = f"{self.name} is not prepared: call prepare first"
            raise InputError(msg)
        self._work = self.operation.bind(image.axes, image.dtype, self._state)

    @property
    def _bound(self) -> PlaneWork:
        if self._work is None:
            self._bind()
        if self._work is None:
            msg = f"{self.name} could not be opened"
            raise InputError(msg)
        return self._work

    def open(self) -> None:
        """Open input, spool and model in this process."""
        if self._work is None:
            self._bind()
        if self._spool is None and not self.is_small:
            self._spool = Spool(spool_path(self.output))

    def close(self) -> None:
        """Close what is open."""
        for file in (self._file, self._spool):
            if file is not None:
                file.close()
        self._forget()

    # --------------------------------------------------------------------- units
    def read(self, unit: str) -> NDArray[Any]:
        """Read a plane."""
        with self._guard:
            return self._image.read_plane(_number(unit))

    def compute(self, unit: str, data: NDArray[Any]) -> NDArray[Any]:
        """Work on a plane."""
        return self._bound.apply(data, _number(unit))

    def write(self, unit: str, result: NDArray[Any]) -> Written:
        """Keep a finished plane."""
        result = np.ascontiguousarray(result)
        if self._spool is not None:
            checksum = self._spool.write(_number(unit), result)
        else:
            self._single = result
            checksum = zlib.crc32(result.data).to_bytes(4, "little").hex()
        return Written(result.nbytes, checksum)

    def sync(self) -> None:
        """Let the process that leads see the planes."""
        if self._spool is not None:
            self._spool.sync()

    def _finished_plane(self, number: int) -> NDArray[Any]:
        plane = self._spool.read(number) if self._spool else self._single
        if plane is not None:
            return plane
        # lost in a power cut, though the journal has it
        unit = f"plane-{number}"
        return self.compute(unit, self.read(unit))

    def noise(self) -> tuple[float, float] | None:
        """Noise of the middle of the middle plane."""
        from napari_gradnet.noise.estimate import estimate_noise

        if not self.measure_noise:
            return None
        number = self._image.num_planes // 2
        unit = f"plane-{number}"
        sigmas = []
        for plane in (self.read(unit), self._finished_plane(number)):
            rows, columns = (slice(*_middle(k)) for k in plane.shape[:2])
            part = plane[rows, columns]
            if part.ndim == 3:
                part = part[..., :3]
            try:
                estimate = estimate_noise(
                    part, channel_axis=-1 if part.ndim == 3 else None
                )
            except InputError:
                return None
            sigmas.append(estimate.sigma)
        return sigmas[0], sigmas[1]

    def finish(self) -> str:
        """Write the output from the finished planes."""
        record = processing_record(**self._bound.record)
        with create_like(
            self._image,
            self.output,
            dtype=self._bound.dtype,
            record=record,
            overwrite=self.overwrite,
        ) as out:
            for number in range(self._image.num_planes):
                out.write_plane(self._finished_plane(number))
        self._remove_spool()
        return join_messages(self._image.message, out.message)

    def discard(self) -> None:
        """Close, and forget the finished planes."""
        self._remove_spool()
        self.close()

    def _remove_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        path = spool_path(self.output)
        for left in (path, path.with_name(path.name + ".new")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def _number(unit: str) -> int:
    kind, _, number = unit.partition("-")
    if kind != "plane" or not number.isdecimal():
        msg = f"{unit!r} is no unit of an image file: they are called plane-0, ..."
        raise GradNetError(msg)
    return int(number)


def _middle(length: int) -> tuple[int, int]:
    start = max(0, (length - NOISE_SIDE) // 2)
    return start, min(length, start + NOISE_SIDE)

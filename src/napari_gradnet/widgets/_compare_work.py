"""What the threads of the Compare widget do. No Qt here."""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import ImageAxes
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Event, Progress
from napari_gradnet.widgets._compare_curtain import cheap_array
from napari_gradnet.widgets._naive_work import NaiveOptions, NaiveRun, iter_estimate
from napari_gradnet.widgets._options import DenoiseOptions
from napari_gradnet.widgets._work import DenoiseRun

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.api import Quality, ResidualReport
    from napari_gradnet.widgets._layers import Region
    from napari_gradnet.widgets._work import Run

__all__ = [
    "Candidate",
    "Trial",
    "iter_candidates",
    "iter_qualities",
    "iter_residual",
    "iter_trials",
    "removed_noise",
]

logger = logging.getLogger(__name__)

#: Most planes of a channel that are looked at in a stack.
NUM_PLANES = 8


def removed_noise(noisy: Any, denoised: Any, *, rgb: bool) -> Any:
    """Noisy minus denoised, computed plane by plane when it is looked at.

    Parameters
    ----------
    noisy, denoised : array
        numpy, dask or zarr; of one shape.
    rgb : bool
        Whether the last dimension is colours: their mean is taken, without alpha.

    Returns
    -------
    dask array
        Floating-point, without the dimension of the colours.
    """
    first, second = (_by_planes(image, rgb=rgb) for image in (noisy, denoised))
    dtype = np.result_type(first.dtype, second.dtype, np.float32)
    removed = first.astype(dtype) - second.astype(dtype)
    return removed[..., :3].mean(-1) if rgb else removed


def _by_planes(image: Any, *, rgb: bool) -> Any:
    if not isinstance(image, np.ndarray):
        return cheap_array(image)
    import dask.array as da

    whole = 3 if rgb else 2
    chunks = (1,) * (image.ndim - whole) + image.shape[-whole:]
    return da.from_array(image, chunks=chunks, name=False)  # type: ignore[no-untyped-call]


def iter_residual(
    noisy: Any, denoised: Any, axes: str, region: Region | None
) -> Generator[Event, None, ResidualReport]:
    """Judge what was removed, on the screen or in planes spread over a stack."""
    from napari_gradnet import api

    if region is not None:
        noisy, denoised = noisy[region], denoised[region]
    report: ResidualReport = yield from api.iter_analyze_residual(
        noisy, denoised, axes=axes, num_planes=NUM_PLANES
    )
    return report


def iter_qualities(
    images: dict[str, Any],
    reference: Any,
    axes: str,
    region: Region | None,
    **options: Any,
) -> Generator[Event, None, dict[str, Quality]]:
    """Compare images with their reference; by name."""
    from napari_gradnet import api

    if region is not None:
        reference = reference[region]
    qualities = {}
    for number, (name, image) in enumerate(images.items()):
        work = api.iter_measure_quality(
            image if region is None else image[region],
            reference,
            axes=axes,
            num_planes=NUM_PLANES,
            **options,
        )
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                qualities[name] = stop.value
                break
            if isinstance(event, Progress):
                done = number * event.total + event.done
                yield Progress(done, len(images) * event.total, "plane")
    return qualities


@dataclass(frozen=True)
class Candidate:
    """A method to try.

    Parameters
    ----------
    kind : {"model", "naive"}
        A network or a naive method.
    name : str
        Of a packaged model or a method, or a model file.
    about : str
        A sentence.
    """

    kind: str
    name: str
    about: str = ""

    @property
    def label(self) -> str:
        """What it is called in tables."""
        path = Path(self.name)
        return path.stem if path.suffix == ".safetensors" else self.name


def iter_candidates(
    folder: Path, *, rgb: bool
) -> Generator[Event, None, list[Candidate]]:
    """Look for the methods that fit grey or colour images.

    Parameters
    ----------
    folder : Path
        Of the user's models.
    rgb : bool
        Whether images have colours.
    """
    from napari_gradnet import api
    from napari_gradnet.bundle import read_header
    from napari_gradnet.naive import get_method

    yield Progress(0, 1)
    headers = {info.name: info.header for info in api.list_models()}
    for path in sorted(folder.glob("[!.]*.safetensors")):
        try:
            headers[str(path)] = read_header(path)
        except GradNetError as error:
            logger.warning("not listed: %s", error)
    models = [
        Candidate("model", name, header.description)
        for name, header in headers.items()
        if rgb or header.channels == 1
    ]
    naive = [
        Candidate("naive", name, get_method(name).summary)
        for name in api.list_naive_methods()
    ]
    return models + naive


@dataclass(frozen=True)
class Trial(Event):
    """What came of one method.

    Parameters
    ----------
    candidate : Candidate
        The method.
    seconds : float
        Without loading the model.
    image : ndarray, optional
        The result, with all dimensions of the region.
    psnr : float, optional
        Against the reference, in decibels.
    error : str
        Why there is no result, or no PSNR.
    record : dict
        How it was made.
    """

    candidate: Candidate
    seconds: float = 0.0
    image: NDArray[Any] | None = None
    psnr: float | None = None
    error: str = ""
    record: dict[str, Any] = dataclasses.field(default_factory=dict)


def iter_trials(
    image: Any,
    axes: str,
    region: Region,
    candidates: Sequence[Candidate],
    reference: Any = None,
    compute: DenoiseOptions | None = None,
) -> Generator[Event, None, None]:
    """Denoise a part of an image with several methods, one after the other.

    Parameters
    ----------
    image : array
        The whole image.
    axes : str
        Of the image.
    region : tuple of slice
        The part that is denoised.
    candidates : sequence of Candidate
        The methods.
    reference : array, optional
        Without noise, of the whole image.
    compute : DenoiseOptions, optional
        Device, precision and tile of the networks.

    Yields
    ------
    Trial
        One a method.
    Progress
        Of the methods.
    """
    from napari_gradnet import api

    total = len(candidates)
    yield Progress(0, total, "method", "estimating the noise")
    compute = _possible(compute or DenoiseOptions())
    noise, why_none = None, ""
    try:
        noise = yield from _quietly(iter_estimate(image, ImageAxes(axes, image.shape)))
    except GradNetError as error:  # networks can do without
        why_none = str(error)
    target = None if reference is None else np.asarray(reference[region])
    for done, candidate in enumerate(candidates):
        yield Progress(done, total, "method", candidate.label)
        if noise is None and candidate.kind == "naive":
            yield Trial(candidate, error=why_none)
            continue
        try:
            run = _prepare(image, axes, region, candidate, noise, compute)
            if isinstance(run, DenoiseRun):  # the time is that of denoising
                _load(run.options)
            began = time.perf_counter()
            yield from _quietly(run.events(), Progress(done, total, "method"))
        except Exception as error:  # the graphics card's memory, for one
            logger.debug("%s failed", candidate.label, exc_info=error)
            yield Trial(candidate, error=_reason(error))
            continue
        seconds = time.perf_counter() - began
        psnr, unmeasured = None, ""
        try:
            if target is not None:
                psnr = api.measure_quality(run.result, target, axes=axes).psnr
        except Exception as error:  # NaN in the reference, for one
            logger.debug("%s is not measured", candidate.label, exc_info=error)
            unmeasured = _reason(error)
        yield Trial(candidate, seconds, run.result, psnr, unmeasured, run.record)
    yield Progress(total, total, "method")


def _reason(error: Exception) -> str:
    if isinstance(error, GradNetError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _quietly(
    work: Generator[Event, None, Any], instead: Progress | None = None
) -> Generator[Event, None, Any]:
    """Run work with other events, so that it can be cancelled between them."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
        yield instead if instead is not None else Progress(0, 1, "method")


def _prepare(
    image: Any,
    axes: str,
    region: Region,
    candidate: Candidate,
    noise: Any,
    compute: DenoiseOptions,
) -> Run:
    if candidate.kind == "model":
        options = dataclasses.replace(compute, model=candidate.name, axes=axes)
        return DenoiseRun(image, options, region)
    return NaiveRun(image, axes, NaiveOptions(candidate.name), noise, region)


def _possible(options: DenoiseOptions) -> DenoiseOptions:
    """Leave out a device that is not there, as forms do."""
    from napari_gradnet import api

    device = "cuda:0" if options.device == "cuda" else options.device
    there = device in api.list_devices()
    return dataclasses.replace(options, device=device if there else "auto")


def _load(options: DenoiseOptions) -> None:
    from napari_gradnet import api

    precision: Any = options.precision
    api.open_model(options.model, device=options.device, precision=precision)

"""Naive denoising of whole images: axes, dtypes, noise, stabilisation, planes."""

from __future__ import annotations

import logging
import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.errors import InputError
from napari_gradnet.events import Event, OnEvent, Progress, drain
from napari_gradnet.naive.channels import check_vst, settle_channels
from napari_gradnet.naive.planes import as_sigmas, denoise_plane
from napari_gradnet.naive.registry import get_method
from napari_gradnet.noise.stabilize import Stabilizer
from napari_gradnet.samples import sample_planes
from napari_gradnet.values import cast_values, check_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["naive_denoise"]

logger = logging.getLogger(__name__)

_Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class _ChannelPlan:
    """How the planes of one channel are treated."""

    sigma: tuple[float, ...]
    stabilizer: Stabilizer | None


def naive_denoise(  # noqa: PLR0913 - the options of the public function
    image: ArrayLike,
    method: str = "bm3d",
    *,
    sigma: float | Sequence[float] | None = None,
    sigma_factor: float = 1.0,
    vst: bool | Literal["auto"] | Stabilizer = "auto",
    axes: str | None = None,
    dtype: Literal["same", "float32"] = "same",
    workers: int | None = None,
    on_event: OnEvent | None = None,
) -> NDArray[np.generic]:
    """Denoise an image with a classical method, plane by plane.

    Parameters
    ----------
    image : array_like, 2 to 5 dimensions
        Integer or floating-point numbers in any units, all finite. RGB(A) samples are
        denoised together and alpha is passed through; channels (C) one by one.
    method : str
        One of `list_naive_methods`. ``bm3d`` is for non-commercial use only.
    sigma : float or three of them, optional
        Noise standard deviation in the units of `image`, of all or of each RGB sample.
        Where not given it is estimated, once for each channel over the whole stack.
    sigma_factor : float
        The given or estimated sigma is multiplied by this: above 1 smooths more.
    vst : {"auto", True, False} or Stabilizer
        Variance stabilisation for noise that grows with the signal. ``"auto"`` looks at
        the image, uses it where that is clear and `sigma` is not given; True insists;
        a `Stabilizer` uses the camera's known gain, offset and read noise.
    axes : str, optional
        One letter a dimension, such as ``"TZCYX"`` or ``"YXS"``; guessed if missing.
    dtype : {"same", "float32"}
        ``"same"`` rounds and saturates to the dtype of `image`; ``"float32"`` keeps
        everything.
    workers : int, optional
        Threads; all processors where not given. The result does not depend on it.
    on_event : callable, optional
        Called with a `Progress` after each plane; raising an exception cancels.

    Returns
    -------
    ndarray, shape of `image`
        In the units of `image`.

    Raises
    ------
    InputError
        The image or an option cannot be used; the message says what to do.
    MissingDependencyError
        The method needs a package that is not installed.

    Notes
    -----
    Nothing is drawn at random: the same input gives the same bytes.
    """
    array = np.asarray(image)
    check_dtype(array.dtype)
    _check_finite(array)
    image_axes, message = resolve_axes(array.shape, axes)
    if message:
        logger.info(message)
    if dtype not in ("same", "float32"):
        msg = f"dtype={dtype!r} is unknown: use 'same' or 'float32'"
        raise InputError(msg)
    if not (np.isfinite(sigma_factor) and sigma_factor > 0):
        msg = f"sigma_factor={sigma_factor!r} must be above 0"
        raise InputError(msg)
    if workers is not None and workers < 1:
        msg = f"workers={workers} must be at least 1"
        raise InputError(msg)
    get_method(method).load()  # an unknown method fails before the estimation
    plans = _plan(array, image_axes, sigma, sigma_factor, vst)
    out = np.empty(array.shape, array.dtype if dtype == "same" else np.float32)
    work = _iter_planes(
        array, out, image_axes, plans, method, workers or _num_processors(), message
    )
    drain(work, on_event)
    return out


def _num_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_finite(array: NDArray[np.generic]) -> None:
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if count:
        first = tuple(int(k) for k in np.unravel_index(int(bad.argmax()), bad.shape))
        msg = (
            f"the image has {count} NaN or infinite pixels, the first at {first}: fill "
            "them before denoising"
        )
        raise InputError(msg)


def _plane(
    array: NDArray[np.generic], axes: ImageAxes, index: _Index
) -> NDArray[np.generic]:
    return axes.to_plane(array[index])


def _plan(
    array: NDArray[np.generic],
    axes: ImageAxes,
    sigma: float | Sequence[float] | None,
    sigma_factor: float,
    vst: bool | Literal["auto"] | Stabilizer,
) -> list[_ChannelPlan]:
    """One plan for each channel."""
    if not isinstance(vst, Stabilizer):
        check_vst(vst)
    if sigma is not None and vst not in ("auto", False):
        msg = (
            "sigma is the noise of an image that is not stabilised: give sigma with "
            "vst=False, or vst with sigma_factor"
        )
        raise InputError(msg)
    channels = range(axes.length("C"))
    if sigma is not None:
        sigmas = tuple(as_sigmas(sigma) * sigma_factor)
        return [_ChannelPlan(sigmas, None) for _ in channels]
    if isinstance(vst, Stabilizer):
        return [_ChannelPlan((sigma_factor,), vst) for _ in channels]
    return _estimated_plans(array, axes, sigma_factor, vst)


def _estimated_plans(
    array: NDArray[np.generic],
    axes: ImageAxes,
    sigma_factor: float,
    vst: bool | Literal["auto"],
) -> list[_ChannelPlan]:
    indices = list(axes.iter_planes())
    samples = sample_planes(lambda n: _plane(array, axes, indices[n]), axes)
    settled = settle_channels(samples, rgb=axes.is_rgb, vst=vst)
    plans = []
    for channel in sorted(settled):
        known = settled[channel]
        sigmas = tuple(s * sigma_factor for s in known.get("sigma", (1.0,)))
        plans.append(_ChannelPlan(sigmas, known["vst"] or None))
    return plans


def _denoise_one(
    plane: NDArray[np.generic], plan: _ChannelPlan, method: str, workers: int
) -> NDArray[np.floating]:
    """Denoise a plane without alpha, in its own units."""
    if plan.stabilizer is None:
        return denoise_plane(plane, method, plan.sigma, workers=workers)
    stabilized = plan.stabilizer.forward(plane)
    denoised = denoise_plane(stabilized, method, plan.sigma, workers=workers)
    return plan.stabilizer.inverse(denoised)


def _iter_planes(
    array: NDArray[np.generic],
    out: NDArray[np.generic],
    axes: ImageAxes,
    plans: list[_ChannelPlan],
    method: str,
    workers: int,
    message: str,
) -> Generator[Event, None, None]:
    """Denoise all planes into `out`; yields progress."""
    total = axes.num_planes
    threads = min(workers, total) if get_method(method).parallel else 1
    inner = max(workers // threads, 1)
    channel_at = axes.axes.find("C")

    def run(index: _Index) -> None:
        plane = _plane(array, axes, index)
        # the index of a plane holds the number of its channel
        channel = index[channel_at] if channel_at >= 0 else 0
        plan = plans[channel if isinstance(channel, int) else 0]
        result = np.empty(plane.shape, out.dtype)
        samples = plane[..., :3] if axes.is_rgb else plane
        denoised = _denoise_one(samples, plan, method, inner)
        result[..., : samples.shape[-1]] = cast_values(denoised, out.dtype)
        if axes.is_rgb and plane.shape[-1] == 4:
            result[..., 3] = plane[..., 3]
        out[index] = axes.from_plane(result)

    yield Progress(0, total, "plane", message)
    if threads == 1:
        for done, index in enumerate(axes.iter_planes(), start=1):
            run(index)
            yield Progress(done, total, "plane")
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _run_pool(pool, run, axes, 2 * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _run_pool(
    pool: ThreadPoolExecutor,
    run: Callable[[_Index], None],
    axes: ImageAxes,
    window: int,
) -> Generator[Event, None, None]:
    """Keep at most `window` planes waiting, so that a cancelled run ends soon."""
    waiting: set[Future[None]] = set()
    indices = axes.iter_planes()
    done = 0
    while True:
        for index in indices:
            waiting.add(pool.submit(run, index))
            if len(waiting) >= window:
                break
        if not waiting:
            return
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
            done += 1
            yield Progress(done, axes.num_planes, "plane")

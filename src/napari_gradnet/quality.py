"""An image against its reference: PSNR and SSIM of all, textured and smooth pixels."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.events import Event, Progress, drain
from napari_gradnet.metrics import affine_fit, psnr, ssim, textured_mask
from napari_gradnet.pairs import spread_pair
from napari_gradnet.values import black_and_white

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    Planes = list[NDArray[np.float64]]

__all__ = ["EPSILON", "Quality", "iter_measure_quality", "measure_quality"]

#: Least gradient of texture; the smallest that the GradNet paper uses.
EPSILON = 0.5
#: Largest side of the part of a plane that is looked at, pixels.
_LARGEST = 2048
_WINDOW = 7
_NAMES = tuple(
    f"{k}{part}" for k in ("psnr", "ssim") for part in ("", "_textured", "_smooth")
)


@dataclass(frozen=True)
class Quality:
    """How near an image is to its reference; means over the planes.

    Parameters
    ----------
    psnr, psnr_textured, psnr_smooth : float
        Decibels; NaN where there are no such pixels.
    ssim, ssim_textured, ssim_smooth : float
        -1..1; NaN where there are no such pixels or a side is below 7 pixels.
    black, white : float
        What counts as 0 and 1, in the units of the reference.
    num_planes : int
        Planes that were compared.
    """

    psnr: float
    psnr_textured: float
    psnr_smooth: float
    ssim: float
    ssim_textured: float
    ssim_smooth: float
    black: float
    white: float
    num_planes: int

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return dataclasses.asdict(self)


def measure_quality(
    image: Any,
    reference: Any,
    *,
    axes: str | None = None,
    value_range: tuple[float, float] | Literal["auto"] = "auto",
    epsilon: float = EPSILON,
    fit: bool = False,
    num_planes: int = 8,
) -> Quality:
    """Compare an image with its reference.

    Parameters
    ----------
    image, reference : array, 2 to 5 dimensions, of one shape
        In the same units; numpy, dask or zarr. Of larger planes, the middle
        2048 x 2048 pixels are read.
    axes : str, optional
        One letter a dimension; guessed when not given. Alpha is left out.
    value_range : (float, float) or "auto"
        Black and white, in the units of the reference. ``"auto"`` takes 0 and 255 for
        8-bit numbers, 0 and 1 for floats between them, and else the reference's
        percentiles 0.1 and 99.9; see `values.black_and_white`.
    epsilon : float
        Least Sobel gradient of the reference, black to white being 0 to 1, that counts
        as texture; see `metrics.textured_mask`.
    fit : bool
        Whether each plane is brought to the reference's brightness and contrast first,
        for references of another exposure.
    num_planes : int
        Most planes of a channel to compare; they are spread over the stack.

    Returns
    -------
    Quality
        Values beyond black and white are clipped in 8-bit images and floats from 0 to
        1, as is the custom, and kept in others.

    Raises
    ------
    InputError
        The shapes differ, or there are NaN or infinite values.
    """
    return drain(
        iter_measure_quality(
            image,
            reference,
            axes=axes,
            value_range=value_range,
            epsilon=epsilon,
            fit=fit,
            num_planes=num_planes,
        )
    )


def iter_measure_quality(
    image: Any,
    reference: Any,
    *,
    axes: str | None = None,
    value_range: tuple[float, float] | Literal["auto"] = "auto",
    epsilon: float = EPSILON,
    fit: bool = False,
    num_planes: int = 8,
) -> Generator[Event, None, Quality]:
    """Do the work of `measure_quality` as a generator of `Progress`, one a plane."""
    checked, places = spread_pair(
        {"image": image, "reference": reference},
        axes=axes,
        num_planes=num_planes,
        largest=_LARGEST,
    )

    def read(array: Any, place: tuple[int | slice, ...]) -> NDArray[Any]:
        plane = checked.to_plane(np.asarray(array[place]))
        return _finite(plane[..., : 3 if checked.is_rgb else None])

    ends = value_range
    if ends == "auto":
        ends = _auto_range(reference, read, places)
    black, white = (float(end) for end in ends)
    if not (math.isfinite(black) and math.isfinite(white) and white > black):
        msg = f"value_range={ends} must be a black and a white above it"
        raise InputError(msg)
    clip = (black, white) in ((0, 255), (0, 1))
    rows = []
    for done, place in enumerate(places):
        yield Progress(done, len(places), "plane")
        pair = [
            (read(array, place).astype(np.float64) - black) / (white - black)
            for array in (image, reference)
        ]
        if fit:
            pair[0] = affine_fit(*pair).apply(pair[0])
        rows.append(_figures(pair, epsilon, clip, -1 if checked.is_rgb else None))
    yield Progress(len(places), len(places), "plane")
    means = (_mean(values) for values in zip(*rows, strict=True))
    figures: dict[str, Any] = dict(zip(_NAMES, means, strict=True))
    return Quality(**figures, black=black, white=white, num_planes=len(rows))


def _finite(plane: NDArray[Any]) -> NDArray[Any]:
    if plane.dtype.kind == "f" and not (finite := np.isfinite(plane)).all():
        msg = (
            f"{int((~finite).sum())} of {plane.size} values are NaN or infinite: PSNR "
            "and SSIM need finite values, repair them or crop them away"
        )
        raise InputError(msg)
    return plane


def _auto_range(
    reference: Any, read: Any, places: list[tuple[int | slice, ...]]
) -> tuple[float, float]:
    dtype = np.dtype(reference.dtype)
    samples = []
    for place in places if dtype != np.uint8 else ():
        plane = read(reference, place)
        step = max(1, max(plane.shape[:2]) // 512)
        samples.append(plane[::step, ::step].copy())
    return black_and_white(dtype, samples)


def _figures(
    pair: Planes, epsilon: float, clip: bool, channel_axis: int | None
) -> tuple[float, ...]:
    image, reference = pair
    textured = textured_mask(reference, epsilon, channel_axis=channel_axis)
    masks = (None, textured, ~textured)
    small = min(textured.shape) < _WINDOW
    return (
        *(psnr(image, reference, clip=clip, mask=mask) for mask in masks),
        *(
            math.nan
            if small
            else ssim(image, reference, clip=clip, channel_axis=channel_axis, mask=mask)
            for mask in masks
        ),
    )


def _mean(values: tuple[float, ...]) -> float:
    """Mean of those that are there."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan

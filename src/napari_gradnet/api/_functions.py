"""Small functions of the API that belong to no other room."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.axes import resolve_axes
from napari_gradnet.errors import InputError
from napari_gradnet.gradient import GradientKind, sobel_gradient
from napari_gradnet.noise.estimate import NoiseEstimate, estimate_noise
from napari_gradnet.values import check_dtype

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["describe_noise", "gradient"]


def gradient(
    image: Any, kind: GradientKind = "magnitude", *, axes: str | None = None
) -> NDArray[np.floating]:
    """Sobel gradient of every plane of an image (GradNet, eq. 1-3).

    Parameters
    ----------
    image : array, 2 to 5 dimensions
        Any real numbers; colour samples and channels are treated one by one.
    kind : {"magnitude", "horizontal", "vertical", "orientation"}
        ``sqrt(G_H**2 + G_V**2)``, one of its two parts, or ``atan2(G_V, G_H)`` in
        radians.
    axes : str, optional
        One letter a dimension; guessed when not given.

    Returns
    -------
    ndarray, shape of `image`
        float32 (float64 for float64 and integers of 32 bits or more), in the units of
        `image`. Alpha is as it was.

    Raises
    ------
    InputError
        The image is empty or of fewer than 2 dimensions, or `kind` is unknown.
    """
    array = np.asarray(image)
    checked, _ = resolve_axes(array.shape, axes)
    check_dtype(array.dtype)
    rows, columns = checked.axes.index("Y"), checked.axes.index("X")
    samples = checked.axes.index("S") if checked.is_rgb else None
    return sobel_gradient(array, kind, plane_axes=(rows, columns), samples_axis=samples)


def describe_noise(
    path: str | os.PathLike[str], *, axes: str | None = None, num_planes: int = 8
) -> NoiseEstimate:
    """Estimate the noise of an image file from planes spread over it.

    Parameters
    ----------
    path : path
        TIFF, PNG or JPEG.
    axes : str, optional
        Where the file's own are missing or wrong.
    num_planes : int
        Most planes to read, of all channels together; one of each at least.

    Returns
    -------
    NoiseEstimate
        In the units of the file, with a sigma for each channel. Where there are several
        channels, each has a camera law of its own in `channels`.

    Raises
    ------
    FileFormatError
        The file cannot be read.
    InputError
        `num_planes` is less than 1.
    """
    from napari_gradnet.io import open_image

    if num_planes < 1:
        msg = f"num_planes={num_planes} must be at least 1"
        raise InputError(msg)
    with open_image(path, axes=axes) as source:
        count = len(source.axes.spread_planes(1))
        numbers = source.axes.spread_planes(max(1, num_planes // count))
        channels = []
        for picks in numbers.values():
            planes = np.stack([source.read_plane(k) for k in picks])
            channels.append(
                estimate_noise(planes[..., :3], channel_axis=-1)
                if source.axes.is_rgb
                else estimate_noise(planes)
            )
    if len(channels) == 1:
        return channels[0]
    sigmas = tuple(sigma for one in channels for sigma in one.channel_sigmas)
    return dataclasses.replace(
        max(channels, key=lambda one: one.confidence),
        sigma=float(np.sqrt(np.mean(np.square(sigmas)))),
        channel_sigmas=sigmas,
        channels=tuple(channels),
    )

"""Whether images have the scale that their type promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.data.store import as_float
from napari_gradnet.errors import ConfigError
from napari_gradnet.values import robust_range

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeGuard

    from numpy.typing import NDArray

    from napari_gradnet.config.data import SourceConfig

__all__ = ["check_depth", "check_scale", "filled_share", "is_deep"]

#: Floats between them pass for intensities in [0, 1].
_LOWEST, _HIGHEST = -0.5, 1.5
#: Ratio of the means of a float and an integer image that pass for one scale.
_MOST_APART = 1.5
#: Share of the range of their type that integers of more than 8 bits have to fill: in
#: use they are scaled by what they fill, and training should come near that.
_LEAST_FILLED = 0.25


def check_scale(
    config: SourceConfig, noisy: NDArray[Any] | None, clean: NDArray[Any]
) -> None:
    """Refuse floats far from [0, 1], and pairs of two types that are scaled apart.

    Parameters
    ----------
    config : SourceConfig
        How they will be scaled.
    noisy : ndarray or None
        Its partner, as it is read.
    clean : ndarray
        As it is read.

    Raises
    ------
    ConfigError
        The message tells what was found, and the remedies.
    """
    if config.intensity != "dtype":
        return
    if noisy is not None and noisy.dtype.kind == "f":
        mean = float(noisy.mean(dtype=np.float64))  # noise alone may be far outside
        if _is_outside(mean, mean):
            raise ConfigError(_out_of_range("noisy", noisy))
    if noisy is not None and config.fit_clean:
        return
    if clean.dtype.kind == "f" and _is_out_of_range(clean):
        raise ConfigError(_out_of_range("clean", clean))
    if noisy is not None and (noisy.dtype.kind == "f") != (clean.dtype.kind == "f"):
        means = [float(as_float(image).mean()) for image in (noisy, clean)]
        if max(means) > _MOST_APART * max(min(means), 0):
            msg = (
                f"the noisy image is of {noisy.dtype}, the clean one of {clean.dtype}, "
                f"and their means are {means[0]:.3g} and {means[1]:.3g} of full scale: "
                "give fit_clean: true, or divide the floats by the same full scale"
            )
            raise ConfigError(msg)


def is_deep(image: NDArray[Any] | None) -> TypeGuard[NDArray[Any]]:
    """Whether they are integers of more than 8 bits."""
    return image is not None and image.dtype.kind in "iu" and image.dtype.itemsize > 1


def filled_share(image: NDArray[Any]) -> float:
    """Share of the positive range of its integer type that an image reaches."""
    return float(robust_range([image])[1] / np.iinfo(image.dtype).max)


def check_depth(filled: Sequence[float]) -> None:
    """Refuse integers, all of which fill little of the range that they are divided by.

    Parameters
    ----------
    filled : sequence of float
        See `filled_share`, of all images of a source.

    Raises
    ------
    ConfigError
        The message tells what was found, and the remedy.
    """
    if filled and max(filled) < _LEAST_FILLED:
        msg = (
            f"the images fill {max(filled):.2%} of the range of their type at most, by "
            "which they would be divided: in use the model would see them brighter and "
            "their noise stronger than in training; give intensity: percentile"
        )
        raise ConfigError(msg)


def _out_of_range(which: str, image: NDArray[Any]) -> str:
    return (
        f"the {which} image holds floats from {image.min():.4g} to {image.max():.4g} "
        "where 0 to 1 is expected: divide by the full scale, or give intensity: "
        "percentile"
    )


def _is_out_of_range(image: NDArray[Any]) -> bool:
    """Whether more than a few bright pixels are; their search is slow."""
    return _is_outside(image.min(), image.max()) and _is_outside(*robust_range([image]))


def _is_outside(low: float, high: float) -> bool:
    return low < _LOWEST or high > _HIGHEST

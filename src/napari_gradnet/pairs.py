"""Two images that are compared, and the planes that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.axes import ImageAxes, resolve_axes
from napari_gradnet.errors import InputError
from napari_gradnet.values import check_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["spread_pair"]


def spread_pair(
    images: Mapping[str, Any], *, axes: str | None, num_planes: int, largest: int
) -> tuple[ImageAxes, list[tuple[int | slice, ...]]]:
    """Check two images, and choose what of them is compared.

    Parameters
    ----------
    images : mapping of str to array
        Two of them, by what messages call them.
    axes : str, optional
        One letter a dimension; guessed when not given.
    num_planes : int
        Most planes of a channel; they are spread over the stack.
    largest : int
        Most rows and columns of a plane; of larger ones the middle is taken.

    Returns
    -------
    ImageAxes
    list of tuple
        Indices into the images, in the order of their planes.

    Raises
    ------
    InputError
        The shapes differ, or an image holds no intensities.
    """
    (first, one), (second, other) = images.items()
    if tuple(one.shape) != tuple(other.shape):
        msg = (
            f"the {first} has shape {tuple(one.shape)} and the {second} "
            f"{tuple(other.shape)}: give two images of one shape"
        )
        raise InputError(msg)
    checked, _ = resolve_axes(one.shape, axes)
    for image in (one, other):
        check_dtype(image.dtype)
    indices = list(checked.iter_planes())
    spread = checked.spread_planes(max(1, num_planes))
    numbers = sorted(n for planes in spread.values() for n in planes)
    return checked, [checked.middle(indices[n], largest) for n in numbers]

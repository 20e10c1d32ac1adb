"""Names of a TIFF file's dimensions: read, assumed, and given by the user."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_gradnet.axes import ImageAxes

__all__ = ["is_stack_of", "name_dimensions"]


def name_dimensions(letters: str) -> str:
    """Replace the letters of dimensions that the file does not name.

    tifffile calls them I or Q, and may repeat them.
    """
    known = {k for k, n in Counter(letters).items() if n == 1 and k not in "IQ_"}
    unknown = [i for i, letter in enumerate(letters) if letter not in known]
    free = [letter for letter in "ZTC" if letter not in known][: len(unknown)]
    names = [letter for letter in "TZC" if letter in free]
    names += [x for x in "QRUVWABDEFGHIJKLMNOP" if x not in known]
    result = list(letters)
    for position, name in zip(unknown, names, strict=False):
        result[position] = name
    return "".join(result)


def is_stack_of(axes: ImageAxes, own: str, letters: str) -> bool:
    """Whether axes differ from a file's own in their stack only, and are of `letters`.

    Parameters
    ----------
    axes : ImageAxes
        What the user gave.
    own : str
        The file's.
    letters : str
        The dimensions that its kind of description knows, slowest first.
    """
    stack = axes.stack_axes
    return (
        axes.axes == stack + axes.plane_axes
        and own.endswith(axes.plane_axes)
        and (
            # what stands before the plane must not be a sample or a row of the file
            not set(own[: len(stack)]) & set("YXS") and set(stack) <= set(letters)
        )
    )

"""Lists of (noisy, clean) pairs, and whether the two images lie on each other."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter, shift
from skimage.registration import phase_cross_correlation

from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LARGEST_SHIFT", "align", "find_shift", "read_pair_list"]

#: Pixels that a pair may be off without a warning.
LARGEST_SHIFT = 0.5
#: Pixels up to which a shift is believed and undone.
_LARGEST_UNDONE = 4.0
#: Side of the centre that is compared, pixels.
_CENTRE = 512


def read_pair_list(
    pairs: str | tuple[tuple[str, str], ...],
) -> tuple[list[str], list[str]]:
    """Noisy and clean names of a CSV file or an explicit list.

    Parameters
    ----------
    pairs : str or sequence of (str, str)
        A CSV file with a header and the columns ``noisy`` and ``clean``, whose paths
        are relative to the file, or pairs (noisy, clean).

    Returns
    -------
    noisy, clean : list of str

    Raises
    ------
    ConfigError
        The file cannot be read, or a column or a value is missing.
    """
    if not isinstance(pairs, str):
        return [noisy for noisy, _ in pairs], [clean for _, clean in pairs]
    path = Path(pairs).expanduser()
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"cannot read the list of pairs {path}: {error}"
        raise ConfigError(msg) from error
    columns = reader.fieldnames or []
    if not {"noisy", "clean"} <= set(columns):
        msg = (
            f"{path} has the columns {', '.join(columns) or '(none)'}: its first line "
            "must name noisy and clean"
        )
        raise ConfigError(msg)
    empty = [n for n, r in enumerate(rows, 2) if not r["noisy"] or not r["clean"]]
    if empty or not rows:
        what = f"line {empty[0]} lacks a name" if empty else "there is no pair"
        msg = f"{path}: {what}; give a noisy and a clean file in each line"
        raise ConfigError(msg)
    noisy, clean = (
        [str(path.parent / row[key]) for row in rows] for key in ("noisy", "clean")
    )
    return noisy, clean


def _structure(image: NDArray[Any]) -> NDArray[np.float64]:
    """Edges of the centre, without noise, shading and the frame's own edges."""
    plane = image.mean(0, dtype=np.float64)
    top, left = (max(0, (k - _CENTRE) // 2) for k in plane.shape)
    plane = plane[top : top + _CENTRE, left : left + _CENTRE]
    band = gaussian_filter(plane, 1.0) - gaussian_filter(plane, 6.0)
    return band * np.outer(*(np.hanning(k) for k in band.shape))


def find_shift(noisy: NDArray[Any], clean: NDArray[Any]) -> tuple[float, float]:
    """How far the noisy image is shifted against the clean one.

    Parameters
    ----------
    noisy, clean : ndarray, shape (C, Y, X)
        Any units.

    Returns
    -------
    down, right : float
        Pixels, to a tenth; 0 for images without structure.
    """
    one, two = _structure(clean), _structure(noisy)
    if not one.any() or not two.any():
        return 0.0, 0.0
    # whitening (normalization="phase") would give the noise the last word
    found, _, _ = phase_cross_correlation(
        one, two, upsample_factor=10, normalization=None
    )
    return float(-found[0]), float(-found[1])


def align(
    noisy: NDArray[Any], clean: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lay the clean image on the noisy one; the noise itself is not interpolated.

    Parameters
    ----------
    noisy, clean : ndarray, shape (C, Y, X)
        As different as a drift of up to 4 pixels makes them; beyond that they come
        back as they are.

    Returns
    -------
    noisy, clean : ndarray, shape (C, Y - 2 k, X - 2 k)
        Without the border that the shift leaves open; dtypes as before.
    """
    moved = find_shift(noisy, clean)
    largest = max(abs(s) for s in moved)
    if largest > _LARGEST_UNDONE or largest == 0:
        return noisy, clean
    planes = clean.astype(np.float64)  # one by one: no spline across the channels
    laid = np.stack([shift(p, moved, order=5, mode="nearest") for p in planes])
    if clean.dtype.kind in "iu":
        limits = np.iinfo(clean.dtype)
        laid = np.clip(np.rint(laid), limits.min, limits.max)
    border = int(np.ceil(largest))
    inner = (slice(None), slice(border, -border), slice(border, -border))
    return noisy[inner], laid.astype(clean.dtype)[inner]

"""From a source's description to decoded images, with a word on what was left out."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_gradnet.axes import resolve_axes
from napari_gradnet.config.data import DRAWN_PREFIX
from napari_gradnet.data.drawn import draw_image
from napari_gradnet.data.files import expand_paths, read_image, to_channels
from napari_gradnet.data.intensities import (
    check_depth,
    check_scale,
    filled_share,
    is_deep,
)
from napari_gradnet.data.pairs import (
    LARGEST_SHIFT,
    align,
    find_shift,
    read_pair_list,
)
from napari_gradnet.data.store import as_float
from napari_gradnet.errors import ConfigError, GradNetError
from napari_gradnet.metrics import affine_fit
from napari_gradnet.values import check_dtype, nonfinite_message, robust_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.config.data import SourceConfig

__all__ = ["ARRAY_PREFIX", "LoadedImages", "load_images"]

logger = logging.getLogger(__name__)

ARRAY_PREFIX = "array:"
#: Images held in memory at once, 37 kB a channel.
MOST_DRAWN = 10_000
#: Pairs of a source whose alignment is checked, spread over it.
_CHECKED_PAIRS = 8


@dataclass
class LoadedImages:
    """Images of one source.

    Parameters
    ----------
    clean, noisy : list of ndarray, shape (C, Y, X)
        `noisy` is empty without partners.
    names : list of str
        Where each clean image comes from.
    keys : list of bytes
        Hash of the pixels of each clean image: copies, such as a mean that is repeated
        for each of its noisy frames, have the same.
    files : list of Path
        Files that were read.
    skipped : list of (Path, str)
        Files left out and why.
    warnings : list of str
    filled : list of float
        Shares of the range of their type that integers of more than 8 bits fill.
    """

    clean: list[NDArray[Any]] = field(default_factory=list)
    noisy: list[NDArray[Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    filled: list[float] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        """Note a file or an array that is left out."""
        logger.warning("skipped %s: %s", name, reason)
        self.skipped.append((Path(name), reason))


def _expand(patterns: Sequence[str]) -> list[str]:
    """Names of files, arrays and drawn images, in the order of the patterns."""
    names: list[str] = []
    for pattern in patterns:
        if pattern.startswith(ARRAY_PREFIX):
            names.append(pattern)
        elif pattern.startswith(DRAWN_PREFIX):
            names += [f"{DRAWN_PREFIX}{i}" for i in range(_number_drawn(pattern))]
        else:
            names += [str(path) for path in expand_paths([pattern])]
    return list(dict.fromkeys(names))


def _number_drawn(pattern: str) -> int:
    number = pattern.removeprefix(DRAWN_PREFIX)
    if not (number.isascii() and number.isdigit() and 0 < int(number) <= MOST_DRAWN):
        msg = f"{pattern!r}: say how many images to draw, 1 to {MOST_DRAWN}"
        raise ConfigError(msg)
    return int(number)


def _planes_of(array: NDArray[Any], channels: int) -> list[NDArray[Any]]:
    array = np.asarray(array)
    check_dtype(array.dtype)
    axes, _ = resolve_axes(array.shape)
    return [
        to_channels(axes.to_plane(array[index]), channels)
        for index in axes.iter_planes()
    ]


def _read(name: str, channels: int, arrays: Mapping[str, Any]) -> list[NDArray[Any]]:
    if name.startswith(DRAWN_PREFIX):
        planes = [draw_image(int(name.removeprefix(DRAWN_PREFIX)), channels)]
    elif not name.startswith(ARRAY_PREFIX):
        planes = read_image(Path(name), channels)
    else:
        value = arrays[name.removeprefix(ARRAY_PREFIX)]
        many = value if isinstance(value, list | tuple) else [value]
        planes = [plane for array in many for plane in _planes_of(array, channels)]
    for plane in planes:
        if bad := nonfinite_message(plane):
            raise ConfigError(bad.partition(": repair")[0])
    return planes


def _to_percentiles(
    noisy: NDArray[Any] | None, clean: NDArray[Any]
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Scale as in use, where only the noisy image is known."""
    low, high = robust_range([clean if noisy is None else noisy])

    def scaled(image: NDArray[Any]) -> NDArray[Any]:
        return ((image.astype(np.float64) - low) / (high - low)).astype(np.float32)

    return None if noisy is None else scaled(noisy), scaled(clean)


def _fitted(
    noisy: NDArray[Any], clean: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the clean image the noisy one's gain and offset; both as floats."""
    # the noise is the reference's: it leaves least squares without bias
    noisy, clean = as_float(noisy), as_float(clean)
    return noisy, affine_fit(clean, noisy).apply(clean).astype(np.float32)


def _lit_alike(
    noisy: NDArray[Any], clean: NDArray[Any], sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the clean image the noisy one's slow brightness; both as floats."""
    noisy, clean = as_float(noisy), as_float(clean)
    slow = gaussian_filter(noisy - clean, (0, sigma, sigma))
    return noisy, clean + slow


def _prepared(
    config: SourceConfig, noisy: NDArray[Any] | None, clean: NDArray[Any]
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Lay a pair on each other and scale both, as far as the source asks for it.

    Raises
    ------
    ConfigError
        The two have no common scale, or not one of 0 to 1.
    """
    check_scale(config, noisy, clean)
    if config.align and noisy is not None:
        noisy, clean = align(noisy, clean)
    if config.intensity == "percentile":
        noisy, clean = _to_percentiles(noisy, clean)
    if config.fit_clean and noisy is not None:
        noisy, clean = _fitted(noisy, clean)
    if config.fit_lighting and noisy is not None:
        noisy, clean = _lit_alike(noisy, clean, config.fit_lighting)
    return noisy, clean


def _names(config: SourceConfig) -> tuple[list[str], list[str | None]]:
    if config.pairs:
        noisy, clean = read_pair_list(config.pairs)
        return clean, list(noisy)
    clean = _expand(config.clean)
    if not config.noisy:
        return clean, [None] * len(clean)
    partners = _expand(config.noisy)
    if len(partners) != len(clean):
        msg = (
            f"{len(clean)} clean and {len(partners)} noisy files: each clean image "
            "needs one noisy partner, in the same sorted order; or list them as pairs"
        )
        raise ConfigError(msg)
    return clean, list(partners)


def load_images(
    config: SourceConfig,
    channels: int,
    smallest: int,
    arrays: Mapping[str, Any] | None = None,
) -> LoadedImages:
    """Read the images of a source.

    Parameters
    ----------
    config : SourceConfig
        The description.
    channels : int
        1 or 3.
    smallest : int
        Smaller images, in pixels along Y or X, are left out.
    arrays : mapping of str to ndarray or list of them, optional
        What ``array:NAME`` stands for.

    Raises
    ------
    ConfigError
        A pattern names nothing, or an array was not handed over.
    """
    loaded = LoadedImages()
    known = arrays or {}
    for clean_name, noisy_name in zip(*_names(config), strict=True):
        for name in (clean_name, noisy_name):
            _refuse_unknown(name, known)
        here = clean_name
        try:
            clean = _read(clean_name, channels, known)
            here = noisy_name or clean_name
            noisy = None if noisy_name is None else _read(noisy_name, channels, known)
        except (GradNetError, OSError) as error:
            loaded.skip(here, str(error))
            continue
        _add(loaded, config, (clean_name, clean), (noisy_name, noisy), smallest)
    if config.intensity == "dtype":
        check_depth(loaded.filled)
    if config.check_alignment and loaded.noisy:
        _check_alignment(loaded)
    return loaded


def _refuse_unknown(name: str | None, arrays: Mapping[str, Any]) -> None:
    """An array that was not handed over is a mistake in the call, no bad file."""
    if name is None or not name.startswith(ARRAY_PREFIX):
        return
    key = name.removeprefix(ARRAY_PREFIX)
    if key not in arrays:
        msg = (
            f"{name!r} is not among the arrays handed over "
            f"({', '.join(arrays) or 'none'}): call train(..., arrays={{{key!r}: ...}})"
        )
        raise ConfigError(msg)


def _add(
    loaded: LoadedImages,
    config: SourceConfig,
    clean: tuple[str, list[NDArray[Any]]],
    noisy: tuple[str | None, list[NDArray[Any]] | None],
    smallest: int,
) -> None:
    (name, planes), (partner, partner_planes) = clean, noisy
    shapes = [p.shape for p in planes]
    if partner_planes is not None and [p.shape for p in partner_planes] != shapes:
        found = [p.shape for p in partner_planes]
        loaded.skip(
            str(partner), f"its shape {found[:1]} differs from {shapes[:1]} of {name}"
        )
        return
    small = [s for s in shapes if min(s[1:]) < smallest]
    if small:
        loaded.skip(name, f"{small[0][2]} x {small[0][1]} pixels, less than {smallest}")
    used = 0
    for number, plane in enumerate(planes):
        if min(plane.shape[1:]) < smallest:
            continue
        second = None if partner_planes is None else partner_planes[number]
        loaded.filled += [filled_share(p) for p in (plane, second) if is_deep(p)]
        try:
            second, first = _prepared(config, second, plane)
        except ConfigError as error:
            msg = f"{name}: {error}"
            raise ConfigError(msg) from error
        if min(first.shape[1:]) < smallest:
            loaded.skip(name, f"less than {smallest} pixels when aligned")
            continue
        loaded.clean.append(first)
        if second is not None:
            loaded.noisy.append(second)
        loaded.names.append(f"{name}[{number}]" if len(planes) > 1 else name)
        loaded.keys.append(_key(plane))
        used += 1
    if used:
        loaded.files += [Path(n) for n in (name, partner) if n and _is_file(n)]


def _key(plane: NDArray[Any]) -> bytes:
    digest = hashlib.blake2b(plane.tobytes(), digest_size=16)
    digest.update(f"{plane.shape} {plane.dtype}".encode())
    return digest.digest()


def _is_file(name: str) -> bool:
    return not name.startswith((ARRAY_PREFIX, DRAWN_PREFIX))


def _check_alignment(loaded: LoadedImages) -> None:
    count = len(loaded.clean)
    numbers = sorted({(i * count) // _CHECKED_PAIRS for i in range(_CHECKED_PAIRS)})
    for number in numbers:
        down, right = find_shift(loaded.noisy[number], loaded.clean[number])
        if max(abs(down), abs(right)) > LARGEST_SHIFT:
            message = (
                f"the noisy image of {loaded.names[number]} is shifted by {down:+.1f} "
                f"pixels down and {right:+.1f} to the right: align the pair, or the "
                "network learns to blur"
            )
            logger.warning(message)
            loaded.warnings.append(message)

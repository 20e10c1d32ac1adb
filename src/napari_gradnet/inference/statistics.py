"""Statistics that all parts of a plane share: the means of channel attention."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.inference.plane import ViewMeans
    from napari_gradnet.inference.stack import StackDenoiser

    Images = NDArray[np.float32]
    #: Of each pass through the network.
    PlaneStatistics = Sequence[ViewMeans]

__all__ = ["iter_statistics"]

#: Planes whose statistics a process remembers: looking around in one takes them once.
_KEPT = 32
_kept: OrderedDict[bytes, PlaneStatistics] = OrderedDict()
_lock = threading.Lock()


def iter_statistics(
    stack: StackDenoiser,
    windows: Sequence[tuple[NDArray[Any], NDArray[Any] | None]],
    *,
    number: int = 0,
) -> Generator[None, None, PlaneStatistics]:
    """Gather a plane's statistics; yields after every view.

    Parameters
    ----------
    stack : StackDenoiser
        How the plane is denoised.
    windows : sequence of (ndarray, ndarray or None)
        The plane's `PlaneDenoiser.statistics_windows`, with those of a guide.
    number : int
        Of the plane.
    """
    parts = [stack.prepare_part(*window, number=number) for window in windows]
    images = np.stack([image for image, _ in parts])
    guides = [guide for _, guide in parts if guide is not None]
    helper = np.stack(guides) if guides else None
    key = _key(stack, images, helper)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    gathered = []
    for step in stack.passes:
        means = yield from stack.planes.iter_statistics(
            images[:, step], None if helper is None else helper[:, step]
        )
        gathered.append(means)
    with _lock:
        _kept[key] = gathered
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return gathered


def _key(stack: StackDenoiser, images: Images, guides: Images | None) -> bytes:
    model = stack.model
    how = (model.sha256, model.device, model.dtype, stack.planes.views, images.shape)
    digest = hashlib.blake2b(repr(how).encode())
    digest.update(images.data)
    if guides is not None:
        digest.update(guides.data)
    return digest.digest()

"""The noise of each channel of a stack, settled once for all its planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gradnet.naive.stack import settle_noise
from napari_gradnet.noise.stabilize import Stabilizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["settle_channels"]


def settle_channels(
    samples: Mapping[int, Sequence[NDArray[Any]]],
    *,
    rgb: bool,
    vst: bool | Literal["auto"] = "auto",
) -> dict[int, dict[str, Any]]:
    """Estimate each channel's noise from planes that stand for it.

    Parameters
    ----------
    samples : mapping of int to sequence of ndarray, shape (Y, X) or (Y, X, S)
        By channel.
    rgb : bool
        Whether they are colour planes; alpha is left out.
    vst : bool or "auto"
        As in `naive_denoise`.

    Returns
    -------
    dict of int to dict
        For each channel the `sigma` and `vst` to call `naive_denoise` with.
    """
    noise: dict[int, dict[str, Any]] = {}
    for channel, planes in samples.items():
        stacked = np.stack([p[..., :3] if rgb else p for p in planes])
        settled = settle_noise(stacked, rgb=rgb, vst=vst)
        if isinstance(settled, Stabilizer):
            noise[channel] = {"vst": settled}
        else:
            noise[channel] = {"sigma": settled, "vst": False}
    return noise

"""The noise of each channel of a stack, settled once for all its planes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.noise.estimate import estimate_noise
from napari_gradnet.noise.stabilize import Stabilizer, needs_stabilization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["check_vst", "settle_channels"]

logger = logging.getLogger(__name__)


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

    Raises
    ------
    InputError
        See `check_vst`; or the noise cannot be estimated.
    """
    check_vst(vst)
    noise: dict[int, dict[str, Any]] = {}
    for channel, planes in samples.items():
        stacked = np.stack([p[..., :3] if rgb else p for p in planes])
        settled = _settle_noise(stacked, rgb=rgb, vst=vst)
        if isinstance(settled, Stabilizer):
            noise[channel] = {"vst": settled}
        else:
            noise[channel] = {"sigma": settled, "vst": False}
    return noise


def _settle_noise(
    planes: NDArray[np.generic], *, rgb: bool, vst: bool | Literal["auto"]
) -> Stabilizer | tuple[float, ...]:
    estimate = estimate_noise(planes, channel_axis=-1 if rgb else None)
    stabilise = needs_stabilization(estimate) if vst == "auto" else vst
    if stabilise:
        logger.info("noise grows with the signal: %s", estimate)
        return Stabilizer.from_estimate(estimate)
    return estimate.channel_sigmas


def check_vst(vst: object) -> None:
    """Refuse what is neither ``"auto"`` nor true or false, such as the word ``off``.

    Raises
    ------
    InputError
    """
    if not (isinstance(vst, bool | np.bool_) or vst == "auto"):
        msg = f"vst={vst!r} is unknown: use 'auto', True, False or a Stabilizer"
        raise InputError(msg)

"""Which arithmetic a model runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from napari_gradnet.bundle import ModelHeader

__all__ = ["LARGEST_LOSS", "Precision", "cpu_gains_from_bfloat16", "resolve_precision"]

Precision = Literal["auto", "float32", "bfloat16", "float16"]
#: dB that a faster arithmetic may cost.
LARGEST_LOSS = 0.02


def cpu_gains_from_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware."""
    try:
        capabilities = torch.cpu.get_capabilities()
    except AttributeError:  # torch < 2.10 has private names only
        return bool(
            getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
            or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
        )
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _hardware_choice(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    if device.type == "cpu" and cpu_gains_from_bfloat16():
        return torch.bfloat16
    return torch.float32


def resolve_precision(
    precision: Precision, device: torch.device, header: ModelHeader
) -> torch.dtype:
    """Turn a precision into a dtype.

    ``auto`` takes the 16-bit type that the hardware gains from when the model's header
    records that it costs less than 0.02 dB (``metrics.precision_loss_db``, measured by
    ``gradnet benchmark card --write``), else float32.

    Raises
    ------
    InputError
        The name is unknown.
    """
    if precision not in get_args(Precision):
        msg = (
            f"precision={precision!r} is unknown: use {', '.join(get_args(Precision))}"
        )
        raise InputError(msg)
    if precision != "auto":
        dtype: torch.dtype = getattr(torch, precision)
        return dtype
    choice = _hardware_choice(device)
    losses = header.metrics.get("precision_loss_db")
    name = str(choice).removeprefix("torch.")
    loss = losses.get(name) if isinstance(losses, dict) else None
    measured = isinstance(loss, int | float) and loss < LARGEST_LOSS
    return choice if measured else torch.float32

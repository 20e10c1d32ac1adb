"""Which device and which arithmetic."""

from __future__ import annotations

import torch

from napari_gradnet.errors import DeviceError

__all__ = ["describe_device", "list_devices", "resolve_device"]


def list_devices() -> tuple[str, ...]:
    """Devices of this machine, best first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return (*names, "cpu")


def resolve_device(name: str = "auto") -> torch.device:
    """Turn a name into a device that is there.

    Parameters
    ----------
    name : str
        ``auto`` (the best of `list_devices`), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises
    ------
    DeviceError
        There is no such device here.
    """
    present = list_devices()
    if name == "auto":
        return torch.device(present[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        msg = (
            f"device {name!r} is not on this machine: use auto or {', '.join(present)}"
        )
        raise DeviceError(msg)
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """Name a device for people."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        count = torch.get_num_threads()
        return f"CPU ({count} thread{'s' if count > 1 else ''})"
    return str(device)

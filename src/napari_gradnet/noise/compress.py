"""What lossy compression leaves: JPEG, JPEG 2000 and BPG, as noise models.

Images go to 8 bits, through the encoder and back, one by one, on the CPU.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import torch
from torch import Tensor

from napari_gradnet.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["compress", "has_bpg"]


def _jpeg(image: NDArray[np.uint8], quality: float) -> NDArray[np.uint8]:
    level = min(100, max(1, round(quality)))
    decoded: NDArray[np.uint8] = imagecodecs.jpeg8_decode(
        imagecodecs.jpeg8_encode(image, level=level)
    )
    return decoded


def _jpeg2000(image: NDArray[np.uint8], psnr: float) -> NDArray[np.uint8]:
    decoded: NDArray[np.uint8] = imagecodecs.jpeg2k_decode(
        imagecodecs.jpeg2k_encode(image, level=psnr)  # type: ignore[arg-type]
    )
    return decoded


def has_bpg() -> bool:
    """Whether the programs of BPG are installed."""
    return all(shutil.which(program) for program in ("bpgenc", "bpgdec"))


def _bpg(image: NDArray[np.uint8], quantizer: float) -> NDArray[np.uint8]:
    if not has_bpg():
        msg = (
            "noise kind 'bpg' needs the programs bpgenc and bpgdec, which are not on "
            "the PATH: install libbpg (https://bellard.org/bpg) or use jpeg or jpeg2000"
        )
        raise MissingDependencyError(msg)
    with tempfile.TemporaryDirectory() as name:
        before, packed, after = (Path(name) / f for f in ("a.png", "a.bpg", "b.png"))
        before.write_bytes(imagecodecs.png_encode(image))
        for command in (
            ["bpgenc", "-q", str(round(quantizer)), "-o", str(packed), str(before)],
            ["bpgdec", "-o", str(after), str(packed)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                msg = f"{command[0]} failed: {done.stderr.strip() or done.returncode}"
                raise InputError(msg)
        decoded: NDArray[np.uint8] = imagecodecs.png_decode(after.read_bytes())
    if image.ndim == 2 and decoded.ndim == 3:  # bpgdec writes grey as RGB
        decoded = decoded[..., 0]
    return decoded[..., :3] if decoded.ndim == 3 else decoded


_CODECS: dict[str, Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]] = {
    "jpeg": _jpeg,
    "jpeg2000": _jpeg2000,
    "bpg": _bpg,
}


def compress(images: Tensor, codec: str, values: Tensor) -> Tensor:
    """Compress and decompress images.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W)
        Intensities in [0, 1]; what lies outside is clipped. C is 1 or 3.
    codec : {"jpeg", "jpeg2000", "bpg"}
        The encoder.
    values : Tensor, shape (N,)
        Quality 1..100 (jpeg), PSNR in dB (jpeg2000) or quantiser 0..51 (bpg).

    Returns
    -------
    Tensor, shape (N, C, H, W)
        Multiples of 1/255, on the device of `images`.

    Raises
    ------
    InputError
        The number of channels is neither 1 nor 3.
    MissingDependencyError
        The encoder is not installed.
    """
    if images.shape[1] not in (1, 3):
        msg = f"{codec} takes grey or RGB images, these have {images.shape[1]} channels"
        raise InputError(msg)
    bytes_ = (images.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    arrays = bytes_.permute(0, 2, 3, 1).cpu().numpy()
    done = []
    for array, value in zip(arrays, values.tolist(), strict=True):
        plane = np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array)
        done.append(_CODECS[codec](plane, value).reshape(array.shape))
    result = torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2)
    return result.to(images.device, torch.float32).contiguous() / 255

"""Decoded images in one flat tensor, so that a batch of patches is one gather."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ImageStore", "PatchIndex", "as_float", "room_for_images"]

#: Full scale of integer images; float images are taken as they are, in [0, 1].
FULL_SCALE = {torch.uint8: 255.0, torch.uint16: 65535.0}
#: Of a GPU's free memory, what images may take; the rest is the network's.
LARGEST_SHARE = 0.4
#: Turns by 0, 180, 90 and 270 degrees; transposing alone is a mirror image.
_ROTATIONS = torch.tensor([0, 3, 5, 6])


@dataclass(frozen=True)
class PatchIndex:
    """Where patches lie and how they are turned: one entry a patch.

    Parameters
    ----------
    image, top, left : Tensor of int64, shape (N,)
        Image number and corner, pixels.
    turn : Tensor of int64, shape (N,)
        Element of the dihedral group: bit 0 flips rows, bit 1 flips columns, bit 2
        transposes.
    """

    image: Tensor
    top: Tensor
    left: Tensor
    turn: Tensor

    def __getitem__(self, part: slice | Tensor) -> PatchIndex:
        return PatchIndex(
            self.image[part], self.top[part], self.left[part], self.turn[part]
        )

    def __len__(self) -> int:
        return len(self.image)


def room_for_images(device: torch.device) -> float:
    """Bytes that all images together may take on a device."""
    if device.type != "cuda":
        return math.inf
    free, _ = torch.cuda.mem_get_info(device)
    return free * LARGEST_SHARE


class ImageStore:
    """Images of one dtype and number of channels, of any sizes.

    Parameters
    ----------
    images : sequence of ndarray, shape (C, Y, X)
        uint8, uint16 or floating point in [0, 1].
    """

    def __init__(self, images: Sequence[NDArray[Any]]) -> None:
        if not images:
            msg = "no image to train on: give at least one that can be read"
            raise ConfigError(msg)
        kinds = {image.dtype for image in images}
        if kinds - {np.dtype(np.uint8)} and kinds - {np.dtype(np.uint16)}:
            images = [as_float(image) for image in images]
        self.sizes = [(int(i.shape[1]), int(i.shape[2])) for i in images]
        self.channels = int(images[0].shape[0])
        self.flat = torch.from_numpy(
            np.concatenate([np.ascontiguousarray(i).ravel() for i in images])
        )
        self.scale = FULL_SCALE.get(self.flat.dtype, 1.0)
        # unsigned 16-bit tensors cannot be indexed on every device: keep the bits
        self._unsigned = self.flat.dtype == torch.uint16
        if self._unsigned:
            self.flat = self.flat.view(torch.int16)
        heights, widths = zip(*self.sizes, strict=True)
        self.heights, self.widths = torch.tensor(heights), torch.tensor(widths)
        areas = self.heights * self.widths * self.channels
        self.offsets = torch.cumsum(areas, 0) - areas
        # patches are drawn on the CPU, wherever the pixels lie
        self._cpu_sizes = (self.heights, self.widths)

    def __len__(self) -> int:
        return len(self.sizes)

    def to(self, device: torch.device) -> ImageStore:
        """Move the pixels and tables to a device, in place."""
        for name in ("flat", "heights", "widths", "offsets"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def draw(
        self,
        images: Tensor,
        patch_size: int,
        generator: torch.Generator,
        *,
        flips: bool,
        rotations: bool,
    ) -> PatchIndex:
        """Draw one random patch in each of the given images."""
        n = len(images)
        where = torch.rand(2, n, generator=generator, dtype=torch.float64)
        heights, widths = self._cpu_sizes
        top = where[0] * (heights[images] - patch_size + 1)
        left = where[1] * (widths[images] - patch_size + 1)
        turn = torch.randint(0, 8, (n,), generator=generator)
        if not flips:
            turn = _ROTATIONS[turn & 3] if rotations else turn & 0
        elif not rotations:
            turn = turn & 3
        return PatchIndex(images, top.long(), left.long(), turn)

    def cut(self, index: PatchIndex, patch_size: int) -> Tensor:
        """Gather patches.

        Parameters
        ----------
        index : PatchIndex
            Where they lie.
        patch_size : int
            Pixels.

        Returns
        -------
        Tensor of float32, shape (N, C, patch_size, patch_size)
            In [0, 1].
        """
        device = self.flat.device
        n = len(index)
        image, turn = index.image.to(device), index.turn.to(device).view(n, 1, 1)
        line = torch.arange(patch_size, device=device)
        rows, columns = line.view(1, -1, 1), line.view(1, 1, -1)
        transposed = (turn & 4).bool()
        y = torch.where(transposed, columns, rows)
        x = torch.where(transposed, rows, columns)
        y = torch.where((turn & 1).bool(), patch_size - 1 - y, y)
        x = torch.where((turn & 2).bool(), patch_size - 1 - x, x)
        y = y + index.top.to(device).view(n, 1, 1)
        x = x + index.left.to(device).view(n, 1, 1)
        width = self.widths[image].view(n, 1, 1)
        area = (self.heights[image] * self.widths[image]).view(n, 1, 1, 1)
        plane = self.offsets[image].view(n, 1, 1, 1)
        plane = plane + area * torch.arange(self.channels, device=device).view(-1, 1, 1)
        position = plane + (y * width + x).unsqueeze(1)
        return self._intensities(self.flat[position])

    def _intensities(self, stored: Tensor) -> Tensor:
        if self._unsigned:
            stored = stored.to(torch.int32) & 0xFFFF
        return stored.to(torch.float32) / self.scale

    def image(self, number: int, crop: int | None = None) -> Tensor:
        """One image or its centre, float32 in [0, 1], shape (C, H, W)."""
        height, width = self.sizes[number]
        start = int(self.offsets[number])
        whole = self.flat[start : start + self.channels * height * width]
        whole = whole.view(self.channels, height, width)
        if crop is not None:
            top, left = max(0, (height - crop) // 2), max(0, (width - crop) // 2)
            whole = whole[:, top : top + crop, left : left + crop]
        return self._intensities(whole)


def as_float(image: NDArray[Any]) -> NDArray[np.float32]:
    """An image in [0, 1] of its type's full scale; floats are taken as they are."""
    scale = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
    return (image / scale).astype(np.float32)

"""One plane through a network: tiles, halos, attention statistics, self-ensemble."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch
from torch import Tensor

from napari_gradnet.errors import DeviceError
from napari_gradnet.events import drain
from napari_gradnet.inference.attention import (
    WINDOW,
    attention_modules,
    gathered_means,
    sample_windows,
    stack_windows,
    with_means,
)
from napari_gradnet.inference.out_of_memory import (
    REMEDY,
    is_out_of_memory,
    out_of_memory_told,
)
from napari_gradnet.inference.prepare import bytes_per_pixel
from napari_gradnet.networks.views import turn, turn_back, turn_window
from napari_gradnet.tiling import count_tiles, fit_tile, iter_tiles

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.inference.models import Model

    #: Of each view, one mean an attention.
    ViewMeans = Sequence[list[Tensor]]

__all__ = ["PlaneDenoiser"]

logger = logging.getLogger(__name__)

#: Most memory that one forward pass may take on the CPU, bytes.
CPU_BUDGET = 3 << 28
#: Most pixels of a tile, halo included, on the CPU: larger ones fall out of its caches.
CPU_PIXELS = 600**2
#: The same for networks that run in strips; a plane that gives its statistics as a
#: whole is one tile.
CPU_PIXELS_IN_STRIPS = 1 << 20
#: Share of the free memory that it may take.
FREE_SHARE = 0.5
SMALLEST_TILE = 32
#: Of black 0 and white 1, what networks see: a hot pixel far beyond would spoil all of
#: its neighbourhood. Single photons of full scale 1 reach up to 6 times white.
INSIDE = (-2.0, 6.0)


def _part_outliers(image: Tensor) -> tuple[Tensor, Tensor | None]:
    """What a network is to see of an image, and what lies beyond, if anything does."""
    low, high = torch.aminmax(image)
    if low >= INSIDE[0] and high <= INSIDE[1]:
        return image, None
    inside = image.clamp(*INSIDE)
    return inside, image - inside


class PlaneDenoiser:
    """Denoises planes in [0, 1] with one model; memory is bounded whatever the plane.

    Parameters
    ----------
    model : Model
    tile : int, optional
        Largest side of a tile, pixels; from the memory that is free when not given.
    ensemble : bool, optional
        Average the 8 flips and rotations (8 times the work); as the model says when
        not given.
    """

    def __init__(
        self, model: Model, *, tile: int | None = None, ensemble: bool | None = None
    ) -> None:
        self.model = model
        self.views = model.header.num_views(ensemble)
        self.halo: int = model.pipeline.receptive_radius
        self.alignment = model.pipeline.alignment
        self.has_attention = bool(attention_modules(model.pipeline))
        self._tile = tile
        self._window: int | None = None
        # follows from the network alone, so that results do not depend on the machine
        self._whole = CPU_BUDGET // bytes_per_pixel(model.pipeline)

    def steady_tile(self, size: tuple[int, int]) -> int:
        """Side of the tiles for planes of a size, pixels, whatever memory is free."""
        return self._fit(size, self._whole)

    def _fit(self, size: tuple[int, int], most: int) -> int:
        if self.model.device.type == "cpu":
            most = min(most, CPU_PIXELS_IN_STRIPS if self.has_attention else CPU_PIXELS)
        return fit_tile(size, self.halo, self.alignment, most)

    def _max_pixels(self) -> int:
        device = self.model.device
        if device.type == "cuda":
            # what PyTorch holds back for reuse is free, too
            spare = torch.cuda.memory_reserved(device)
            spare -= torch.cuda.memory_allocated(device)
            budget = FREE_SHARE * (torch.cuda.mem_get_info(device)[0] + spare)
        else:
            budget = min(CPU_BUDGET, FREE_SHARE * psutil.virtual_memory().available)
        return int(budget / bytes_per_pixel(self.model.pipeline))

    def tile_for(self, size: tuple[int, int]) -> int:
        """Side of the tiles for planes of a size, pixels."""
        if self._tile is None:
            return self._fit(size, self._max_pixels())
        return -(-self._tile // self.alignment) * self.alignment

    def count_tiles(self, size: tuple[int, int]) -> int:
        """Number of steps that a plane of a size takes."""
        return self.views * count_tiles(size, self.tile_for(size), self.alignment)

    def iter_plane(
        self,
        plane: NDArray[np.float32],
        guide: NDArray[np.float32] | None = None,
        means: ViewMeans | None = None,
    ) -> Generator[None, None, NDArray[np.float32]]:
        """Denoise a plane, or a part of one; yields after every tile.

        Parameters
        ----------
        plane : ndarray, shape (C, Y, X)
            In [0, 1] or thereabouts; finite. What lies below -2 or above 6 stays as far
            beyond as it is.
        guide : ndarray, shape (C, Y, X), optional
            Replaces the model's own guide.
        means : sequence of list of Tensor, optional
            What `iter_statistics` gave for the whole plane, of which `plane` is a part:
            pixels nearer to a cut than `halo` are not exact.

        Returns
        -------
        ndarray of float32, shape (C, Y, X)

        Raises
        ------
        DeviceError
            Even the smallest tile does not fit into the memory.
        """
        image, beyond = _part_outliers(_as_tensor(plane))
        helper = None if guide is None else _part_outliers(_as_tensor(guide))[0]
        result = yield from self._iter_views(image, helper, means)
        return (result if beyond is None else result + beyond).numpy()

    def statistics_windows(self, size: tuple[int, int]) -> list[tuple[slice, slice]]:
        """Windows of a plane of a size that `gather_statistics` needs; mostly none."""
        if not self.has_attention:
            return []
        return sample_windows(size, self.alignment, self._window, self._whole)

    def iter_statistics(
        self,
        windows: NDArray[np.float32],
        guide: NDArray[np.float32] | None = None,
    ) -> Generator[None, None, ViewMeans]:
        """Gather the means of channel attention, which all parts of a plane share.

        Yields after every view.

        Parameters
        ----------
        windows : ndarray, shape (N, C, H, W)
            The plane's `statistics_windows`, in [0, 1] or thereabouts.
        guide : ndarray, shape of `windows`, optional
            See `iter_plane`.

        Returns
        -------
        sequence of list of Tensor
            One list a view, one mean an attention.
        """
        helper = None if guide is None else _part_outliers(_as_tensor(guide))[0]
        image, _ = _part_outliers(_as_tensor(windows))
        views = []
        with out_of_memory_told(self.model.device, "a plane's statistics"):
            for number in range(self.views):
                turned = None if helper is None else turn(helper, number)
                with self.model.lock, gathered_means(self.model.pipeline) as means:
                    self.run_network(turn(image, number), turned)
                views.append(means)
                yield
        return views

    def denoise(
        self,
        plane: NDArray[np.float32],
        guide: NDArray[np.float32] | None = None,
        means: ViewMeans | None = None,
    ) -> NDArray[np.float32]:
        """Run `iter_plane` to its end."""
        return drain(self.iter_plane(plane, guide, means))

    def _iter_views(
        self,
        image: Tensor,
        guide: Tensor | None,
        means: ViewMeans | None,
    ) -> Generator[None, None, Tensor]:
        """Average the results of all views; yields after every tile."""
        shared: Sequence[list[Tensor] | None] = means or [None] * self.views
        total = yield from self._iter_view(image, guide, 0, shared[0])
        for number in range(1, self.views):
            turned_guide = None if guide is None else turn(guide, number)
            result = yield from self._iter_view(
                turn(image, number), turned_guide, number, shared[number]
            )
            total = total + turn_back(result, number)
        return total / self.views if self.views > 1 else total

    def _iter_view(
        self,
        image: Tensor,
        guide: Tensor | None,
        number: int,
        means: list[Tensor] | None,
    ) -> Generator[None, None, Tensor]:
        size = (int(image.shape[1]), int(image.shape[2]))
        tile = self.tile_for(size)
        while True:
            try:
                return (yield from self._iter_tiles(image, guide, tile, number, means))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                smaller = min(tile, max(size)) // 2 // self.alignment * self.alignment
                if smaller < SMALLEST_TILE:
                    msg = (
                        f"{self.model.device} is out of memory even with tiles of "
                        f"{tile} pixels: {REMEDY}"
                    )
                    raise DeviceError(msg) from error
            self._tell_out_of_memory(f"tiles of {tile} pixels", str(smaller))
            tile = self._tile = smaller

    def _tell_out_of_memory(self, tried: str, instead: str) -> None:
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        warnings.warn(
            f"out of memory with {tried}: going on with {instead}",
            RuntimeWarning,
            stacklevel=3,
        )

    def _iter_tiles(
        self,
        image: Tensor,
        guide: Tensor | None,
        tile: int,
        number: int,
        means: list[Tensor] | None,
    ) -> Generator[None, None, Tensor]:
        size = (int(image.shape[1]), int(image.shape[2]))
        if means is None and tile >= max(size) and not self._needs_windows(size):
            result = self._forward(image[None], _batch(guide))[0]
            yield
            return result
        result = torch.empty_like(image)
        if means is None and self.has_attention:
            means = self._gather(image, guide, number)
        for part in iter_tiles(size, tile, self.halo, self.alignment):
            read = (slice(None), *part.read)
            helper = None if guide is None else guide[read][None]
            out = self._forward(image[read][None], helper, means)[0]
            result[(slice(None), *part.write)] = out[(slice(None), *part.keep)]
            yield
        return result

    def _needs_windows(self, size: tuple[int, int]) -> bool:
        windows = sample_windows(size, self.alignment, self._window, self._whole)
        return self.has_attention and len(windows) > 1

    def _gather(self, image: Tensor, guide: Tensor | None, number: int) -> list[Tensor]:
        size = (int(image.shape[1]), int(image.shape[2]))
        unturned = size[::-1] if number % 2 else size
        while True:
            # the same pixels in all views, as parts of a plane have them
            windows = [
                turn_window(window, unturned, number)
                for window in sample_windows(
                    unturned, self.alignment, self._window, self._whole
                )
            ]
            helper = None if guide is None else stack_windows(guide, windows)
            try:
                with self.model.lock, gathered_means(self.model.pipeline) as means:
                    self.run_network(stack_windows(image, windows), helper)
            except (RuntimeError, MemoryError) as error:
                largest = max(side.stop - side.start for side in windows[0])
                smaller = min(WINDOW, largest // 2)
                if not is_out_of_memory(error) or smaller < SMALLEST_TILE:
                    raise
            else:
                return means
            self._tell_out_of_memory(
                f"statistics of {largest} pixels", f"windows of {smaller}"
            )
            self._window = smaller

    def _forward(
        self, batch: Tensor, guide: Tensor | None, means: list[Tensor] | None = None
    ) -> Tensor:
        # the statistics are set on the network, which other threads may share
        with self.model.lock:
            if means is None:
                return self.run_network(batch, guide)
            with with_means(self.model.pipeline, means):
                return self.run_network(batch, guide)

    @torch.inference_mode()
    def run_network(self, batch: Tensor, guide: Tensor | None) -> Tensor:
        """Pass images (N, C, H, W) through the bare network, on its device."""
        model = self.model
        noisy = batch.to(model.device).contiguous(memory_format=torch.channels_last)
        if guide is not None:
            guide = guide.to(model.device)
        reduced = model.dtype != torch.float32
        with torch.autocast(
            model.device.type, model.dtype if reduced else None, enabled=reduced
        ):
            result: Tensor = model.pipeline(noisy, guide)
        return result.float().cpu()


def _batch(guide: Tensor | None) -> Tensor | None:
    return None if guide is None else guide[None]


def _as_tensor(image: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))

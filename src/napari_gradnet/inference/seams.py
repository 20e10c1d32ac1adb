"""What tiles and gathered statistics change, beside the network on the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_gradnet.data.files import expand_paths
from napari_gradnet.inference.accuracy import check_seed, noisy_image
from napari_gradnet.inference.clean_images import read_clean
from napari_gradnet.inference.models import open_model
from napari_gradnet.inference.plane import PlaneDenoiser
from napari_gradnet.metrics import psnr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_gradnet.inference.precision import Precision

__all__ = ["TilesRow", "iter_tile_effects"]


@dataclass(frozen=True)
class TilesRow:
    """One model on one image.

    Parameters
    ----------
    model, image : str
    size : (int, int)
        Rows and columns, pixels.
    plain_psnr : float
        dB, of the bare network on the whole image at once.
    whole_psnr, tiled_psnr : float
        dB, of one tile for the whole plane and of small tiles.
    difference : float
        Largest difference between those two, levels of 255.
    """

    model: str
    image: str
    size: tuple[int, int]
    plain_psnr: float
    whole_psnr: float
    tiled_psnr: float
    difference: float


def iter_tile_effects(
    folder: str | Path,
    models: Sequence[str],
    *,
    sigma: float = 25.0,
    tile: int = 300,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
) -> Iterator[TilesRow]:
    """Compare tiled results with those of the whole image.

    Parameters
    ----------
    folder : path
        Clean images; those above 2**20 pixels show what statistics from windows cost.
    models : sequence of str
        Names or files.
    sigma : float
        White Gaussian noise, levels of 255.
    tile : int
        Side of the tiles, pixels.
    limit : int, optional
        Only the first so many images.
    seed : int
        Of the noise.
    device, precision : str
        See `denoise`.

    Yields
    ------
    TilesRow

    Raises
    ------
    InputError
        An image cannot be measured, see `read_clean`; `sigma` or `seed` is negative.
    """
    check_seed(seed)
    for name in models:
        model = open_model(name, device=device, precision=precision)
        grey = model.header.channels == 1
        for number, path in enumerate(expand_paths([str(folder)])[:limit]):
            # grey in three channels will do: tiles are compared with the whole image
            clean = read_clean(path, grey=grey, repeat_grey=True)
            noisy = noisy_image(clean, sigma, seed + number)
            image = noisy[None] if grey else noisy.transpose(2, 0, 1)
            target = clean[None] if grey else clean.transpose(2, 0, 1)
            size = (image.shape[1], image.shape[2])
            whole = PlaneDenoiser(model, tile=max(size))
            plain = whole.run_network(torch.from_numpy(image.copy())[None], None)
            one = whole.denoise(image)
            many = PlaneDenoiser(model, tile=tile).denoise(image)
            yield TilesRow(
                model.header.name,
                path.name,
                size,
                psnr(plain[0].numpy(), target),
                psnr(one, target),
                psnr(many, target),
                255 * float(np.abs(one - many).max()),
            )

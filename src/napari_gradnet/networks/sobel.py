"""Sobel gradients as a network layer (GradNet, eq. 1-3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_gradnet.gradient import SOBEL_H, SOBEL_V

__all__ = ["SobelGradient"]


class SobelGradient(nn.Module):
    """Per-channel Sobel gradient of images.

    Parameters
    ----------
    eps : float
        Added under the square root: its derivative at 0 is not finite otherwise.

    Notes
    -----
    Borders repeat the edge pixel, so that the border of a patch or an image is not
    taken for an edge (the paper pads with zeros). The kernels are those of
    `napari_gradnet.gradient`.
    """

    def __init__(self, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps
        kernels = torch.tensor([SOBEL_H, SOBEL_V]).unsqueeze(1)
        self.register_buffer("kernels", kernels, persistent=False)
        self.kernels: Tensor

    def components(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Horizontal and vertical gradient.

        Parameters
        ----------
        image : Tensor, shape (N, C, H, W)
            Any real numbers.

        Returns
        -------
        horizontal, vertical : Tensor, shape (N, C, H, W)
            In the units of `image`.
        """
        n, c, h, w = image.shape
        # float32 always: the kernels' sums lose digits in 16 bits
        single = image.float().reshape(n * c, 1, h, w)
        padded = F.pad(single, (1, 1, 1, 1), mode="replicate")
        with torch.autocast(image.device.type, enabled=False):
            both = F.conv2d(padded, self.kernels.float())
        return both[:, 0].reshape(n, c, h, w), both[:, 1].reshape(n, c, h, w)

    def forward(self, image: Tensor) -> Tensor:
        """Gradient magnitude, shape (N, C, H, W)."""
        horizontal, vertical = self.components(image)
        return torch.sqrt(horizontal.square() + vertical.square() + self.eps)

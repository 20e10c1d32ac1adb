"""Training losses. Means, not sums, so that they do not depend on the patch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_gradnet.networks.sobel import SobelGradient

if TYPE_CHECKING:
    from napari_gradnet.config.training import LossConfig

__all__ = ["Loss"]

CHARBONNIER_EPS = 1e-3


class Loss(nn.Module):
    """Pixel loss plus gradient consistency.

    Parameters
    ----------
    config : LossConfig

    References
    ----------
    GradNet, eq. 4-6. The paper prints the noisy y as the target of eq. 4, a slip for
    the clean x.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        self.sobel = SobelGradient()

    def _pixel(self, error: Tensor) -> Tensor:
        if self.config.pixel == "l1":
            return error.abs().mean()
        if self.config.pixel == "l2":
            return error.square().mean()
        return torch.sqrt(error.square() + CHARBONNIER_EPS**2).mean()

    def forward(self, denoised: Tensor, clean: Tensor) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        denoised, clean : Tensor, shape (N, C, H, W)
            Intensities in [0, 1].

        Returns
        -------
        Tensor, shape ()
        """
        # float32: a loss summed in 16 bits loses its last digits
        error = denoised.float() - clean.float()
        loss = self._pixel(error)
        if self.config.gradient_weight:
            # Sobel is linear: the difference of gradients is the gradient of the error
            horizontal, vertical = self.sobel.components(error)
            consistency = horizontal.abs().mean() + vertical.abs().mean()
            loss = loss + self.config.gradient_weight * consistency
        return loss

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
LEVELS = 255.0
#: Error below which log-l2 loses interest. The gradient of a logarithm grows as its
#: argument falls: without a floor, patches with hardly any noise make nearly all of it.
LOG_EPS = 2 / LEVELS
#: w of the edge-aware losses (DN-ResNet, sec. 4.2).
EDGE_WEIGHT = {"a": 0.025, "b": 4.0}


class Loss(nn.Module):
    """Pixel loss, gradient consistency and edge-aware term.

    Parameters
    ----------
    config : LossConfig

    Notes
    -----
    With G the Sobel magnitude of the clean image in [0, 1], per channel:
    ``gradient-weighted-l1`` is ``mean(G |e|)``; the edge-aware term is
    ``w mean((M e)^2)`` with M = G (a) or M = [G >= threshold / 255] (b). ``log-l2`` is
    ``mean(log(mse + eps^2))`` over the patches, eps = 2 / 255: minus the mean PSNR, up
    to a factor, so that a patch of little noise counts as much as one of strong noise.

    References
    ----------
    GradNet, eq. 4-6 and fig. 2 (4). The paper prints the noisy y as the target of
    eq. 4, a slip for the clean x. DN-ResNet, eq. 4 and sec. 4.2.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        self.sobel = SobelGradient()

    def _pixel(self, error: Tensor, clean: Tensor) -> Tensor:
        if self.config.pixel == "gradient-weighted-l1":
            return (self.magnitude(clean) * error.abs()).mean()
        if self.config.pixel == "l1":
            return error.abs().mean()
        if self.config.pixel == "l2":
            return error.square().mean()
        if self.config.pixel == "log-l2":
            squared = error.square().mean((1, 2, 3))
            return torch.log(squared + LOG_EPS**2).mean()
        return torch.sqrt(error.square() + CHARBONNIER_EPS**2).mean()

    @torch.no_grad()
    def magnitude(self, clean: Tensor) -> Tensor:
        """Sobel magnitude, exactly 0 in flat regions."""
        horizontal, vertical = self.sobel.components(clean)
        return torch.hypot(horizontal, vertical)

    def _edges(self, error: Tensor, clean: Tensor) -> Tensor:
        edges = self.magnitude(clean)
        if self.config.edge == "b":
            edges = (edges >= self.config.edge_threshold / LEVELS).to(error.dtype)
        weight = self.config.edge_weight
        if weight is None:
            weight = EDGE_WEIGHT[self.config.edge]
        return weight * (edges * error).square().mean()

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
        loss = self._pixel(error, clean)
        if self.config.gradient_weight:
            # Sobel is linear: the difference of gradients is the gradient of the error
            horizontal, vertical = self.sobel.components(error)
            consistency = horizontal.abs().mean() + vertical.abs().mean()
            loss = loss + self.config.gradient_weight * consistency
        if self.config.edge != "none":
            loss = loss + self._edges(error, clean)
        return loss

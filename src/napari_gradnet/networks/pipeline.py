"""The GradNet pipeline as one network: guide first, then the main branch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_gradnet.networks.gradnet import GradNet
from napari_gradnet.networks.grid import Grid

if TYPE_CHECKING:
    from napari_gradnet.networks.blocks import ImageNetwork

__all__ = ["Pipeline"]


class Pipeline(nn.Module):
    """A network and, where it is a GradNet, what makes its guide.

    Parameters
    ----------
    network : ImageNetwork
        Any network of the registry.
    guide : ImageNetwork, optional
        The naive denoiser's network. Without it a GradNet takes its guide from the
        caller.
    """

    def __init__(
        self, network: ImageNetwork, guide: ImageNetwork | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.guide = guide

    @property
    def is_guided(self) -> bool:
        """Whether the network takes a guide."""
        return isinstance(self.network, GradNet)

    @property
    def needs_guide(self) -> bool:
        """Whether the caller must hand in a guide."""
        return self.is_guided and self.guide is None

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on, attention apart."""
        radius = self.network.receptive_radius
        if isinstance(self.network, GradNet):
            before = 0 if self.guide is None else self.guide.receptive_radius
            radius = max(radius, self.network.guide_radius + before)
        return radius

    @property
    def alignment(self) -> int:
        """Tiles must start at multiples of this many pixels."""
        return math.lcm(*(m.factor for m in self.modules() if isinstance(m, Grid)))

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights for both networks."""
        parts = [self.network] if self.guide is None else [self.guide, self.network]
        for part in parts:
            part.initialise(generator)

    def denoise_naively(self, noisy: Tensor) -> Tensor:
        """What the guide network makes of the noisy images, shape (N, C, H, W)."""
        if self.guide is None:
            msg = "this pipeline holds no guide network"
            raise ValueError(msg)
        guide: Tensor = self.guide(noisy)
        return guide

    def forward(self, noisy: Tensor, guide: Tensor | None = None) -> Tensor:
        """Denoised images.

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            Intensities in [0, 1].
        guide : Tensor, shape (N, C, H, W), optional
            Replaces the guide network's image; needed where there is none.

        Returns
        -------
        Tensor, shape (N, C, H, W)
        """
        if not self.is_guided:
            return self.network(noisy)
        if guide is None:
            # the gradient is computed in float32: 16 bits would quantise it
            guide = self.denoise_naively(noisy).float()
        return self.network(noisy, guide)

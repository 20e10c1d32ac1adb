"""DnCNN and SKDnCNN.

References
----------
K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, "Beyond a Gaussian Denoiser", IEEE TIP
26(7), 2017. SKDnCNN: GradNet, sec. 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_gradnet.networks.blocks import (
    Grid,
    ImageNetwork,
    conv3x3,
    convolution_radius,
    init_kaiming,
    quieten,
)

if TYPE_CHECKING:
    from napari_gradnet.config.network import DnCNNConfig, SKDnCNNConfig

__all__ = ["DnCNN", "SKDnCNN", "middle_layers"]


def middle_layers(width: int, count: int, *, batch_norm: bool) -> nn.Sequential:
    """`count` times convolution, BatchNorm (optional) and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(count):
        layers.append(conv3x3(width, width, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class DnCNN(ImageNetwork):
    """DnCNN: estimates the noise and takes it from the input.

    Parameters
    ----------
    config : DnCNNConfig
    """

    def __init__(self, config: DnCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid(config.unshuffle)
        channels = config.in_channels * config.unshuffle**2
        self.head = conv3x3(channels, config.num_features)
        self.body = middle_layers(
            config.num_features, config.depth - 2, batch_norm=config.batch_norm
        )
        self.tail = conv3x3(config.num_features, channels)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights (Kaiming normal)."""
        init_kaiming(self, generator)
        if not self.config.batch_norm:
            quieten(self.tail)

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on."""
        return (convolution_radius(self) + 1) * self.config.unshuffle - 1

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised images.

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            Intensities in [0, 1].

        Returns
        -------
        Tensor, shape (N, C, H, W)
        """
        features = torch.relu(self.head(self.grid(noisy)))
        noise = self.grid.back(self.tail(self.body(features)), noisy)
        return noisy - noise


class SKDnCNN(ImageNetwork):
    """DnCNN whose last convolution also sees the first features.

    Parameters
    ----------
    config : SKDnCNNConfig
    """

    def __init__(self, config: SKDnCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid(config.unshuffle)
        channels = config.in_channels * config.unshuffle**2
        self.head = conv3x3(channels, config.num_features)
        self.body = middle_layers(
            config.num_features, config.depth - 2, batch_norm=config.batch_norm
        )
        self.tail = conv3x3(2 * config.num_features, channels)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights (Kaiming normal)."""
        init_kaiming(self, generator)

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on."""
        return (convolution_radius(self) + 1) * self.config.unshuffle - 1

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised images, shape (N, C, H, W)."""
        features = torch.relu(self.head(self.grid(noisy)))
        joined = torch.cat([features, self.body(features)], 1)
        image = self.grid.back(self.tail(joined), noisy)
        return image + noisy if self.config.global_skip else image

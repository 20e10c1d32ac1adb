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

from napari_gradnet.networks.blocks import conv3x3, convolutions
from napari_gradnet.networks.grid import GridNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.config.network import DnCNNConfig, GradNetConfig, SKDnCNNConfig

__all__ = ["DnCNN", "SKDnCNN", "middle_layers"]


def middle_layers(
    width: int, config: DnCNNConfig | SKDnCNNConfig | GradNetConfig
) -> nn.Sequential:
    """`depth` - 2 times convolution, BatchNorm (optional) and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(config.depth - 2):
        layers.append(conv3x3(width, width, bias=not config.batch_norm))
        if config.batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class DnCNN(GridNetwork):
    """DnCNN: estimates the noise and takes it from the input.

    Parameters
    ----------
    config : DnCNNConfig
    """

    exact_head = False

    def __init__(self, config: DnCNNConfig) -> None:
        super().__init__(config, middle_layers(config.num_features, config))

    def plain_layers(self) -> Sequence[nn.Conv2d]:
        """All between the first and the last."""
        return convolutions(self.body)

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
        features = self.body(self.first_features(self.grid(noisy)))
        return noisy - self.reconstruct(features, noisy)


class SKDnCNN(GridNetwork):
    """DnCNN whose last convolution also sees the first features.

    Parameters
    ----------
    config : SKDnCNNConfig
    """

    config: SKDnCNNConfig
    exact_head = False

    def __init__(self, config: SKDnCNNConfig) -> None:
        width = config.num_features
        super().__init__(config, middle_layers(width, config), last=2 * width)

    def branch_ends(self) -> Sequence[nn.Conv2d]:
        """None: the last layer makes the image itself."""
        return []

    def plain_layers(self) -> Sequence[nn.Conv2d]:
        """All between the first and the last."""
        return convolutions(self.body)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised images, shape (N, C, H, W)."""
        features = self.first_features(self.grid(noisy))
        joined = torch.cat([features, self.body(features)], 1)
        image = self.reconstruct(joined, noisy)
        return image + noisy if self.config.global_skip else image

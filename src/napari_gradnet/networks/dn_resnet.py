"""DN-ResNet and its depthwise separable form DS-DN-ResNet.

References
----------
H. Ren, M. El-Khamy, J. Lee, "DN-ResNet: Efficient Deep Residual Network for Image
Denoising", ACCV 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_gradnet.config.network import DsDnResNetConfig
from napari_gradnet.networks.blocks import (
    ImageNetwork,
    convolution_radius,
    convolutions,
    init_kaiming,
)

if TYPE_CHECKING:
    from napari_gradnet.config.network import DnResNetConfig

__all__ = ["DnResNet", "ResBlock", "SeparableBlock", "init_gaussian"]

#: Standard deviation of new weights (sec. 3: Gaussian, 0.001).
INIT_STD = 0.001
WIDTH = 32


def init_gaussian(
    module: nn.Module, std: float = INIT_STD, generator: torch.Generator | None = None
) -> None:
    """Draw every convolution's weights from N(0, std)."""
    for part in convolutions(module):
        # as in `init_kaiming`: nothing to draw for a tensor without memory
        if not part.weight.is_meta:
            nn.init.normal_(part.weight, std=std, generator=generator)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between, plus the input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features, shape (N, 32, H, W)."""
        inner = self.conv1(features).relu_()
        return self.conv2(inner).add_(features)


class SeparableBlock(nn.Module):
    """Depthwise 3x3 and pointwise 1x1, a ReLU after each, plus the input."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH, bias=False)
        self.pointwise = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features, shape (N, 32, H, W)."""
        inner = self.pointwise(self.depthwise(features).relu_())
        return features + inner.relu_()


class DnResNet(ImageNetwork):
    """DN-ResNet with ``(depth - 3) / 2`` blocks, the last ones separable if so asked.

    Parameters
    ----------
    config : DnResNetConfig or DsDnResNetConfig
    """

    def __init__(self, config: DnResNetConfig) -> None:
        super().__init__()
        self.config = config
        count = (config.depth - 3) // 2
        separable = 0
        if isinstance(config, DsDnResNetConfig):
            asked = config.num_separable
            separable = count if asked is None else min(asked, count)
        self.head = nn.Conv2d(config.in_channels, 64, 9, padding=4, bias=False)
        self.shrink = nn.Conv2d(64, WIDTH, 5, padding=2, bias=False)
        blocks: list[nn.Module] = [ResBlock() for _ in range(count - separable)]
        blocks += [SeparableBlock() for _ in range(separable)]
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Conv2d(WIDTH, config.in_channels, 5, padding=2, bias=False)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights from N(0, 0.001), or as the configuration says."""
        if self.config.init == "gaussian":
            init_gaussian(self, generator=generator)
        else:
            init_kaiming(self, generator)

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on."""
        return convolution_radius(self)

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
        features = self.shrink(self.head(noisy).relu_()).relu_()
        image = self.tail(self.blocks(features))
        return image + noisy if self.config.global_skip else image

"""MSKResNet: residual units, residual modules with channel attention, long skip.

References
----------
GradNet, sec. 4.1, fig. 5 and the supplement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_gradnet.networks.blocks import (
    ChannelAttention,
    Grid,
    ImageNetwork,
    conv3x3,
    convolution_radius,
    exactly,
    init_kaiming,
    quieten,
)

if TYPE_CHECKING:
    from napari_gradnet.config.network import MSKResNetConfig

__all__ = ["MSKResNet", "ResidualModules"]


class ResUnit(nn.Module):
    """Convolution, BatchNorm, ReLU, convolution, add the input, ReLU."""

    def __init__(self, width: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = conv3x3(width, width, bias=True)
        self.norm = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
        self.conv2 = conv3x3(width, width, bias=True)

    def forward(self, features: Tensor) -> Tensor:
        inner = torch.relu(self.norm(self.conv1(features)))
        return torch.relu(features + self.conv2(inner))


class ResidualModule(nn.Module):
    """Residual units, medium skip, convolution, channel attention.

    The last of them has its convolution computed exactly (see `exactly`).
    """

    def __init__(
        self, width: int, config: MSKResNetConfig, *, is_last: bool = False
    ) -> None:
        super().__init__()
        self.is_last = is_last
        self.units = nn.Sequential(
            *(
                ResUnit(width, batch_norm=config.batch_norm)
                for _ in range(config.num_units)
            )
        )
        self.concat = config.medium_skip == "concat"
        self.merge = conv3x3(2 * width, width, bias=True) if self.concat else None
        self.attention = ChannelAttention(width, config.reduction)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.units(features)
        if self.merge is not None:
            both = torch.cat([features, inner], 1)
            inner = exactly(self.merge, both) if self.is_last else self.merge(both)
        else:
            inner = features + inner
        return self.attention(inner)


class ResidualModules(nn.Module):
    """The denoise block: residual modules in series with a long skip.

    Parameters
    ----------
    width : int
        Channels W in and out.
    config : MSKResNetConfig
    """

    def __init__(self, width: int, config: MSKResNetConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                ResidualModule(width, config, is_last=number == config.num_modules)
                for number in range(1, config.num_modules + 1)
            )
        )
        self.small_branches = not config.batch_norm

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights (Kaiming normal; small branches without BatchNorm)."""
        init_kaiming(self, generator)
        for unit in self.modules():
            if self.small_branches and isinstance(unit, ResUnit):
                quieten(unit.conv2)

    def forward(self, features: Tensor) -> Tensor:
        """Features, shape (N, W, H, W)."""
        return features + self.blocks(features)


class MSKResNet(ImageNetwork):
    """The backbone alone, without gradient: GradNet's baseline.

    Parameters
    ----------
    config : MSKResNetConfig
    """

    def __init__(self, config: MSKResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid(config.unshuffle)
        channels = config.in_channels * config.unshuffle**2
        self.head = conv3x3(channels, config.num_features)
        self.body = ResidualModules(config.num_features, config)
        self.tail = conv3x3(config.num_features, channels)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights (Kaiming normal)."""
        init_kaiming(self.head, generator)
        self.body.initialise(generator)
        init_kaiming(self.tail, generator)
        if not self.config.batch_norm:
            quieten(self.tail)

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on, attention apart."""
        return (convolution_radius(self) + 1) * self.config.unshuffle - 1

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised images, shape (N, C, H, W)."""
        features = self.body(torch.relu(exactly(self.head, self.grid(noisy))))
        return noisy + self.grid.back(self.tail(features), noisy)

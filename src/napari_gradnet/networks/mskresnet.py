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
    as_computed,
    conv3x3,
    exactly,
    in_strips,
)
from napari_gradnet.networks.grid import GridNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.config.network import MSKResNetConfig

__all__ = ["MSKResNet", "ResUnit", "ResidualModules", "unit_ends"]


class ResUnit(nn.Module):
    """Convolution, BatchNorm, ReLU, convolution, add the input, ReLU."""

    def __init__(self, width: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = conv3x3(width, width, bias=True)
        self.norm = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
        self.conv2 = conv3x3(width, width, bias=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features, shape of `features`, none below 0."""
        inner = self.norm(self.conv1(features)).relu_()
        return self.conv2(inner).add_(features).relu_()


def unit_ends(body: nn.Module) -> list[nn.Conv2d]:
    """Last layers of all residual units."""
    return [m.conv2 for m in body.modules() if isinstance(m, ResUnit)]


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
        self.radius = 2 * config.num_units + (1 if self.concat else 0)

    def _convolve(self, features: Tensor) -> Tensor:
        inner = self.units(features)
        if self.merge is None:
            return features + inner
        both = torch.cat([features, inner], 1)
        return exactly(self.merge, both) if self.is_last else self.merge(both)

    def forward(self, features: Tensor) -> Tensor:
        """Features, shape of `features`."""
        inner = in_strips(self._convolve, features, self.radius, 2 * features.shape[1])
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

    def forward(self, features: Tensor) -> Tensor:
        """Features, shape (N, W, H, W)."""
        # the long skip keeps what the first layer computed exactly
        inner = self.blocks(as_computed(features))
        return inner.to(features.dtype).add_(features)


class MSKResNet(GridNetwork):
    """The backbone alone, without gradient: GradNet's baseline.

    Parameters
    ----------
    config : MSKResNetConfig
    """

    def __init__(self, config: MSKResNetConfig) -> None:
        super().__init__(config, ResidualModules(config.num_features, config))

    def branch_ends(self) -> Sequence[nn.Conv2d]:
        """Last layers of the units and of the network."""
        return [*unit_ends(self.body), self.tail]

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised images, shape (N, C, H, W)."""
        features = self.body(self.first_features(self.grid(noisy)))
        return noisy + self.reconstruct(features, noisy)

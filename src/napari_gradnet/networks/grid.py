"""Networks that work on a coarser grid of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from napari_gradnet.networks.blocks import (
    ImageNetwork,
    carry_through,
    conv3x3,
    convolution_radius,
    exactly,
    init_kaiming,
    quieten,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_gradnet.config.network import GridNetworkConfig

__all__ = ["Grid", "GridNetwork"]


class Grid(nn.Module):
    """Pixel-unshuffle to a coarser grid and back, for images of any size.

    Parameters
    ----------
    factor : int
        Pixels of the image along one pixel of the grid.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        """Shape (N, C, H, W) to (N, C f^2, ceil(H / f), ceil(W / f))."""
        if self.factor == 1:
            return image
        height, width = image.shape[-2:]
        missing = (-width % self.factor, -height % self.factor)
        if any(missing):
            image = F.pad(image, (0, missing[0], 0, missing[1]), mode="replicate")
        return F.pixel_unshuffle(image, self.factor)

    def back(self, features: Tensor, like: Tensor) -> Tensor:
        """Shape (N, C f^2, h, w) to (N, C, H, W), the size of the image `like`."""
        if self.factor == 1:
            return features
        image = F.pixel_shuffle(features, self.factor)
        return image[..., : like.shape[-2], : like.shape[-1]]


class GridNetwork(ImageNetwork):
    """A convolution, a body and a convolution, on a coarser grid if so asked.

    What is a network's own: its body, its skips (`forward`) and its first weights
    (`branch_ends`).

    Parameters
    ----------
    config : GridNetworkConfig
        F features, and whether there is BatchNorm.
    body : nn.Module
        What lies between the two convolutions.
    beside : int
        Channels that the first convolution sees beside those of the image.
    last : int, optional
        Channels that the last convolution sees; F when not given.
    """

    #: Whether the first convolution is computed exactly (see `exactly`).
    exact_head: ClassVar[bool] = True

    def __init__(
        self,
        config: GridNetworkConfig,
        body: nn.Module,
        *,
        beside: int = 0,
        last: int | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid(config.unshuffle)
        channels = config.in_channels * config.unshuffle**2
        self.head = conv3x3(channels + beside, config.num_features)
        self.body = body
        self.tail = conv3x3(last or config.num_features, channels)
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights: Kaiming normal.

        Without BatchNorm, branches begin small and plain layers near the identity.
        """
        init_kaiming(self, generator)
        if not self.config.batch_norm:
            for layer in self.plain_layers():
                carry_through(layer)
            for layer in self.branch_ends():
                quieten(layer)

    def plain_layers(self) -> Sequence[nn.Conv2d]:
        """Layers in series that no skip leads around."""
        return []

    def branch_ends(self) -> Sequence[nn.Conv2d]:
        """Last layers of the branches that are added to something."""
        return [self.tail]

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on, attention apart."""
        return (convolution_radius(self) + 1) * self.config.unshuffle - 1

    def first_features(self, image: Tensor) -> Tensor:
        """Features, shape (N, F, h, w), of an image on the grid."""
        head = exactly(self.head, image) if self.exact_head else self.head(image)
        return head.relu_()

    def reconstruct(self, features: Tensor, like: Tensor) -> Tensor:
        """Image of the last features, of the size of the image `like`."""
        return self.grid.back(self.tail(features), like)

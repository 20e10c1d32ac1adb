"""GradNet-I, -II, -III: the gradient of a naively denoised image inside the network.

GradNet-IV is a loss, not a network: see `napari_gradnet.losses`.

References
----------
Y. Liu, S. Anwar, L. Zheng, Q. Tian, "GradNet Image Denoising", CVPR Workshops 2020,
sec. 3.2 and 4.
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
    exactly,
    init_kaiming,
    quieten,
)
from napari_gradnet.networks.dncnn import middle_layers
from napari_gradnet.networks.mskresnet import ResidualModules
from napari_gradnet.networks.sobel import SobelGradient

if TYPE_CHECKING:
    from napari_gradnet.config.network import GradNetConfig

__all__ = ["GradNet", "interleave_order"]


def interleave_order(num_features: int, num_gradients: int) -> list[int]:
    """Where each channel of ``[features, gradients]`` goes for gradient mixup.

    Gradient channels are spread evenly among the features.

    Returns
    -------
    list of int
        Position p of the result holds the channel ``order[p]`` of the concatenation.
    """
    total = num_features + num_gradients
    order: list[int] = []
    used = 0
    for position in range(total):
        if (
            used < num_gradients
            and (position + 1) * num_gradients >= (used + 1) * total
        ):
            order.append(num_features + used)
            used += 1
        else:
            order.append(position - used)
    return order


class _SkipLayers(nn.Module):
    """SKDnCNN's middle part: its output beside its input, 2W channels."""

    def __init__(self, width: int, config: GradNetConfig) -> None:
        super().__init__()
        self.layers = middle_layers(
            width, config.depth - 2, batch_norm=config.batch_norm
        )

    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights (Kaiming normal)."""
        init_kaiming(self, generator)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([features, self.layers(features)], 1)


class GradNet(ImageNetwork):
    """GradNet over MSKResNet or SKDnCNN.

    Parameters
    ----------
    config : GradNetConfig
        `fusion` says where the gradient enters: ``"I"`` beside the image, ``"II"``
        after the first convolution, ``"III"`` before the reconstruction.
    """

    def __init__(self, config: GradNetConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid(config.unshuffle)
        self.sobel = SobelGradient()
        channels = config.in_channels * config.unshuffle**2
        extra = channels * config.gradient_copies
        fused = {"I": channels, "II": config.num_features}
        at_image, at_features = config.fusion == "I", config.fusion == "II"
        self.head = conv3x3(channels + extra * at_image, config.num_features)
        width = config.num_features + extra * at_features
        self.body: ResidualModules | _SkipLayers
        if config.backbone == "mskresnet":
            self.body, last = ResidualModules(width, config), width
        else:
            self.body, last = _SkipLayers(width, config), 2 * width
        self.tail = conv3x3(last + extra * (config.fusion == "III"), channels)
        self.initialise()
        order = interleave_order(fused.get(config.fusion, last), extra)
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.order: Tensor

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

    @property
    def guide_radius(self) -> int:
        """Pixels of the guide that an output pixel depends on, attention apart."""
        before = {"I": 0, "II": 1, "III": convolution_radius(self) - 1}
        radius = convolution_radius(self) - before[self.config.fusion]
        return (radius + 1) * self.config.unshuffle  # one more for Sobel

    def _fuse(self, features: Tensor, gradient: Tensor) -> Tensor:
        copies = gradient.to(features.dtype).repeat(
            1, self.config.gradient_copies, 1, 1
        )
        joined = torch.cat([features, copies], 1)
        # without mixup the order does not matter to a convolution: keep the plain one
        return joined if self.config.gradient_copies == 1 else joined[:, self.order]

    def forward(self, noisy: Tensor, guide: Tensor) -> Tensor:
        """Denoised images.

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            Intensities in [0, 1].
        guide : Tensor, shape (N, C, H, W)
            The image whose gradient is fused: naively denoised (the method), clean (an
            oracle) or noisy.

        Returns
        -------
        Tensor, shape (N, C, H, W)
        """
        gradient = self.grid(self.sobel(guide))
        features = self.grid(noisy)
        if self.config.fusion == "I":
            features = self._fuse(features, gradient)
        features = torch.relu(exactly(self.head, features))
        if self.config.fusion == "II":
            features = self._fuse(features, gradient)
        features = self.body(features)
        if self.config.fusion == "III":
            features = self._fuse(features, gradient)
        return noisy + self.grid.back(self.tail(features), noisy)

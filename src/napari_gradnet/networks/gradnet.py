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
    convolution_radius,
    convolutions,
    layout,
)
from napari_gradnet.networks.dncnn import middle_layers
from napari_gradnet.networks.grid import GridNetwork
from napari_gradnet.networks.mskresnet import ResidualModules, unit_ends
from napari_gradnet.networks.sobel import SobelGradient

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        self.layers = middle_layers(width, config)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([features, self.layers(features)], 1)


class GradNet(GridNetwork):
    """GradNet over MSKResNet or SKDnCNN.

    Parameters
    ----------
    config : GradNetConfig
        `fusion` says where the gradient enters: ``"I"`` beside the image, ``"II"``
        after the first convolution, ``"III"`` before the reconstruction.
    """

    config: GradNetConfig

    def __init__(self, config: GradNetConfig) -> None:
        channels = config.in_channels * config.unshuffle**2
        gradients = channels * config.gradient_copies
        extra = {"I": 0, "II": 0, "III": 0} | {config.fusion: gradients}
        width = config.num_features + extra["II"]
        body: nn.Module
        if config.backbone == "mskresnet":
            body, last = ResidualModules(width, config), width
        else:
            body, last = _SkipLayers(width, config), 2 * width
        super().__init__(config, body, beside=extra["I"], last=last + extra["III"])
        self.sobel = SobelGradient()
        fused = {"I": channels, "II": config.num_features, "III": last}
        order = interleave_order(fused[config.fusion], gradients)
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.order: Tensor

    def branch_ends(self) -> Sequence[nn.Conv2d]:
        """Last layers of the units, if there are any, and of the network."""
        return [*unit_ends(self.body), self.tail]

    def plain_layers(self) -> Sequence[nn.Conv2d]:
        """SKDnCNN's layers between the first and the last."""
        return [] if self.config.backbone == "mskresnet" else convolutions(self.body)

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
        copies = copies.contiguous(memory_format=layout(features))
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
        features = self.first_features(features)
        if self.config.fusion == "II":
            features = self._fuse(features, gradient)
        features = self.body(features)
        if self.config.fusion == "III":
            features = self._fuse(features, gradient)
        return noisy + self.reconstruct(features, noisy)

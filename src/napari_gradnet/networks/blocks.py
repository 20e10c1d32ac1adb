"""Pieces that several networks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ChannelAttention",
    "ImageNetwork",
    "as_computed",
    "carry_through",
    "conv3x3",
    "convolution_radius",
    "convolutions",
    "exactly",
    "global_average",
    "in_strips",
    "init_kaiming",
    "layout",
    "quieten",
]


#: Values of a tensor in a strip, and its rows in multiples of the radius, at least.
_STRIP_VALUES = 1 << 23
_STRIP_RADII = 8


class ImageNetwork(nn.Module, ABC):
    """Base of the networks: image in, image out, of any size."""

    @property
    @abstractmethod
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that it depends on, attention apart."""

    @abstractmethod
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights."""


def conv3x3(in_channels: int, out_channels: int, *, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution with zero padding that keeps the size."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)


def exactly(layer: nn.Module, features: Tensor) -> Tensor:
    """Run a layer in float32, also where the network around it runs in 16 bits.

    The first layer and the last features before the long skip carry the image itself:
    their rounding, not that of the many layers between, is what 16 bits cost. Training
    needs no such care and keeps its speed.
    """
    kind = features.device.type
    if layer.training or not torch.is_autocast_enabled(kind):
        result: Tensor = layer(features)
        return result
    with torch.autocast(kind, enabled=False):
        result = layer(features.float())
    return result


def layout(features: Tensor) -> torch.memory_format:
    """How features lie in the memory: two layouts in one layer are slow."""
    if features.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def as_computed(features: Tensor) -> Tensor:
    """Features in the precision that the convolutions around run in.

    Each layer would round them anyway; what lies between would stay slow and large.
    """
    kind = features.device.type
    if not torch.is_autocast_enabled(kind):
        return features
    return features.to(torch.get_autocast_dtype(kind))


def in_strips(
    function: Callable[[Tensor], Tensor], image: Tensor, radius: int, channels: int
) -> Tensor:
    """Run layers on some rows at a time: what lies between them takes little memory.

    Large tensors cost more than their arithmetic: they leave the processor's caches,
    and the system hands out the memory of each anew. Without gradients only.

    Parameters
    ----------
    function : callable
        Image to image of the same rows and columns.
    image : Tensor, shape (N, C, H, W)
        What it is given.
    radius : int
        Rows around an output row that it depends on.
    channels : int
        The most that a tensor has on the way.
    """
    rows = image.shape[2]
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return function(image)
    strip = max(_STRIP_RADII * radius, _STRIP_VALUES // (channels * image.shape[3]))
    if rows <= strip:
        return function(image)
    strip = -(-rows // -(-rows // strip))  # all of about the same size
    result = torch.empty(0)
    for start in range(0, rows, strip):
        stop = min(start + strip, rows)
        first = max(0, start - radius)
        part = function(image[:, :, first : stop + radius])
        if start == 0:
            result = torch.empty(
                (*part.shape[:2], rows, part.shape[3]),
                dtype=part.dtype,
                device=part.device,
                memory_format=layout(part),
            )
        result[:, :, start:stop] = part[:, :, start - first : stop - first]
    return result


def init_kaiming(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Kaiming normal (fan in) for every convolution, zero biases (GradNet)."""
    for module in convolutions(network):
        # drawing for a tensor without memory imports torch's compiler: seconds
        if not module.weight.is_meta:
            nn.init.kaiming_normal_(
                module.weight, mode="fan_in", nonlinearity="relu", generator=generator
            )
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@torch.no_grad()
def quieten(layer: nn.Conv2d, factor: float = 0.1) -> None:
    """Scale a layer's first weights down.

    Without BatchNorm, residual branches must start small, or the sum of many of them
    explodes and the first steps kill ReLUs for good (Zhang, Dauphin, Ma, "Fixup
    Initialization", ICLR 2019).
    """
    layer.weight.mul_(factor)


@torch.no_grad()
def carry_through(layer: nn.Conv2d, share: float = 0.3) -> None:
    """Let a layer of as many features out as in begin near the identity.

    Many plain layers in series, with neither skips nor BatchNorm, hand so little on
    that the network learns to estimate no noise at all and stays there. Identities
    carry the first features to the end (S. Zagoruyko, N. Komodakis, "DiracNets",
    2017); a `share` of the drawn weights keeps the features apart.
    """
    if layer.weight.is_meta:
        return
    identity = nn.init.dirac_(torch.empty_like(layer.weight))
    layer.weight.mul_(share).add_(identity, alpha=(1 - share**2) ** 0.5)


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """All convolutions in a network."""
    return [part for part in network.modules() if isinstance(part, nn.Conv2d)]


def convolution_radius(network: nn.Module) -> int:
    """How far one output pixel looks, in pixels of the network's own grid.

    All convolutions wider than 1x1 of the networks here lie in series, so that their
    radii add up.
    """
    return sum(
        (int(module.kernel_size[0]) // 2) * int(module.dilation[0])
        for module in convolutions(network)
    )


def global_average(features: Tensor) -> Tensor:
    """Mean over all pixels, shape (N, C, 1, 1), in float32."""
    if features.dtype == torch.float32:
        return features.mean((2, 3), keepdim=True)
    # a few rows at a time: the sum first makes float32 numbers of all that it gets
    parts = [
        rows.sum((2, 3), keepdim=True, dtype=torch.float32)
        for rows in features.split(32, 2)
    ]
    return torch.stack(parts).sum(0) / features.shape[2:].numel()


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation: channels are weighted by what the whole image holds.

    Parameters
    ----------
    channels : int
        Channels W.
    reduction : int
        r; the hidden layer has max(1, W // r) features.

    Attributes
    ----------
    pooling : callable
        Tensor (N, W, H, W) to (N, W, 1, 1). Training and plain calls take the mean of
        all pixels; inference sets another one to make the result independent of tiles.

    References
    ----------
    J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        self.pooling: Callable[[Tensor], Tensor] = global_average

    def forward(self, features: Tensor) -> Tensor:
        """Weighted features, shape of `features`, which may be overwritten."""
        pooled = self.pooling(features).to(features.dtype)
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))
        if torch.is_grad_enabled():
            return features * weights
        return features.mul_(weights)

"""Make a loaded network fast: BatchNorm folded, memory laid out for the device."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_gradnet.networks.blocks import convolutions
from napari_gradnet.networks.grid import Grid
from napari_gradnet.networks.mskresnet import ResUnit

if TYPE_CHECKING:
    from napari_gradnet.networks.pipeline import Pipeline

__all__ = ["bytes_per_pixel", "fold_batch_norm", "prepare"]


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold every BatchNorm into the convolution before it; the result is the same.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode; changed in place.
    """
    for module in list(network.modules()):
        if isinstance(module, ResUnit) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv1 = fuse_conv_bn_eval(module.conv1, module.norm)
            module.norm = nn.Identity()
        if isinstance(module, nn.Sequential):
            for place, (first, second) in enumerate(
                zip(list(module), list(module)[1:], strict=False)
            ):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[place] = fuse_conv_bn_eval(first, second)
                    module[place + 1] = nn.Identity()
    return network


def prepare(pipeline: Pipeline, device: torch.device) -> Pipeline:
    """Copy a pipeline, ready to run on a device."""
    ready = copy.deepcopy(pipeline).eval()
    fold_batch_norm(ready)
    ready.eval().requires_grad_(requires_grad=False)  # what folding made, too
    ready.to(device)
    ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def bytes_per_pixel(pipeline: Pipeline, item_size: int = 4) -> int:
    """Estimate the memory that a forward pass needs for one pixel of its input.

    The widest convolution's input and output live together with the features that the
    skips hold: about three times its channels (checked by `gradnet benchmark
    inference`).
    """
    parts = (pipeline.network, pipeline.guide)
    widest = max(_channels_per_pixel(part) for part in parts if part is not None)
    return int(3 * widest * item_size)


def _channels_per_pixel(network: nn.Module) -> float:
    """Input and output channels of the widest convolution, for one image pixel."""
    factor = max([1, *(m.factor for m in network.modules() if isinstance(m, Grid))])
    widest = max(m.in_channels + m.out_channels for m in convolutions(network))
    return widest / factor**2

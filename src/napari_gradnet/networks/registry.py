"""All networks by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.config.network import NetworkConfig, network_names, parse_network
from napari_gradnet.networks.dn_resnet import DnResNet
from napari_gradnet.networks.dncnn import DnCNN, SKDnCNN
from napari_gradnet.networks.gradnet import GradNet
from napari_gradnet.networks.mskresnet import MSKResNet

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from napari_gradnet.networks.blocks import ImageNetwork

__all__ = ["build", "build_network", "count_parameters", "list_networks"]

_BUILDERS: dict[str, Callable[[Any], ImageNetwork]] = {
    "dncnn": DnCNN,
    "skdncnn": SKDnCNN,
    "mskresnet": MSKResNet,
    "gradnet": GradNet,
    "dn-resnet": DnResNet,
    "ds-dn-resnet": DnResNet,
}


def build(config: NetworkConfig) -> ImageNetwork:
    """Build the network that a validated configuration describes."""
    return _BUILDERS[config.name](config)


def build_network(name: str, **options: object) -> ImageNetwork:
    """Build a network by name; the defaults are the papers'.

    Parameters
    ----------
    name : str
        One of `list_networks`.
    **options
        Fields of the network's configuration, such as ``in_channels=1``.

    Returns
    -------
    torch.nn.Module
        With freshly initialised weights, on the CPU. ``gradnet`` is called with the
        noisy image and the guide; all others with the noisy image, shape (N, C, H, W).

    Raises
    ------
    ConfigError
        The name or an option is unknown or out of range.
    """
    return build(parse_network(name, **options))


def list_networks() -> tuple[str, ...]:
    """Names that `build_network` understands."""
    return network_names()


def count_parameters(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

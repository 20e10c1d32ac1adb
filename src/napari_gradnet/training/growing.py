"""A larger network that begins where a smaller one ended.

References
----------
T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge
Transfer", ICLR 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_gradnet.networks.gradnet import GradNet
from napari_gradnet.networks.grid import GridNetwork
from napari_gradnet.networks.mskresnet import ResUnit

if TYPE_CHECKING:
    from torch import Tensor

    from napari_gradnet.config.network import GridNetworkConfig

__all__ = ["grown_weights"]


def grown_weights(old: nn.Module, new: nn.Module) -> dict[str, Tensor]:
    """The weights of a network that has more units or features than a trained one.

    It computes the same: further residual units are identities, and what further
    features hold is not looked at by those that were there. `new` gives what they
    begin with: its drawn weights.

    Parameters
    ----------
    old, new : nn.Module
        The trained network and the one to be. Layers that cannot grow so are handed
        over as they are, for `load_state_dict` to complain.

    Returns
    -------
    dict
        A state for `new`.
    """
    known = old.state_dict()
    _add_units(known, new)
    if not (isinstance(old, GridNetwork) and isinstance(new, GridNetwork)):
        return known
    before, after = old.config.num_features, new.config.num_features
    if after <= before or _other_options(old.config) != _other_options(new.config):
        return known
    gradients = 0
    if isinstance(old, GradNet):
        if old.config.gradient_copies > 1:  # lie among the features, elsewhere in each
            return known
        gradients = old.config.in_channels * old.config.unshuffle**2
    drawn = new.state_dict()
    return {
        key: _widened(value, drawn[key], (before, after), gradients)
        if key in drawn and drawn[key].shape != value.shape
        else value
        for key, value in known.items()
    }


def _other_options(config: GridNetworkConfig) -> dict[str, Any]:
    """What two networks must have in common."""
    return config.model_dump(exclude={"num_features", "num_units"})


def _add_units(known: dict[str, Tensor], new: nn.Module) -> None:
    """Residual units that only the new network has change nothing yet.

    Such a unit stands behind a ReLU: with a last layer of zeros it is the identity.
    """
    for path, unit in new.named_modules():
        # the first unit of a module may see negative features: no identity
        if not isinstance(unit, ResUnit) or path.endswith(".units.0"):
            continue
        if not any(key.startswith(f"{path}.") for key in known):
            nn.init.zeros_(unit.conv2.weight)
            known |= {f"{path}.{k}": v for k, v in unit.state_dict().items()}


def _widened(
    value: Tensor, drawn: Tensor, features: tuple[int, int], gradients: int
) -> Tensor:
    """Weights among those drawn: what was there sees what was there only."""
    result = drawn.clone()
    outputs = _places(value.shape[0], drawn.shape[0], features, gradients)
    if value.ndim == 1:
        result[outputs] = value
        return result
    inputs = _places(value.shape[1], drawn.shape[1], features, gradients)
    result[outputs] = 0
    result[outputs[:, None], inputs] = value
    return result


def _places(old: int, new: int, features: tuple[int, int], gradients: int) -> Tensor:
    """Where the channels of a layer go when its features become more.

    Channels are some blocks of features, each followed by those of the gradient or not.
    Anything else, such as the hidden layer of an attention, keeps its place.
    """
    before, after = features
    for blocks in ((gradients,), (0,), (gradients, gradients), (0, 0), (0, gradients)):
        if (old, new) != tuple(len(blocks) * f + sum(blocks) for f in features):
            continue
        places: list[int] = []
        start = 0
        for extra in blocks:
            places += range(start, start + before)
            places += range(start + after, start + after + extra)
            start += after + extra
        return torch.tensor(places)
    return torch.arange(old)

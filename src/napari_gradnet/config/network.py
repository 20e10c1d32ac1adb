"""What defines a network; the defaults are the papers'.

References
----------
GradNet: Liu et al., CVPR Workshops 2020. DnCNN: Zhang et al., IEEE TIP 26(7), 2017.
DN-ResNet: Ren, El-Khamy, Lee, ACCV 2018.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from napari_gradnet.config.base import FrozenModel, explain
from napari_gradnet.errors import ConfigError

__all__ = [
    "DnCNNConfig",
    "DnResNetConfig",
    "DsDnResNetConfig",
    "GradNetConfig",
    "GridNetworkConfig",
    "MSKResNetConfig",
    "NetworkConfig",
    "SKDnCNNConfig",
    "network_names",
    "parse_network",
]


# Upper bounds: a damaged model file shall not ask for a network that never gets built.
class _ImageNetwork(FrozenModel):
    in_channels: int = Field(
        3, ge=1, le=256, description="Image channels C: 3 colour, 1 grey."
    )


class GridNetworkConfig(_ImageNetwork):
    """What the networks that may work on a coarser grid have in common."""

    num_features: int = Field(
        64, ge=1, le=4096, description="Features F of the first layer."
    )
    unshuffle: int = Field(
        1,
        ge=1,
        le=8,
        description="Work on a grid this many times coarser (pixel-unshuffle).",
    )
    batch_norm: bool = Field(True, description="BatchNorm after convolutions.")


class DnCNNConfig(GridNetworkConfig):
    """DnCNN; depth 17, or 20 for blind colour noise."""

    name: Literal["dncnn"] = "dncnn"
    depth: int = Field(17, ge=3, le=1000, description="Number of convolutions.")


class SKDnCNNConfig(GridNetworkConfig):
    """DnCNN with the first features concatenated before the last convolution."""

    name: Literal["skdncnn"] = "skdncnn"
    depth: int = Field(17, ge=3, le=1000, description="Number of convolutions.")
    global_skip: bool = Field(
        False, description="Add the noisy input to the output (not in the original)."
    )


class MSKResNetConfig(GridNetworkConfig):
    """MSKResNet, GradNet's backbone."""

    name: Literal["mskresnet"] = "mskresnet"
    num_modules: int = Field(4, ge=1, le=100, description="Residual modules in series.")
    num_units: int = Field(4, ge=1, le=100, description="Residual units in a module.")
    medium_skip: Literal["concat", "add"] = Field(
        "concat", description="How a module joins its input and its units' output."
    )
    reduction: int = Field(
        16, ge=1, description="Channel attention reduction r (the paper's text: 2)."
    )


class GradNetConfig(MSKResNetConfig):
    """GradNet-I, -II or -III over MSKResNet or SKDnCNN."""

    name: Literal["gradnet"] = "gradnet"  # type: ignore[assignment]
    backbone: Literal["mskresnet", "skdncnn"] = Field(
        "mskresnet", description="The denoise block."
    )
    fusion: Literal["I", "II", "III"] = Field(
        "II",
        description="Where the gradient enters: image, first features, last features.",
    )
    gradient_copies: int = Field(
        1,
        ge=1,
        le=100,
        description="Gradient mixup: copies interleaved among the features.",
    )
    depth: int = Field(
        17, ge=3, le=1000, description="Convolutions of a SKDnCNN backbone."
    )


class DnResNetConfig(_ImageNetwork):
    """DN-ResNet with 3 to 13 (or 19) layers."""

    name: Literal["dn-resnet"] = "dn-resnet"
    in_channels: int = Field(1, ge=1, le=256, description="Image channels C.")
    depth: int = Field(
        13, ge=3, le=1000, description="Convolutions: 3, plus 2 a residual block."
    )
    global_skip: bool = Field(False, description="Add the noisy input to the output.")
    init: Literal["gaussian", "kaiming"] = Field(
        "gaussian",
        description="First weights: N(0, 0.001) for cascade training, or Kaiming.",
    )

    @field_validator("depth")
    @classmethod
    def _odd(cls, depth: int) -> int:
        if depth % 2 == 0:
            msg = f"{depth} must be odd (3 + 2 a block): use {depth - 1} or {depth + 1}"
            raise ValueError(msg)
        return depth


class DsDnResNetConfig(DnResNetConfig):
    """DN-ResNet whose last blocks are depthwise separable."""

    name: Literal["ds-dn-resnet"] = "ds-dn-resnet"  # type: ignore[assignment]
    num_separable: int | None = Field(
        None,
        ge=0,
        description="Separable blocks, counted from the tail; all when not given.",
    )


NetworkConfig = Annotated[
    DnCNNConfig
    | SKDnCNNConfig
    | MSKResNetConfig
    | GradNetConfig
    | DnResNetConfig
    | DsDnResNetConfig,
    Field(discriminator="name"),
]

_CONFIGS: dict[str, type[_ImageNetwork]] = {
    "dncnn": DnCNNConfig,
    "skdncnn": SKDnCNNConfig,
    "mskresnet": MSKResNetConfig,
    "gradnet": GradNetConfig,
    "dn-resnet": DnResNetConfig,
    "ds-dn-resnet": DsDnResNetConfig,
}


def network_names() -> tuple[str, ...]:
    """Names that `parse_network` understands."""
    return tuple(_CONFIGS)


def parse_network(name: str, **options: object) -> NetworkConfig:
    """Validate a network's name and options.

    Raises
    ------
    ConfigError
        The name is unknown or an option does not fit; the message lists the valid ones.
    """
    config = _CONFIGS.get(name)
    if config is None:
        msg = f"network {name!r} is unknown: use one of {', '.join(_CONFIGS)}"
        raise ConfigError(msg)
    try:
        return TypeAdapter(NetworkConfig).validate_python({"name": name, **options})
    except ValidationError as error:
        message = explain(error, f"network {name!r}", config, skip=1)
        raise ConfigError(message) from error

"""How a network is trained; the defaults are GradNet's (sec. 5.1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.config.data import DataConfig
from napari_gradnet.config.network import GradNetConfig, NetworkConfig

__all__ = [
    "BM3DGuide",
    "CleanGuide",
    "Experiment",
    "GuideConfig",
    "LossConfig",
    "NetworkGuide",
    "NoisyGuide",
    "TrainingConfig",
]


class NetworkGuide(FrozenModel):
    """A naive denoising network, shipped in the same model file."""

    kind: Literal["network"] = "network"
    network: NetworkConfig
    training: Literal["joint", "frozen"] = Field(
        "joint",
        description="Trained beside the main network (no gradient passes between the "
        "two), or loaded from `model` and frozen.",
    )
    model: str | None = Field(None, description="A model file with first weights.")

    @model_validator(mode="after")
    def _frozen_needs_weights(self) -> NetworkGuide:
        if self.training == "frozen" and self.model is None:
            msg = "a frozen guide needs first weights: give model=FILE.safetensors"
            raise ValueError(msg)
        return self


class BM3DGuide(FrozenModel):
    """BM3D with the true sigma in training, the estimated one in use."""

    kind: Literal["bm3d"] = "bm3d"


class CleanGuide(FrozenModel):
    """The clean image: an oracle, the upper bound."""

    kind: Literal["clean"] = "clean"


class NoisyGuide(FrozenModel):
    """The noisy image itself: the lower bound."""

    kind: Literal["noisy"] = "noisy"


GuideConfig = Annotated[
    NetworkGuide | BM3DGuide | CleanGuide | NoisyGuide, Field(discriminator="kind")
]


class LossConfig(FrozenModel):
    """``pixel + gradient_weight * (|dG_H| + |dG_V|)``, all means (GradNet eq. 4-6)."""

    pixel: Literal["l1", "l2", "charbonnier"] = "l1"
    gradient_weight: float = Field(0.1, ge=0, description="lambda of eq. 6.")
    guide_weight: float = Field(
        1.0, gt=0, description="Weight of a jointly trained guide's own loss."
    )


class TrainingConfig(FrozenModel):
    """Optimiser, schedule, precision and checkpoints."""

    num_epochs: int = Field(120, ge=1)
    max_minutes: float | None = Field(
        None,
        gt=0,
        description="Time budget; the cosine schedule ends with it. Runs with a time "
        "budget are not reproducible to the bit.",
    )
    batch_size: int = Field(48, ge=1)
    patch_size: int = Field(80, ge=8, description="Pixels.")
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "plateau"] = "plateau"
    warmup_steps: int = Field(0, ge=0, description="Linear warm-up.")
    first_drop_epoch: int = Field(
        60, ge=1, description="Plateau: learning rate / 5 after this epoch."
    )
    patience: int = Field(
        20, ge=1, description="Plateau: then / 5 after as many epochs without a gain."
    )
    decay_factor: float = Field(0.2, gt=0, lt=1)
    min_learning_rate: float = Field(1e-6, gt=0, description="Plateau: stop below it.")
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the weights' moving average; 0 for none."
    )
    clip_gradient: float | None = Field(
        None, gt=0, description="Largest gradient norm."
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    num_threads: int | None = Field(None, ge=1, description="CPU threads.")
    validate_every: int = Field(1, ge=1, description="Epochs between validations.")
    checkpoint_minutes: float = Field(5.0, gt=0)
    seed: int = Field(0, ge=0)


class Experiment(FrozenModel):
    """A whole training: what `gradnet train` reads from a YAML file."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    licence: str = Field(
        "", description="Terms of the weights, with those of the data."
    )
    network: NetworkConfig
    guide: GuideConfig | None = None
    init: str | None = Field(None, description="A model file to start from.")
    data: DataConfig
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _guide_where_needed(self) -> Experiment:
        guided = isinstance(self.network, GradNetConfig)
        if guided and self.guide is None:
            msg = "network gradnet needs a guide: give guide.kind"
            raise ValueError(msg)
        if not guided and self.guide is not None:
            msg = f"network {self.network.name} takes no guide: remove it"
            raise ValueError(msg)
        return self

"""How a network is trained; the defaults are GradNet's (sec. 5.1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.config.data import DataConfig
from napari_gradnet.config.network import (
    DsDnResNetConfig,
    GradNetConfig,
    NetworkConfig,
)
from napari_gradnet.config.stages import CascadeConfig, StagesConfig

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
    training: Literal["joint", "first", "frozen"] = Field(
        "joint",
        description="Trained beside the main network (no gradient passes between the "
        "two), trained before it and then frozen (the paper), or loaded from `model` "
        "and frozen.",
    )
    num_epochs: int | None = Field(
        None,
        ge=1,
        description="Epochs of a guide trained first; as the main network when not "
        "given.",
    )
    model: str | None = Field(None, description="A model file with first weights.")

    @model_validator(mode="after")
    def _frozen_needs_weights(self) -> NetworkGuide:
        if self.training == "frozen" and self.model is None:
            msg = "a frozen guide needs first weights: give model=FILE.safetensors"
            raise ValueError(msg)
        return self


class BM3DGuide(FrozenModel):
    """BM3D, computed once a noise draw, on all processors; kept on disk for reuse."""

    kind: Literal["bm3d"] = "bm3d"
    sigma: float | None = Field(
        None,
        gt=0,
        description="Noise that BM3D is told, levels of 255; estimated from each "
        "patch, as in use, when not given.",
    )
    num_draws: int | None = Field(
        None,
        ge=1,
        description="Crops and noise repeat after as many epochs, so that BM3D need "
        "not be computed again; never when not given, and then only the results of "
        "validation images are kept, or all where `cache` is given.",
    )
    cache: str | None = Field(
        None, description="Folder for the results; in the run folder when not given."
    )


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
    """``pixel + gradient_weight * (|dG_H| + |dG_V|)``, all means (GradNet eq. 4-6).

    An edge map M of the clean image adds ``edge_weight * mean((M * error)^2)``
    (DN-ResNet eq. 4).
    """

    pixel: Literal["l1", "l2", "log-l2", "charbonnier", "gradient-weighted-l1"] = Field(
        "l1",
        description="log-l2 is the logarithm of each patch's squared error, the PSNR's "
        "own: errors above 2 levels of 255 count alike, however strong the noise (its "
        "gradients are large: give no clip_gradient, and a gradient_weight about 60 "
        "times that of l1). "
        "gradient-weighted-l1 is GradNet-IV: every pixel's error counts as much as the "
        "clean image's gradient there.",
    )
    gradient_weight: float = Field(0.1, ge=0, description="lambda of eq. 6.")
    edge: Literal["none", "a", "b"] = Field(
        "none",
        description="Edge map: a, the clean image's Sobel magnitude; b, 1 where that "
        "is at least edge_threshold, else 0.",
    )
    edge_weight: float | None = Field(
        None, ge=0, description="w; 0.025 for a and 4 for b when not given."
    )
    edge_threshold: float = Field(150.0, ge=0, description="Levels of 255.")
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
    batch_size: int = Field(
        48, ge=1, description="Patches a step, those of all processes together."
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="Parts into which a batch is cut so that it fits the memory; their "
        "gradients add up.",
    )
    patch_size: int = Field(80, ge=8, description="Pixels.")
    optimizer: Literal["adam", "adamw", "muon"] = Field(
        "adam",
        description="muon: Muon for the kernels between hidden layers, Adam for the "
        "rest; learns more from as many patches.",
    )
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "plateau"] = "plateau"
    warmup_steps: int = Field(0, ge=0, description="Linear warm-up.")
    first_drop_epoch: int = Field(
        60, ge=1, description="Plateau: learning rate / 5 after this epoch."
    )
    patience: int = Field(
        20,
        ge=1,
        description="Plateau: then / 5 after as many epochs without a gain, at a "
        "validation; without validation images, after as many epochs.",
    )
    decay_factor: float = Field(0.2, gt=0, lt=1)
    min_learning_rate: float = Field(1e-6, gt=0, description="Plateau: stop below it.")
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the weights' moving average; 0 for none."
    )
    clip_gradient: float | None = Field(
        None, gt=0, description="Largest gradient norm."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Of the forward pass; float16 with a scaled loss."
    )
    channels_last: bool = True
    compile: bool = Field(False, description="torch.compile: slow start, then faster.")
    freeze: tuple[str, ...] = Field(
        (),
        description="Layers that are not trained, by name or pattern, such as "
        "network.head or network.body.*; see the keys of the model file.",
    )
    nan_restarts: int = Field(
        2,
        ge=0,
        description="Times that a loss which is not finite leads back to the last "
        "checkpoint, the learning rate halved and the batch left out; then stop.",
    )
    tensorboard: bool = Field(False, description="Write TensorBoard events too.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    num_threads: int | None = Field(None, ge=1, description="CPU threads.")
    validate_every: int = Field(1, ge=1, description="Epochs between validations.")
    keep: Literal["best", "last"] = Field(
        "best",
        description="Whose weights become the model: those of the best validation, or "
        "the last ones, where validation images are too few to tell the two apart.",
    )
    checkpoint_minutes: float = Field(5.0, gt=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _equal_parts(self) -> TrainingConfig:
        if self.batch_size % self.accumulate:
            msg = (
                f"batch_size={self.batch_size} cannot be cut into accumulate="
                f"{self.accumulate} equal parts: use a multiple"
            )
            raise ValueError(msg)
        return self


class Experiment(FrozenModel):
    """A whole training: what `gradnet train` reads from a YAML file."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    licence: str = Field(
        "", description="Terms of the weights, with those of the data."
    )
    network: NetworkConfig
    guide: GuideConfig | None = None
    stabilise: bool = Field(
        True,
        description="Whether vst='auto' may stabilise the variance for the model in "
        "use: not where it learns a camera's noise as it is, from pairs of counts.",
    )
    ensemble: bool = Field(
        False,
        description="Whether the model in use averages over 8 flips and rotations; "
        "training and its validation do not.",
    )
    init: str | None = Field(
        None,
        description="A model file or packaged model to start from. It may have fewer "
        "residual units or features: what it lacks changes nothing at first.",
    )
    data: DataConfig
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    stages: StagesConfig | None = Field(
        None, description="Grow the network stage by stage; in one go when not given."
    )

    @model_validator(mode="after")
    def _guide_where_needed(self) -> Experiment:
        guided = isinstance(self.network, GradNetConfig)
        if guided and self.guide is None:
            msg = "network gradnet needs a guide: give guide.kind"
            raise ValueError(msg)
        if not guided and self.guide is not None:
            msg = f"network {self.network.name} takes no guide: remove it"
            raise ValueError(msg)
        if isinstance(self.guide, NetworkGuide):
            guide, channels = self.guide.network, self.network.in_channels
            needs_one = isinstance(guide, GradNetConfig)
            if needs_one:
                msg = "guide.network gradnet needs a guide itself: use a dncnn, say"
                raise ValueError(msg)
            if guide.in_channels != channels:
                msg = (
                    f"guide.network.in_channels={guide.in_channels} must be that of "
                    f"the network: set it to {channels}"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _stages_fit_the_network(self) -> Experiment:
        if self.stages is None:
            return self
        wanted = {"cascade": "dn-resnet", "evolution": "ds-dn-resnet"}[self.stages.kind]
        if self.network.name != wanted:
            msg = (
                f"stages.kind={self.stages.kind} makes a {wanted}, not a "
                f"{self.network.name}: change network.name or remove stages"
            )
            raise ValueError(msg)
        stages = self.stages
        cascade = stages if isinstance(stages, CascadeConfig) else stages.cascade
        depth = self.network.depth  # type: ignore[union-attr]
        if cascade is not None and cascade.first_depth > depth:
            msg = f"first_depth={cascade.first_depth} is above the depth {depth}"
            raise ValueError(msg)
        if cascade is not None and cascade.max_epochs is not None:
            earlier = (depth - cascade.first_depth) // 2 * cascade.max_epochs
            if earlier >= self.training.num_epochs:
                msg = (
                    f"the stages before the last may take {earlier} epochs, and "
                    f"training.num_epochs={self.training.num_epochs} leaves none for "
                    "it: raise that, or lower the cascade's max_epochs"
                )
                raise ValueError(msg)
        if isinstance(self.network, DsDnResNetConfig) and (
            depth < 5 or self.network.num_separable == 0
        ):
            msg = (
                "stages.kind=evolution has no block to replace: give a depth of at "
                "least 5 and num_separable above 0, or none"
            )
            raise ValueError(msg)
        return self

"""Trainings that grow or thin a network stage by stage (DN-ResNet)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from napari_gradnet.config.base import FrozenModel

__all__ = ["CascadeConfig", "EvolutionConfig", "StagesConfig"]


class CascadeConfig(FrozenModel):
    """Cascade training: block after block joins a trained, shallower network.

    The last stage has all epochs that the ones before it leave of
    ``training.num_epochs``, so that a one-shot training of as many epochs takes as many
    steps.

    References
    ----------
    DN-ResNet, sec. 3.1.
    """

    kind: Literal["cascade"] = "cascade"
    first_depth: int = Field(3, ge=3, description="Convolutions of the first stage.")
    criterion: Literal["paper", "patience", "epochs"] = Field(
        "paper",
        description="A stage ends when its loss is min_gain below the previous stage's "
        "(paper; the first stage: patience), when its loss has not improved for "
        "`patience` epochs, or after max_epochs alone.",
    )
    min_gain: float = Field(0.03, gt=0, lt=1, description="3 % in the paper.")
    patience: int = Field(5, ge=1, description="Epochs.")
    tolerance: float = Field(
        0.002, ge=0, lt=1, description="Relative gain of the loss that patience counts."
    )
    max_epochs: int | None = Field(
        None,
        ge=1,
        description="Longest a stage but the last takes; an equal share of num_epochs "
        "when not given.",
    )

    @field_validator("first_depth")
    @classmethod
    def _odd(cls, depth: int) -> int:
        if depth % 2 == 0:
            msg = f"must be odd (3 + 2 a block): use {depth - 1} or {depth + 1}"
            raise ValueError(msg)
        return depth


class EvolutionConfig(FrozenModel):
    """Incremental evolution of a DN-ResNet into a DS-DN-ResNet, from the tail.

    A DN-ResNet is trained first for ``training.num_epochs`` (or taken from ``init``);
    then separable blocks replace its blocks.

    References
    ----------
    DN-ResNet, sec. 3.2.
    """

    kind: Literal["evolution"] = "evolution"
    epochs_per_block: int = Field(10, ge=1, description="Fine-tuning, epochs.")
    one_shot: bool = Field(
        False, description="Replace all blocks at once; as many epochs in all."
    )
    cascade: CascadeConfig | None = Field(
        None,
        description="How the DN-ResNet is trained first; in one go when not given.",
    )


StagesConfig = Annotated[CascadeConfig | EvolutionConfig, Field(discriminator="kind")]

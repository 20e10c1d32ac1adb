"""One forward pass with its guide, and the loss of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_gradnet.losses import Loss
from napari_gradnet.training.bm3d_guide import bm3d_batch

if TYPE_CHECKING:
    from napari_gradnet.config.training import Experiment
    from napari_gradnet.networks.pipeline import Pipeline

__all__ = ["Guided"]


class Guided:
    """A pipeline with the guide that an experiment asks for.

    Parameters
    ----------
    pipeline : Pipeline
    experiment : Experiment
    """

    def __init__(self, pipeline: Pipeline, experiment: Experiment) -> None:
        self.pipeline = pipeline
        self.kind = experiment.guide.kind if experiment.guide else None
        self.joint = (
            experiment.guide is not None
            and experiment.guide.kind == "network"
            and experiment.guide.training == "joint"
        )
        self.guide_weight = experiment.loss.guide_weight
        self.loss = Loss(experiment.loss)
        if pipeline.guide is not None and not self.joint:
            pipeline.guide.requires_grad_(requires_grad=False)

    def train(self) -> None:
        """Training mode; a frozen guide stays in evaluation mode."""
        self.pipeline.train()
        if self.pipeline.guide is not None and not self.joint:
            self.pipeline.guide.eval()

    def _guide(self, noisy: Tensor, clean: Tensor) -> Tensor | None:
        if self.kind is None:
            return None
        if self.kind == "network":
            return self.pipeline.denoise_naively(noisy)
        if self.kind == "clean":
            return clean
        if self.kind == "noisy":
            return noisy
        return bm3d_batch(noisy)

    def __call__(self, noisy: Tensor, clean: Tensor) -> tuple[Tensor, Tensor | None]:
        """Denoised images and the guide, both shape (N, C, H, W)."""
        guide = self._guide(noisy, clean)
        # the main loss must not turn the guide into something else than an image
        detached = guide.detach().float() if guide is not None else None
        return self.pipeline(noisy, detached), guide

    def batch_loss(self, noisy: Tensor, clean: Tensor) -> Tensor:
        """Loss of a batch, with the guide's own where it is trained too."""
        denoised, guide = self(noisy, clean)
        with torch.autocast(noisy.device.type, enabled=False):
            loss: Tensor = self.loss(denoised, clean)
            if self.joint and guide is not None:
                loss = loss + self.guide_weight * self.loss(guide, clean)
        return loss

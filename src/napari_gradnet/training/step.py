"""One forward pass with its guide, and the loss of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_gradnet.config.training import BM3DGuide
from napari_gradnet.losses import Loss
from napari_gradnet.training.bm3d_guide import BM3DCache

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.config.training import Experiment
    from napari_gradnet.networks.pipeline import Pipeline

__all__ = ["Guided"]


class Guided(nn.Module):
    """A pipeline with the guide and the loss that an experiment asks for.

    Parameters
    ----------
    pipeline : Pipeline
        The networks.
    experiment : Experiment
        Its guide and loss count.
    cache : Path, optional
        Folder for BM3D's results.
    """

    def __init__(
        self, pipeline: Pipeline, experiment: Experiment, cache: Path | None = None
    ) -> None:
        super().__init__()
        self.pipeline = pipeline
        guide = experiment.guide
        self.kind = guide.kind if guide else None
        self.joint = (
            guide is not None and guide.kind == "network" and guide.training == "joint"
        )
        self.guide_weight = experiment.loss.guide_weight
        self.loss = Loss(experiment.loss)
        self.bm3d: BM3DCache | None = None
        self._keeps_bm3d = False
        if isinstance(guide, BM3DGuide):
            self.bm3d = BM3DCache(guide.cache or cache, guide.sigma)
            self._keeps_bm3d = bool(guide.num_draws or guide.cache)
        if pipeline.guide is not None and not self.joint:
            pipeline.guide.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> Guided:
        """Training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self.pipeline.modules():
            weight = getattr(module, "weight", None)
            if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
                module.train(mode and weight is not None and weight.requires_grad)
        return self

    def given_guide(self, noisy: Tensor, clean: Tensor) -> Tensor | None:
        """The guide where no network makes it, shape (N, C, H, W)."""
        if self.kind == "clean":
            return clean
        if self.kind == "noisy":
            return noisy
        if self.bm3d is None:
            return None
        # patches that are never drawn again would fill the disk
        return self.bm3d(noisy, keep=self._keeps_bm3d or not self.training)

    def denoise(
        self, noisy: Tensor, guide: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Denoised images and the guide, both shape (N, C, H, W)."""
        if self.kind == "network":
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.joint):
                guide = self.pipeline.denoise_naively(noisy)
        # the main loss must not turn the guide into something else than an image
        detached = guide.detach().float() if guide is not None else None
        return self.pipeline(noisy, detached), guide

    def forward(
        self, noisy: Tensor, clean: Tensor, guide: Tensor | None = None
    ) -> Tensor:
        """Loss of a batch, with the guide's own where it is trained too.

        Parameters
        ----------
        noisy, clean : Tensor, shape (N, C, H, W)
            Intensities in [0, 1].
        guide : Tensor, shape (N, C, H, W), optional
            What `given_guide` returns.

        Returns
        -------
        Tensor, shape ()
        """
        denoised, guide = self.denoise(noisy, guide)
        with torch.autocast(noisy.device.type, enabled=False):
            loss: Tensor = self.loss(denoised, clean)
            if self.joint and guide is not None:
                loss = loss + self.guide_weight * self.loss(guide, clean)
        return loss

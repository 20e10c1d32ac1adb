"""Optimiser, learning rate and the weights' moving average."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_gradnet.training.muon import Muon

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_gradnet.config.training import TrainingConfig

__all__ = ["MovingAverage", "Schedule", "build_optimizer"]


#: Devices with an optimiser in one kernel.
FUSED = ("cpu", "cuda", "mps")


def build_optimizer(
    network: nn.Module, config: TrainingConfig
) -> torch.optim.Optimizer:
    """The configured optimiser over the weights that are trained."""
    weights = [p for p in network.parameters() if p.requires_grad]
    if config.optimizer == "muon":
        return Muon(weights, config.learning_rate, weight_decay=config.weight_decay)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(
        weights,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=all(p.device.type in FUSED for p in network.parameters()),
    )


class Schedule:
    """The learning rate.

    Parameters
    ----------
    config : TrainingConfig

    References
    ----------
    Plateau: GradNet, sec. 5.1: / 5 after 60 epochs, then / 5 whenever validation PSNR
    has not improved for 20 epochs, stop below 1e-6.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.factor = 1.0
        self.best = -math.inf
        self.best_epoch = 0

    def learning_rate(self, step: int, progress: float) -> float:
        """Learning rate of a step (counted from 0) at a fraction of the training."""
        config = self.config
        rate = config.learning_rate * self.factor
        if config.schedule == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        if step < config.warmup_steps:
            rate *= (step + 1) / config.warmup_steps
        return rate

    def after_epoch(
        self, epoch: int, psnr: float | None, *, judged: bool = True
    ) -> bool:
        """Take note of an epoch; return whether to stop.

        Parameters
        ----------
        epoch : int
            Counted from 1.
        psnr : float, optional
            Of its validation, dB.
        judged : bool
            Whether it was to be validated: patience does not end in between.
        """
        if self.config.schedule != "plateau":
            return False
        first = self.config.first_drop_epoch
        if psnr is not None and psnr > self.best:
            self.best, self.best_epoch = psnr, epoch
        over = judged and epoch - self.best_epoch >= self.config.patience
        if epoch == first or (epoch > first and over):
            self.factor *= self.config.decay_factor
            self.best_epoch = epoch
        rate = self.config.learning_rate * self.factor
        return rate < self.config.min_learning_rate

    def state_dict(self) -> dict[str, float]:
        """State for a checkpoint."""
        return {
            "factor": self.factor,
            "best": self.best,
            "best_epoch": self.best_epoch,
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take a checkpoint's state."""
        self.factor, self.best = state["factor"], state["best"]
        self.best_epoch = int(state["best_epoch"])


class MovingAverage:
    """Exponential moving average of a network's state.

    Parameters
    ----------
    network : nn.Module
    decay : float
        0 follows the network itself.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after a step (counted from 1)."""
        # a young average follows faster, or it would remember the first weights
        decay = min(self.decay, step / (step + 10))
        for key, value in network.state_dict().items():
            mean = self.state[key]
            if mean.dtype.is_floating_point:
                mean.lerp_(value.to(mean.dtype), 1 - decay)
            else:
                mean.copy_(value)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take a checkpoint's state."""
        for key, value in state.items():
            self.state[key].copy_(value)

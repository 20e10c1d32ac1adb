"""What one stage trains: networks, optimiser, schedule, average; one step of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_gradnet.errors import TrainingError
from napari_gradnet.inference.out_of_memory import out_of_memory_told
from napari_gradnet.networks.sobel import SobelGradient
from napari_gradnet.training.optimize import MovingAverage, Schedule, build_optimizer
from napari_gradnet.training.step import Guided
from napari_gradnet.training.weights import freeze_layers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_gradnet.config.training import Experiment
    from napari_gradnet.data.sources import Batch
    from napari_gradnet.networks.pipeline import Pipeline
    from napari_gradnet.training.distributed import World

__all__ = ["Learner", "LossNotFiniteError"]

_SMALLER = "raise training.accumulate, or lower training.batch_size or patch_size"


class LossNotFiniteError(TrainingError):
    """A loss or gradient is NaN or infinite; the weights are as before the step."""


def _compiled(module: nn.Module) -> nn.Module:
    """Compile; what the compiler stumbles over runs as it is, with its warning."""
    from torch import _dynamo

    _dynamo.config.suppress_errors = True
    for part in module.modules():
        # little to gain, and the compiler of PyTorch 2.13 fails on a gradient that
        # goes to a coarser grid: the whole step would run as it is
        if isinstance(part, SobelGradient):
            part.forward = torch.compiler.disable(part.forward)  # type: ignore[method-assign]
    compiled: nn.Module = torch.compile(module)  # type: ignore[assignment]
    return compiled


class Learner:
    """Everything of a stage that a checkpoint keeps.

    Parameters
    ----------
    pipeline : Pipeline
        With its first weights.
    experiment : Experiment
        Of the stage.
    world : World
        Device and processes.
    cache : Path, optional
        Folder for BM3D's results.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        experiment: Experiment,
        world: World,
        cache: Path | None = None,
    ) -> None:
        self.config = config = experiment.training
        self.world = world
        if world.size > 1 and world.device.type == "cuda":
            pipeline = nn.SyncBatchNorm.convert_sync_batchnorm(pipeline)
        self.pipeline = pipeline.to(world.device)
        if config.channels_last:
            self.pipeline.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.guided = Guided(self.pipeline, experiment, cache).to(world.device)
        freeze_layers(self.pipeline, config.freeze)
        self.optimizer = build_optimizer(self.pipeline, config)
        self.average = MovingAverage(self.pipeline, config.ema)
        self.schedule = Schedule(config)
        self.scaler = torch.amp.GradScaler(
            world.device.type, enabled=config.precision == "float16"
        )
        module: nn.Module = self.guided
        if config.compile:
            module = _compiled(module)
        self.module = world.wrap(module)
        self.guided.train()

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        kind = torch.float16 if self.config.precision == "float16" else torch.bfloat16
        enabled = self.config.precision != "float32"
        return torch.autocast(self.world.device.type, kind, enabled=enabled)

    def optimize(self, batch: Batch, rate: float, step: int) -> float:
        """Run one step.

        Parameters
        ----------
        batch : Batch
            The whole batch; this process takes its part.
        rate : float
            Learning rate.
        step : int
            Of the stage, counted from 1.

        Returns
        -------
        float
            Mean loss of the whole batch.

        Raises
        ------
        LossNotFiniteError
            The loss or its gradient is NaN or infinite; no weight is changed.
        DeviceError
            The step does not fit the memory.
        """
        with out_of_memory_told(self.world.device, "a step", _SMALLER):
            return self._step(batch, rate, step)

    def _step(self, batch: Batch, rate: float, step: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        value = self.world.mean(self._backward(batch))
        if not math.isfinite(value):
            self.optimizer.zero_grad(set_to_none=True)
            msg = f"the loss is {value}"
            raise LossNotFiniteError(msg)
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.pipeline, step)
        return value

    def _clip(self) -> None:
        """Limit the gradient; one that is not finite must not reach the weights."""
        clip, scaled = self.config.clip_gradient, self.scaler.is_enabled()
        if scaled and clip is None:
            return  # the scaler leaves out such steps by itself
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            self.pipeline.parameters(), math.inf if clip is None else clip
        )
        if not scaled and not math.isfinite(norm):
            self.optimizer.zero_grad(set_to_none=True)
            msg = f"the gradient is {float(norm)}"
            raise LossNotFiniteError(msg)

    def _backward(self, batch: Batch) -> Tensor:
        """Gradients of a batch, and its loss."""
        parts = self.config.accumulate
        noisy, clean = (self.world.share(t, parts) for t in (batch.noisy, batch.clean))
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.world.device)
        for number, (one, two) in enumerate(zip(noisy, clean, strict=True)):
            guide = self.guided.given_guide(one, two)
            image = one
            if self.config.channels_last:
                image = one.contiguous(memory_format=torch.channels_last)
            with self.world.no_sync(self.module, last=number == parts - 1):
                with self.autocast():
                    loss = self.module(image, two, guide) / parts
                self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        tensors: Sequence[Tensor] = list(self.pipeline.state_dict().values())
        return all(bool(torch.isfinite(t).all()) for t in tensors)

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {
            "network": self.pipeline.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state,
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a checkpoint's state.

        Raises
        ------
        TrainingError
            The checkpoint belongs to another network.
        """
        try:
            self.pipeline.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            msg = f"the checkpoint belongs to another network: {error}"
            raise TrainingError(msg) from error
        self.average.load_state(state["average"])
        self.schedule.load_state_dict(state["schedule"])
        if state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])

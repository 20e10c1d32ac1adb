"""Try a configuration without training: one batch, a few steps, an estimate."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from napari_gradnet.data.sources import load_data
from napari_gradnet.inference.device import describe_device
from napari_gradnet.networks.registry import count_parameters
from napari_gradnet.training.distributed import World
from napari_gradnet.training.learner import Learner
from napari_gradnet.training.run import load_experiment
from napari_gradnet.training.run_folder import summary_writer
from napari_gradnet.training.stages import plan_stages
from napari_gradnet.training.weights import first_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from napari_gradnet.config.training import Experiment
    from napari_gradnet.data.sources import Batch

__all__ = ["CheckReport", "check_training"]

#: Steps that are timed, after one that warms up.
_TIMED = 2


@dataclass(frozen=True)
class CheckReport:
    """What a training would take.

    Parameters
    ----------
    images, held_out : int
    skipped, warnings : tuple of str
        Files that cannot be used, and what looks wrong.
    stages : tuple of str
    parameters : int
        Trained values of the last stage.
    device : str
    steps_per_epoch, total_steps : int
        The latter at most.
    loss : float
        Of the first batch.
    seconds_per_step : float
    hours : float
        Of all steps, or the time budget; validation apart.
    peak_megabytes : float
        Memory of a step beyond the decoded images: weights, gradients, the optimiser's
        state and what the backward pass needs; measured on a GPU.
    image_megabytes : float
        The decoded images.
    """

    images: int
    held_out: int
    skipped: tuple[str, ...]
    warnings: tuple[str, ...]
    stages: tuple[str, ...]
    parameters: int
    device: str
    steps_per_epoch: int
    total_steps: int
    loss: float
    seconds_per_step: float
    hours: float
    peak_megabytes: float
    image_megabytes: float


def check_training(
    config: str | PathLike[str] | Mapping[str, Any] | Experiment,
    *,
    overrides: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> CheckReport:
    """Validate a configuration, read its data and run three steps; write nothing.

    Parameters
    ----------
    config, arrays
        See `train`.
    overrides : mapping, optional
        Values by dotted path, such as ``{"training.num_epochs": 5}``.

    Raises
    ------
    ConfigError
        The configuration or the data do not fit.
    TrainingError
        The first loss is not finite.
    DeviceError
        A step does not fit the memory.
    MissingDependencyError
        TensorBoard is asked for and not installed.
    """
    experiment = load_experiment(config, overrides)
    settings = experiment.training
    if settings.tensorboard:
        summary_writer()
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    world = World(settings.device)
    stages = plan_stages(experiment)
    last = stages[-1].experiment
    channels = experiment.network.in_channels
    data = load_data(experiment.data, channels, settings.patch_size, arrays)
    data.to(world.device)
    patches = data.patches_per_epoch()
    learner = Learner(first_weights(last), last, world)
    batches = data.iter_epoch(
        seed=settings.seed,
        epoch=0,
        batch_size=min(settings.batch_size, patches),
        patch_size=settings.patch_size,
    )
    batch = next(batches)
    loss, megabytes = _first_step(learner, batch, world.device)
    began = time.perf_counter()
    for number in range(_TIMED):
        learner.optimize(next(batches, batch), 0.0, number + 2)
    seconds = (time.perf_counter() - began) / _TIMED
    stores = [s for source in data.sources for s in (source.clean, source.noisy) if s]
    epochs = sum(stage.expected for stage in stages)
    steps = patches // settings.batch_size
    hours = epochs * steps * seconds / 3600
    if settings.max_minutes is not None:
        hours = min(hours, settings.max_minutes / 60)
    return CheckReport(
        images=sum(len(s.clean) for s in data.sources),
        held_out=len(data.validation),
        skipped=tuple(f"{path}: {reason}" for path, reason in data.skipped),
        warnings=(*data.warnings, *_doubts(settings.batch_size, patches)),
        stages=tuple(stage.name for stage in stages),
        parameters=count_parameters(learner.pipeline),
        device=describe_device(world.device),
        steps_per_epoch=steps,
        total_steps=epochs * steps,
        loss=loss,
        seconds_per_step=seconds,
        hours=hours,
        peak_megabytes=megabytes,
        image_megabytes=sum(s.flat.nbytes for s in stores) / 1e6,
    )


def _first_step(
    learner: Learner, batch: Batch, device: torch.device
) -> tuple[float, float]:
    """Loss of a step and the megabytes that it takes."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        loss = learner.optimize(batch, 0.0, 1)
        return loss, (torch.cuda.max_memory_allocated(device) - before) / 1e6
    # the process's own size tells little: memory that was freed is used again
    with saved_tensors_hooks(note, lambda tensor: tensor):
        loss = learner.optimize(batch, 0.0, 1)
    weights = sum(p.nbytes for p in learner.pipeline.parameters())
    # beside the weights: gradients, two moments, the average
    return loss, (sum(kept.values()) + 4 * weights) / 1e6


def _doubts(batch_size: int, patches: int) -> tuple[str, ...]:
    if patches >= batch_size:
        return ()
    doubt = (
        f"an epoch has {patches} patches, less than one batch of {batch_size}: raise "
        "crops_per_image, or lower batch_size"
    )
    return (doubt,)

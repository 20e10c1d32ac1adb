"""The training loop: events to watch; it can be paused, cancelled and resumed."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_gradnet import __version__
from napari_gradnet.bundle import (
    FORMAT_VERSION,
    GuideHeader,
    ModelHeader,
    build_pipeline,
    file_sha256,
    load_model,
    save_model,
)
from napari_gradnet.config.training import NetworkGuide
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import TrainingError
from napari_gradnet.inference.device import resolve_device
from napari_gradnet.networks.registry import count_parameters
from napari_gradnet.noise.add import noise_generator
from napari_gradnet.training.checkpoint import load_checkpoint, save_checkpoint
from napari_gradnet.training.events import (
    CheckpointSaved,
    Started,
    StepDone,
    Validated,
)
from napari_gradnet.training.optimize import MovingAverage, Schedule, build_optimizer
from napari_gradnet.training.run_folder import RunFolder, software_versions
from napari_gradnet.training.step import Guided
from napari_gradnet.training.validate import Scores, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_gradnet.config.training import Experiment
    from napari_gradnet.data.sources import Batch, TrainingData
    from napari_gradnet.events import Event
    from napari_gradnet.networks.pipeline import Pipeline

__all__ = ["Trainer", "iter_training"]


def _header(experiment: Experiment) -> ModelHeader:
    guide = None
    if experiment.guide is not None:
        network = (
            experiment.guide.network
            if isinstance(experiment.guide, NetworkGuide)
            else None
        )
        guide = GuideHeader(kind=experiment.guide.kind, network=network)
    noises = [s.noise.model_dump(mode="json") for s in experiment.data.train if s.noise]
    return ModelHeader(
        format_version=FORMAT_VERSION,
        name=experiment.name,
        description=experiment.description,
        network=experiment.network,
        guide=guide,
        noise="; ".join(str(n) for n in noises) or "pairs",
        patch_size=experiment.training.patch_size,
        licence=experiment.licence,
    )


def _first_weights(experiment: Experiment, header: ModelHeader) -> Pipeline:
    pipeline = build_pipeline(header)
    pipeline.initialise(noise_generator(experiment.training.seed, 0))
    guide = experiment.guide
    if isinstance(guide, NetworkGuide) and guide.model and pipeline.guide is not None:
        naive, _ = load_model(Path(guide.model))
        _copy(naive.network, pipeline.guide, guide.model)
    if experiment.init:
        before, _ = load_model(Path(experiment.init))
        _copy(before, pipeline, experiment.init)
    return pipeline


def _copy(source: torch.nn.Module, target: torch.nn.Module, name: str) -> None:
    try:
        target.load_state_dict(source.state_dict())
    except RuntimeError as error:
        msg = f"{name} holds another network than the configuration asks for: {error}"
        raise TrainingError(msg) from error


class Trainer:
    """One training run.

    Parameters
    ----------
    experiment : Experiment
    folder : Path
        Run folder.
    resume : bool
        Go on from the folder's last checkpoint.
    """

    def __init__(
        self, experiment: Experiment, folder: Path, *, resume: bool = False
    ) -> None:
        self.experiment = experiment
        self.config = experiment.training
        self.folder = RunFolder(folder, experiment, resume=resume)
        if self.config.num_threads:
            torch.set_num_threads(self.config.num_threads)
        self.device = resolve_device(self.config.device)
        self.header = _header(experiment)
        self.pipeline = _first_weights(experiment, self.header).to(self.device)
        if self.config.channels_last:
            self.pipeline.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.guided = Guided(self.pipeline, experiment)
        self.guided.loss.to(self.device)
        self.optimizer = build_optimizer(self.pipeline, self.config)
        self.average = MovingAverage(self.pipeline, self.config.ema)
        self.schedule = Schedule(self.config)
        self.step = self.epoch = self.batch = 0
        self.best_psnr = -math.inf
        self.elapsed = 0.0
        self._resumed_at = self._saved_at = time.monotonic()
        if resume:
            self._restore(load_checkpoint(self.folder.last))

    def _restore(self, state: dict[str, Any]) -> None:
        self.pipeline.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load_state(state["average"])
        self.schedule.load_state_dict(state["schedule"])
        for name in ("step", "epoch", "batch", "best_psnr", "elapsed"):
            setattr(self, name, state[name])

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.pipeline.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state,
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "best_psnr": self.best_psnr,
            "elapsed": self._spent(),
        }

    def _spent(self) -> float:
        """Seconds of training in all sessions."""
        return self.elapsed + time.monotonic() - self._resumed_at

    def _save(self) -> CheckpointSaved:
        save_checkpoint(self.folder.last, self._state())
        self._saved_at = time.monotonic()
        return CheckpointSaved(self.folder.last)

    def run(self) -> Iterator[Event]:
        """Train to the end; a closed or interrupted generator saves a checkpoint."""
        channels = self.experiment.network.in_channels
        data = load_data(self.experiment.data, channels, self.config.patch_size)
        for source in data.sources:
            source.clean.to(self.device)
            if source.noisy is not None:
                source.noisy.to(self.device)
        yield self._started(data)
        steps_per_epoch = data.patches_per_epoch() // self.config.batch_size
        if not steps_per_epoch:
            msg = (
                f"an epoch has {data.patches_per_epoch()} patches, less than one batch "
                f"of {self.config.batch_size}: raise crops_per_image, "
                "or lower batch_size"
            )
            raise TrainingError(msg)
        self._resumed_at = time.monotonic()
        self.guided.train()
        try:
            yield from self._epochs(data, steps_per_epoch)
        except (KeyboardInterrupt, GeneratorExit):
            self._save()
            raise
        yield self._save()
        yield self._finish()

    def _started(self, data: TrainingData) -> Started:
        images = sum(len(s.clean) for s in data.sources)
        return Started(
            f"{images} images, {len(data.validation)} held out, "
            f"{count_parameters(self.pipeline):,} parameters, on {self.device}",
            tuple(f"{path}: {reason}" for path, reason in data.skipped),
        )

    def _epochs(self, data: TrainingData, steps_per_epoch: int) -> Iterator[Event]:
        total = self.config.num_epochs * steps_per_epoch
        while self.epoch < self.config.num_epochs:
            began = time.perf_counter()
            for batch in data.iter_epoch(
                seed=self.config.seed,
                epoch=self.epoch,
                batch_size=self.config.batch_size,
                patch_size=self.config.patch_size,
                start=self.batch,
            ):
                waited = time.perf_counter() - began
                progress = self._progress(total)
                if progress >= 1:
                    break
                loss, rate = self._optimize(batch, progress)
                self.batch += 1
                seconds = time.perf_counter() - began
                yield StepDone(
                    self.step,
                    self.epoch + 1,
                    self._progress(total),
                    loss,
                    rate,
                    self.config.batch_size / seconds,
                    waited / seconds,
                )
                if (
                    time.monotonic() - self._saved_at
                    > 60 * self.config.checkpoint_minutes
                ):
                    yield self._save()
                began = time.perf_counter()
            self.epoch += 1
            self.batch = 0
            ended = self._progress(total) >= 1
            validated = None
            if ended or self.epoch % self.config.validate_every == 0:
                validated = self._validate(data)
                if validated is not None:
                    yield validated
            psnr = validated.psnr if validated else None
            if self.schedule.after_epoch(self.epoch, psnr) or ended:
                break

    def _progress(self, total: int) -> float:
        progress = self.step / total
        if self.config.max_minutes is not None:
            progress = max(progress, self._spent() / (60 * self.config.max_minutes))
        return progress

    def _optimize(self, batch: Batch, progress: float) -> tuple[float, float]:
        rate = self.schedule.learning_rate(self.step, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        noisy, clean = batch.noisy, batch.clean
        if self.config.channels_last:
            noisy = noisy.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type,
            torch.bfloat16,
            enabled=self.config.precision == "bfloat16",
        ):
            loss = self.guided.batch_loss(noisy, clean)
        value = float(loss.detach())
        if not math.isfinite(value):
            msg = (
                f"the loss is {value} at step {self.step + 1} (epoch {self.epoch + 1}, "
                f"batch {self.batch + 1}): resume with a lower learning_rate"
            )
            raise TrainingError(msg)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.clip_gradient is not None:
            torch.nn.utils.clip_grad_norm_(
                self.pipeline.parameters(), self.config.clip_gradient
            )
        self.optimizer.step()
        self.step += 1
        self.average.update(self.pipeline, self.step)
        return value, rate

    def _validate(self, data: TrainingData) -> Validated | None:
        if not data.validation:
            return None
        scores = self._with_average(data)
        psnr = sum(scores.denoised) / len(scores.denoised)
        best = psnr > self.best_psnr
        if best:
            self.best_psnr = psnr
            save_checkpoint(self.folder.best, {"average": self.average.state})
        guide = None
        if self.guided.kind == "network":
            guide = sum(scores.guide) / len(scores.guide)
        self.folder.append_metrics(
            {
                "step": self.step,
                "epoch": self.epoch,
                "seconds": round(self._spent(), 1),
                "psnr": round(psnr, 4),
                "psnrs": " ".join(f"{v:.3f}" for v in scores.denoised),
                "guide_psnr": "" if guide is None else round(guide, 4),
            }
        )
        noisy = sum(scores.noisy) / len(scores.noisy)
        return Validated(
            self.step, self.epoch, psnr, scores.denoised, noisy, guide, best
        )

    def _with_average(self, data: TrainingData) -> Scores:
        """Validate the averaged weights, then put the trained ones back."""
        kept = {k: v.clone() for k, v in self.pipeline.state_dict().items()}
        self.pipeline.load_state_dict(self.average.state)
        try:
            with torch.autocast(
                self.device.type,
                torch.bfloat16,
                enabled=self.config.precision == "bfloat16",
            ):
                noises = self.experiment.data.validation.noises
                return validate(self.guided, data.validation, noises, self.device)
        finally:
            self.pipeline.load_state_dict(kept)
            self.guided.train()

    def _finish(self) -> CheckpointSaved:
        state = self.average.state
        if self.folder.best.exists():
            state = load_checkpoint(self.folder.best)["average"]
        self.pipeline.load_state_dict(state)
        record = {
            "config": self.experiment.model_dump(mode="json"),
            "steps": self.step,
            "patches": self.step * self.config.batch_size,
            "seconds": round(self._spent()),
            "device": str(self.device),
            "validation_psnr": round(self.best_psnr, 4),
            **software_versions(),
        }
        header = self.header.model_copy(
            update={
                "training": record,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "software": f"napari-gradnet {__version__}",
            }
        )
        save_model(self.folder.model, self.pipeline, header)
        self.sha256 = file_sha256(self.folder.model)
        return CheckpointSaved(self.folder.model)


def iter_training(
    experiment: Experiment, folder: Path, *, resume: bool = False
) -> Iterator[Event]:
    """Train; see `Trainer`."""
    yield from Trainer(experiment, folder, resume=resume).run()

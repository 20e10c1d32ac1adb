"""The training loop: events to watch; it can be paused, cancelled and resumed.

Whatever a checkpoint keeps is settled before an event is handed out, so that a run that
stops at any event goes on as if it had not.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch

from napari_gradnet.config.training import BM3DGuide
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import TrainingError
from napari_gradnet.networks.registry import count_parameters
from napari_gradnet.noise.add import noise_generator
from napari_gradnet.training.checkpoint import load_checkpoint, save_checkpoint
from napari_gradnet.training.distributed import World
from napari_gradnet.training.events import (
    CheckpointSaved,
    EpochDone,
    Restarted,
    StageStarted,
    Started,
    StepDone,
)
from napari_gradnet.training.learner import Learner, LossNotFiniteError
from napari_gradnet.training.progress import Progress
from napari_gradnet.training.record import Recorder
from napari_gradnet.training.run_folder import RunFolder, summary_writer
from napari_gradnet.training.stages import is_stage_over, plan_stages
from napari_gradnet.training.weights import first_weights, inherit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from napari_gradnet.config.training import Experiment
    from napari_gradnet.data.sources import TrainingData
    from napari_gradnet.events import Event
    from napari_gradnet.networks.pipeline import Pipeline
    from napari_gradnet.training.stages import Stage

__all__ = ["Trainer", "iter_training"]


class Trainer:
    """One training run.

    Parameters
    ----------
    experiment : Experiment
        What to train.
    folder : Path
        Run folder.
    resume : bool
        Go on from the folder's last checkpoint.
    arrays : mapping of str to ndarray or list of them, optional
        What ``array:NAME`` among the data stands for.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        *,
        resume: bool = False,
        arrays: Mapping[str, Any] | None = None,
    ) -> None:
        self.experiment = experiment
        self.config = experiment.training
        self.arrays = arrays
        self.stages = plan_stages(experiment)
        self.world = World(self.config.device)
        if self.config.num_threads:
            torch.set_num_threads(self.config.num_threads)
        main = self.world.is_main
        self.folder = RunFolder(folder, experiment, resume=resume, is_main=main)
        self.progress = Progress(self.config, self.stages, self.world)
        # a checkpoint holds every weight: no model file is needed to resume
        first = first_weights(self.stages[0].experiment, drawn=resume)
        self.learner = self._learner(first)
        self.recorder = Recorder(experiment, self.folder, self.world)
        self._skipped: set[tuple[int, int]] = set()
        self._restarts = 0
        self._whole = True
        if resume:
            self._restore()
        self._saved_at = time.monotonic()

    @property
    def pipeline(self) -> Pipeline:
        """The networks of the present stage."""
        return self.learner.pipeline

    @property
    def stage(self) -> Stage:
        """The present stage."""
        return self.stages[self.progress.stage]

    def _learner(self, pipeline: Pipeline) -> Learner:
        cache = self.folder.path / "bm3d-cache"
        return Learner(pipeline, self.stage.experiment, self.world, cache)

    def _restore(self) -> None:
        state = load_checkpoint(self.folder.last)
        before = self.progress.stage
        self.progress.load_state_dict(state)
        self.recorder.best_psnr = state["best_psnr"]
        self._skipped |= {tuple(pair) for pair in state.get("skipped", [])}
        if self.progress.stage != before:
            drawn = first_weights(
                self.stage.experiment, stage=self.progress.stage, drawn=True
            )
            self.learner = self._learner(drawn)
        self.learner.load_state_dict(state)

    def _save(self) -> list[Event]:
        self._saved_at = time.monotonic()
        if not self.world.is_main or not self.learner.is_finite():
            return []  # the last good state stays
        state = {
            **self.learner.state_dict(),
            **self.progress.state_dict(),
            "best_psnr": self.recorder.best_psnr,
            "skipped": sorted(self._skipped),
        }
        save_checkpoint(self.folder.last, state)
        return [CheckpointSaved(self.folder.last)]

    def run(self) -> Generator[Event, None, None]:
        """Train to the end; a closed or interrupted generator saves a checkpoint.

        Raises
        ------
        TrainingError
            Another process trains in this folder.
        """
        with self.folder.locked():
            yield from self._run()

    def _run(self) -> Generator[Event, None, None]:
        channels = self.experiment.network.in_channels
        config = self.experiment.data
        if self.config.tensorboard and self.world.is_main:
            summary_writer()  # before the images are read, where it is missing
        data = load_data(config, channels, self.config.patch_size, self.arrays)
        data.to(self.world.device)
        self.folder.drop_metrics_after(self.progress.step, self.progress.epoch)
        self.folder.write_config(self.experiment)
        self.folder.write_data(data)
        self.progress.start(data)
        if self.progress.step == 0:
            self._save()  # where a loss that is not finite leads back to
        try:
            yield self._started(data)
            yield self._stage_started()
            while not self.progress.finished:
                if (yield from self._epoch(data)):
                    yield from self._end_epoch(data)
        except (KeyboardInterrupt, GeneratorExit):
            if self._whole:  # not in the middle of a step or a validation
                self._save()
            self.recorder.close()
            raise
        yield from self._save()
        yield from self.write_model(data)
        self.world.close()

    def write_model(self, data: TrainingData | None = None) -> list[Event]:
        """Write the model with the best weights so far; with `data` validate it."""
        last = self.progress.stage + 1 == len(self.stages)
        trained = None if last else self.stage.experiment
        return self.recorder.finish(self.learner, self.progress, trained, data)

    def _started(self, data: TrainingData) -> Started:
        images = sum(len(s.clean) for s in data.sources)
        return Started(
            f"{images} images, {len(data.validation)} held out, "
            f"{count_parameters(self.pipeline):,} parameters, on {self.world.device}",
            tuple(f"{path}: {reason}" for path, reason in data.skipped),
            tuple(data.warnings),
        )

    def _stage_started(self) -> StageStarted:
        network = self.stage.experiment.network
        return StageStarted(
            self.progress.stage + 1,
            len(self.stages),
            self.stage.name,
            f"{network.name}, {count_parameters(self.pipeline):,} parameters",
        )

    def _data_epoch(self) -> int:
        """Epoch whose crops and noise are drawn; BM3D's results may be used again."""
        guide = self.stage.experiment.guide
        if isinstance(guide, BM3DGuide) and guide.num_draws:
            return self.progress.epoch % guide.num_draws
        return self.progress.epoch

    def _epoch(self, data: TrainingData) -> Generator[Event, None, bool]:
        """Run the rest of an epoch; False where a restart led elsewhere."""
        now = self.progress
        began = time.perf_counter()
        for batch in data.iter_epoch(
            seed=self.config.seed,
            epoch=self._data_epoch(),
            batch_size=self.config.batch_size,
            patch_size=self.config.patch_size,
            start=now.batch,
        ):
            waited = time.perf_counter() - began
            progress = now.of_stage()
            if progress >= 1:
                break
            if (now.epoch, now.batch) in self._skipped:
                now.batch += 1
                continue
            rate = self.learner.schedule.learning_rate(now.stage_step, progress)
            try:
                self._whole = False
                loss = self.learner.optimize(batch, rate, now.stage_step + 1)
                now.count_step(loss)
            except LossNotFiniteError as error:
                restarted = self._restart(data, error)
                self._whole = True
                yield restarted
                return False
            self._whole = True
            seconds = time.perf_counter() - began
            done = StepDone(
                now.step,
                now.epoch + 1,
                now.of_training(),
                loss,
                rate,
                self.config.batch_size / seconds,
                waited / seconds,
            )
            self.recorder.note_step(done)
            yield done
            if time.monotonic() - self._saved_at > 60 * self.config.checkpoint_minutes:
                yield from self._save()
            began = time.perf_counter()
        return True

    def _end_epoch(self, data: TrainingData) -> Iterator[Event]:
        now = self.progress
        # what is interrupted from here on is done again from the last checkpoint
        self._whole = False
        loss = now.end_epoch()
        events: list[Event] = [EpochDone(now.step, now.epoch, loss)]
        rule = self.stage.rule
        over = now.of_stage() >= 1 or now.epoch >= now.last_epoch
        if rule is not None:
            over = over or is_stage_over(rule, now.losses, now.previous_loss)
        psnr = None
        due = over or now.epoch % self.config.validate_every == 0
        if due:
            psnr, seen = self.recorder.validate(self.learner, data, now, self.stage)
            events += seen
        stop = self.learner.schedule.after_epoch(now.stage_epoch, psnr, judged=due)
        if stop and not due:  # the last weights may be those to keep
            events += self.recorder.validate(self.learner, data, now, self.stage)[1]
        if over or stop:
            events += self._next_stage()
        self._whole = True
        yield from events

    def _next_stage(self) -> list[Event]:
        now = self.progress
        if now.stage + 1 == len(self.stages):
            now.finished = True
            return []
        self.recorder.load_final(self.learner, now)
        events = self.recorder.save_stage(self.learner, self.stage)
        before = self.pipeline
        now.next_stage()
        after = first_weights(self.stage.experiment, stage=now.stage)
        generator = noise_generator(self.config.seed, 0, now.stage)
        inherit(before.to("cpu"), after, generator)
        self.learner = self._learner(after)
        self.recorder.best_psnr = -math.inf
        events += self._save()
        self.world.wait()  # until all have read the best weights
        self.folder.forget_best()
        return [*events, self._stage_started()]

    def _restart(self, data: TrainingData, error: LossNotFiniteError) -> Restarted:
        now = self.progress
        place = (now.epoch, now.batch)
        origin = data.origin(
            seed=self.config.seed,
            epoch=self._data_epoch(),
            batch=now.batch,
            batch_size=self.config.batch_size,
        )
        what = (
            f"{error} at step {now.step + 1} (epoch {now.epoch + 1}, batch "
            f"{now.batch + 1}, cut from {origin})"
        )
        self._restarts += 1
        if self._restarts > self.config.nan_restarts or not self.folder.last.exists():
            self.recorder.close()
            msg = (
                f"{what}: repair these images, or resume from the last good state "
                f"({self.folder.last}) with a lower training.learning_rate"
            )
            raise TrainingError(msg) from error
        best_psnr, spent = self.recorder.best_psnr, now.spent()
        self.world.wait()
        self._restore()
        self.world.wait()  # until all have read what is now written anew
        self.recorder.best_psnr = best_psnr  # the best weights stay on disk
        now.elapsed = spent
        self._skipped.add(place)
        self.learner.schedule.factor *= 0.5
        self.folder.drop_metrics_after(now.step, now.epoch, but_the_best=True)
        self._save()  # a second restart begins with this rate
        return Restarted(
            now.step,
            f"{what}: back to step {now.step} with half the learning rate, this batch "
            "left out",
        )


def iter_training(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    arrays: Mapping[str, Any] | None = None,
) -> Iterator[Event]:
    """Train; see `Trainer`."""
    yield from Trainer(experiment, folder, resume=resume, arrays=arrays).run()

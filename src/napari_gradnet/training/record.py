"""What a training leaves behind: metrics, pictures, the best weights, models."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_gradnet import __version__
from napari_gradnet.bundle import file_sha256, save_model
from napari_gradnet.inference.out_of_memory import out_of_memory_told
from napari_gradnet.training.checkpoint import load_checkpoint, save_checkpoint
from napari_gradnet.training.events import (
    CheckpointSaved,
    Validated,
    ValidationImage,
)
from napari_gradnet.training.run_folder import software_versions
from napari_gradnet.training.validate import lost_by_rounding, validate
from napari_gradnet.training.weights import model_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_gradnet.config.training import Experiment
    from napari_gradnet.data.sources import TrainingData
    from napari_gradnet.events import Event
    from napari_gradnet.training.distributed import World
    from napari_gradnet.training.events import StepDone
    from napari_gradnet.training.learner import Learner
    from napari_gradnet.training.progress import Progress
    from napari_gradnet.training.run_folder import RunFolder
    from napari_gradnet.training.stages import Stage
    from napari_gradnet.training.validate import Scores

__all__ = ["Recorder"]

#: Steps between two points of TensorBoard's curves.
_CURVE_STEPS = 10


def _as_array(image: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = image.permute(1, 2, 0).contiguous().numpy()
    return array[..., 0] if array.shape[2] == 1 else array


class Recorder:
    """Writes what a run leaves.

    Parameters
    ----------
    experiment : Experiment
        The whole training.
    folder : RunFolder
        Where to.
    world : World
        Only the main process writes.

    Attributes
    ----------
    best_psnr : float
        Of the weights that are kept in this stage, dB.
    sha256 : str
        Of the finished model.
    """

    def __init__(self, experiment: Experiment, folder: RunFolder, world: World) -> None:
        self.experiment, self.folder, self.world = experiment, folder, world
        self.best_psnr = -math.inf
        self.sha256 = ""
        self._curves: Any = None

    def _note(self, step: int, **values: float) -> None:
        if not self.experiment.training.tensorboard or not self.world.is_main:
            return
        if self._curves is None:
            self._curves = self.folder.open_tensorboard(step - 1)
        for name, value in values.items():
            self._curves.add_scalar(name, value, step)

    def note_step(self, event: StepDone) -> None:
        """Add a step to TensorBoard's curves."""
        if event.step % _CURVE_STEPS == 0:
            rate = event.learning_rate
            self._note(event.step, loss=event.loss, learning_rate=rate)

    def close(self) -> None:
        """Write what is still held back."""
        if self._curves is not None:
            self._curves.close()
            self._curves = None

    def validate(
        self, learner: Learner, data: TrainingData, now: Progress, stage: Stage
    ) -> tuple[float | None, list[Event]]:
        """Measure the averaged weights and keep them if they are to be the model."""
        if not data.validation:
            return None, []
        scores = self._scores(learner, data)
        psnr = self.world.agree(sum(scores.denoised) / len(scores.denoised))
        keep = self.experiment.training.keep
        kept = psnr > self.best_psnr or keep == "last"
        events: list[Event] = []
        if kept:
            self.best_psnr = psnr
            if self.world.is_main:
                state = {
                    "average": learner.average.state,
                    "stage": now.stage,
                    "step": now.step,
                    "seconds": now.spent(),
                    "psnr": psnr,
                }
                save_checkpoint(self.folder.best, state)
        events += self._pictures(scores, now.epoch, best=kept)
        guide = None
        if learner.guided.kind == "network":
            guide = sum(scores.guide) / len(scores.guide)
        self.folder.append_metrics(
            {
                "step": now.step,
                "epoch": now.epoch,
                "seconds": round(now.spent(), 1),
                "psnr": round(psnr, 4),
                "psnrs": " ".join(f"{v:.3f}" for v in scores.denoised),
                "source_psnrs": json.dumps(
                    {name: round(v, 3) for name, v in scores.sources.items()}
                ),
                "guide_psnr": "" if guide is None else round(guide, 4),
                "stage": stage.name,
                "loss": f"{now.losses[-1]:.6g}" if now.losses else "",
                "kept": int(kept),
            }
        )
        self._note(now.step, psnr=psnr)
        noisy = sum(scores.noisy) / len(scores.noisy)
        measured = Validated(
            now.step,
            now.epoch,
            psnr,
            scores.denoised,
            scores.sources,
            noisy,
            guide,
            kept,
        )
        return psnr, [measured, *events]

    def _scores(self, learner: Learner, data: TrainingData) -> Scores:
        """Validate the averaged weights, then put the trained ones back."""
        config = self.experiment.data.validation
        kept = {k: v.clone() for k, v in learner.pipeline.state_dict().items()}
        smaller = "lower data.validation.crop"
        try:
            learner.pipeline.load_state_dict(learner.average.state)
            with (
                out_of_memory_told(self.world.device, "validation", smaller),
                learner.autocast(),
            ):
                return validate(
                    learner.guided,
                    data.validation,
                    config.noises,
                    self.world.device,
                    config.num_pictures,
                )
        finally:
            learner.pipeline.load_state_dict(kept)

    def _pictures(self, scores: Scores, epoch: int, *, best: bool) -> list[Event]:
        return [
            ValidationImage(
                epoch,
                number,
                _as_array(picture.noisy),
                _as_array(picture.denoised),
                _as_array(picture.clean),
                self.folder.write_picture(number, picture, best=best),
            )
            for number, picture in enumerate(scores.pictures)
        ]

    def load_final(self, learner: Learner, now: Progress) -> dict[str, Any]:
        """Give the pipeline its best weights, or the last average without any.

        Returns
        -------
        dict
            ``step``, ``seconds`` and ``psnr`` of what was kept. A process that was
            killed kept weights that are younger than its last checkpoint.
        """
        self.world.wait()
        final = {"average": learner.average.state}
        if self.folder.best.exists():
            best = load_checkpoint(self.folder.best)
            if best.get("stage", now.stage) == now.stage:
                final = best
        learner.pipeline.load_state_dict(final.pop("average"))
        return final

    def save_stage(self, learner: Learner, stage: Stage) -> list[Event]:
        """Write the model of a stage that others follow."""
        if not self.world.is_main:
            return []
        name = f"{self.experiment.name}-{stage.name}"
        path = self.folder.path / f"{name}.safetensors"
        header = model_header(stage.experiment).model_copy(update={"name": name})
        save_model(path, learner.pipeline, header)
        return [CheckpointSaved(path)]

    def finish(
        self,
        learner: Learner,
        now: Progress,
        trained: Experiment | None = None,
        data: TrainingData | None = None,
    ) -> list[Event]:
        """Write the model.

        Parameters
        ----------
        learner : Learner
            Holds the network; gets its best weights.
        now : Progress
            What was done.
        trained : Experiment, optional
            The stage at which the training ends, where that is not the last one.
        data : TrainingData, optional
            On whose validation images it is measured what float16 weights lose.
        """
        self.close()
        kept = self.load_final(learner, now)
        if not self.world.is_main:
            return []
        steps = max(now.step, kept.get("step", 0))
        psnr = kept.get("psnr", self.best_psnr)
        record = {
            "config": self.experiment.model_dump(mode="json"),
            "steps": steps,
            "patches": steps * self.experiment.training.batch_size,
            "seconds": round(max(now.spent(), kept.get("seconds", 0))),
            "device": str(self.world.device),
            "processes": self.world.size,
            "validation_psnr": round(psnr, 4) if math.isfinite(psnr) else None,
            **software_versions(),
        }
        if data is not None and data.validation:
            noises = self.experiment.data.validation.noises
            lost = lost_by_rounding(
                learner.guided, data.validation, noises, self.world.device
            )
            record["rounding_loss_db"] = round(lost, 4)
        header = model_header(trained or self.experiment).model_copy(
            update={
                "training": record,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "software": f"napari-gradnet {__version__}",
            }
        )
        save_model(self.folder.model, learner.pipeline, header)
        self.sha256 = file_sha256(self.folder.model)
        return [CheckpointSaved(self.folder.model)]

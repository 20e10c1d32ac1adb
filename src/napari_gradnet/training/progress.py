"""Where a training stands: stage, epoch, batch, step, time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.config.training import TrainingConfig
    from napari_gradnet.data.sources import TrainingData
    from napari_gradnet.training.distributed import World
    from napari_gradnet.training.stages import Stage

__all__ = ["Progress"]

#: What a checkpoint keeps; the default is for checkpoints of before it was kept.
_KEPT: dict[str, Any] = {
    "step": 0,
    "epoch": 0,
    "batch": 0,
    "stage": 0,
    "finished": False,
    "began_step": 0,
    "began_epoch": 0,
    "began_seconds": 0.0,
    "loss_sum": 0.0,
    "loss_count": 0,
    "losses": (),
    "previous_loss": None,
}


class Progress:
    """Counters of a training.

    Parameters
    ----------
    config : TrainingConfig
        Time budget and batch size.
    stages : sequence of Stage
        All stages.
    world : World
        Processes that must agree on the time.

    Attributes
    ----------
    step, epoch, batch : int
        Done, of the whole training; `batch` of the present epoch.
    stage : int
        Number of the present stage, from 0.
    finished : bool
    losses : list of float
        Mean training loss of each epoch of this stage.
    previous_loss : float or None
        The last one of the stage before.
    """

    step: int
    epoch: int
    batch: int
    stage: int
    finished: bool
    began_step: int
    began_epoch: int
    began_seconds: float
    loss_sum: float
    loss_count: int
    losses: list[float]
    previous_loss: float | None

    def __init__(
        self, config: TrainingConfig, stages: Sequence[Stage], world: World
    ) -> None:
        self.config, self.stages, self.world = config, stages, world
        self.elapsed = 0.0
        self._resumed_at = time.monotonic()
        self.steps_per_epoch = 0
        self._take({})

    def _take(self, state: dict[str, Any]) -> None:
        for name, default in _KEPT.items():
            setattr(self, name, state.get(name, default))
        self.losses = list(self.losses)

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        state = {name: getattr(self, name) for name in _KEPT}
        return {
            **state,
            "losses": list(self.losses),
            "elapsed": self.spent(),
            "length": self._length(),
        }

    def _length(self) -> list[float | None]:
        return [self.config.num_epochs, self.config.max_minutes]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a checkpoint's state."""
        self._take(state)
        self.elapsed = state["elapsed"]
        self._resumed_at = time.monotonic()
        # a longer training may have been asked for since
        self.finished = self.finished and state["length"] == self._length()

    def start(self, data: TrainingData) -> None:
        """Count an epoch's steps and start the clock.

        Raises
        ------
        ConfigError
            An epoch has less than one batch.
        """
        patches = data.patches_per_epoch()
        self.steps_per_epoch = patches // self.config.batch_size
        if not self.steps_per_epoch:
            msg = (
                f"an epoch has {patches} patches, less than one batch of "
                f"{self.config.batch_size}: raise crops_per_image, or lower batch_size"
            )
            raise ConfigError(msg)
        self._resumed_at = time.monotonic()

    def spent(self) -> float:
        """Seconds of training in all sessions."""
        return self.elapsed + time.monotonic() - self._resumed_at

    @property
    def stage_step(self) -> int:
        """Steps done in this stage."""
        return self.step - self.began_step

    @property
    def stage_epoch(self) -> int:
        """Epochs done in this stage."""
        return self.epoch - self.began_epoch

    @property
    def last_epoch(self) -> int:
        """Epoch of the whole training at which this stage ends."""
        return self.stages[self.stage].last_epoch(self.began_epoch)

    def of_stage(self) -> float:
        """Fraction of the present stage that is done, by steps or by time."""
        epochs = self.last_epoch - self.began_epoch
        if self.steps_per_epoch:
            done = self.stage_step / (epochs * self.steps_per_epoch)
        else:
            done = self.stage_epoch / epochs
        if self.config.max_minutes is not None:
            left = 60 * self.config.max_minutes - self.began_seconds
            expected = [s.expected for s in self.stages[self.stage :]]
            share = max(left, 0.0) * expected[0] / sum(expected)
            by_time = (self.spent() - self.began_seconds) / share if share else 1.0
            done = max(done, self.world.agree(by_time))
        return done

    def of_training(self) -> float:
        """Fraction of the whole training that is done."""
        expected = [s.expected for s in self.stages]
        before = sum(expected[: self.stage])
        here = min(1.0, self.of_stage()) * expected[self.stage]
        return (before + here) / sum(expected)

    def count_step(self, loss: float) -> None:
        """Note a step."""
        self.step += 1
        self.batch += 1
        self.loss_sum += loss
        self.loss_count += 1

    def end_epoch(self) -> float:
        """Go on to the next epoch; return the mean loss of the one that ends."""
        loss = self.loss_sum / self.loss_count if self.loss_count else math.nan
        self.losses.append(loss)
        self.loss_sum, self.loss_count = 0.0, 0
        self.epoch += 1
        self.batch = 0
        return loss

    def next_stage(self) -> None:
        """Go on to the next stage."""
        self.previous_loss = self.losses[-1] if self.losses else None
        self.losses = []
        self.stage += 1
        self.began_step, self.began_epoch = self.step, self.epoch
        self.began_seconds = self.world.agree(self.spent())

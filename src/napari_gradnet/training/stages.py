"""A training as stages: a guide first, blocks that join or are replaced.

References
----------
DN-ResNet, sec. 3.1 (cascade training) and 3.2 (incremental evolution).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gradnet.config.network import DnResNetConfig, DsDnResNetConfig
from napari_gradnet.config.stages import CascadeConfig, EvolutionConfig
from napari_gradnet.config.training import NetworkGuide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.config.training import Experiment

__all__ = ["Stage", "is_stage_over", "plan_stages"]


@dataclass(frozen=True)
class Stage:
    """A part of a training with a network of its own.

    Parameters
    ----------
    name : str
    experiment : Experiment
        What is trained in this stage.
    epochs : int or None
        Most epochs of the stage.
    until : int or None
        Epoch of the whole training at which it ends.
    expected : int
        Epochs that it is expected to take.
    rule : CascadeConfig or None
        Ends it earlier.
    """

    name: str
    experiment: Experiment
    epochs: int | None
    until: int | None
    expected: int
    rule: CascadeConfig | None = None

    def last_epoch(self, began: int) -> int:
        """Epoch of the whole training at which a stage begun at `began` ends."""
        ends = [self.until] if self.until is not None else []
        if self.epochs is not None:
            ends.append(began + self.epochs)
        return max(began + 1, min(ends))


def plan_stages(experiment: Experiment) -> tuple[Stage, ...]:
    """Divide a training into its stages; most have one."""
    epochs = experiment.training.num_epochs
    guide = experiment.guide
    if isinstance(experiment.stages, CascadeConfig):
        return _cascade(experiment, experiment.stages)
    if isinstance(experiment.stages, EvolutionConfig):
        return _evolution(experiment, experiment.stages)
    main = Stage("main", experiment, epochs, None, epochs)
    if isinstance(guide, NetworkGuide) and guide.training == "first":
        first = guide.num_epochs or epochs
        # the layers to freeze are those of the whole model
        alone = experiment.model_copy(
            update={
                "network": guide.network,
                "guide": None,
                "init": guide.model,
                "training": experiment.training.model_copy(update={"freeze": ()}),
            }
        )
        return Stage("guide", alone, first, None, first), main
    return (main,)


def _dn_resnet(experiment: Experiment, depth: int) -> Experiment:
    network = experiment.network
    if not isinstance(network, DnResNetConfig):  # pragma: no cover - validated
        raise TypeError(network)
    plain = DnResNetConfig(
        in_channels=network.in_channels,
        depth=depth,
        global_skip=network.global_skip,
        init=network.init,
    )
    return experiment.model_copy(update={"network": plain})


def _cascade(experiment: Experiment, config: CascadeConfig) -> tuple[Stage, ...]:
    depth = experiment.network.depth  # type: ignore[union-attr]
    depths = range(config.first_depth, depth + 1, 2)
    total = experiment.training.num_epochs
    longest = config.max_epochs or max(1, total // len(depths))
    stages = [
        Stage(
            f"depth-{d}",
            _dn_resnet(experiment, d),
            longest if d < depth else None,
            total,
            longest if d < depth else max(1, total - longest * (len(depths) - 1)),
            config if d < depth else None,
        )
        for d in depths
    ]
    return tuple(stages)


def _evolution(experiment: Experiment, config: EvolutionConfig) -> tuple[Stage, ...]:
    network = experiment.network
    if not isinstance(network, DsDnResNetConfig):  # pragma: no cover - validated
        raise TypeError(network)
    blocks = (network.depth - 3) // 2
    replaced = blocks if network.num_separable is None else network.num_separable
    replaced = min(replaced, blocks)
    epochs = experiment.training.num_epochs
    stages: tuple[Stage, ...] = ()
    if experiment.init is None:
        plain = _dn_resnet(experiment, network.depth)
        if config.cascade is not None:
            stages = _cascade(plain, config.cascade)
        else:
            stages = (Stage(f"depth-{network.depth}", plain, epochs, None, epochs),)
    counts = [replaced] if config.one_shot else list(range(1, replaced + 1))
    length = config.epochs_per_block * (replaced if config.one_shot else 1)
    evolved = [
        Stage(
            f"separable-{n}",
            experiment.model_copy(
                update={"network": network.model_copy(update={"num_separable": n})}
            ),
            length,
            None,
            length,
        )
        for n in counts
    ]
    return (*stages, *evolved)


def is_stage_over(
    config: CascadeConfig, losses: Sequence[float], previous: float | None
) -> bool:
    """Whether the next block may join.

    Parameters
    ----------
    config : CascadeConfig
        The criterion.
    losses : sequence of float
        Mean training loss of each epoch of this stage.
    previous : float or None
        The last one of the stage before.
    """
    if config.criterion == "epochs" or not losses:
        return False
    if config.criterion == "paper" and previous is not None:
        return losses[-1] <= _lower(previous, config.min_gain)
    before, recent = losses[: -config.patience], losses[-config.patience :]
    return bool(before) and min(recent) > _lower(min(before), config.tolerance)


def _lower(loss: float, gain: float) -> float:
    """A loss lower by a part of its size; logarithmic losses are negative."""
    return (1 - math.copysign(gain, loss)) * loss

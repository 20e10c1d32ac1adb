"""A run's folder: resolved configuration, versions, metrics, checkpoints, model."""

from __future__ import annotations

import csv
import json
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
import yaml

from napari_gradnet import __version__
from napari_gradnet.config.training import Experiment
from napari_gradnet.errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RunFolder", "software_versions"]


def software_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {
        "napari-gradnet": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


class RunFolder:
    """Paths and writers of one run.

    Parameters
    ----------
    path : Path
        Made where it is missing.
    experiment : Experiment
    resume : bool
        Go on with the run that the folder holds.

    Raises
    ------
    TrainingError
        The folder holds another run, or none to resume.
    """

    def __init__(self, path: Path, experiment: Experiment, *, resume: bool) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.metrics = path / "metrics.csv"
        self.model = path / f"{experiment.name}.safetensors"
        config = path / "config.yaml"
        if resume:
            self._check_resumable(config, experiment)
            return
        if self.last.exists() or self.model.exists():
            msg = f"{path} already holds a run: resume it or give another folder"
            raise TrainingError(msg)
        path.mkdir(parents=True, exist_ok=True)
        values = experiment.model_dump(mode="json")
        config.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        record = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            **software_versions(),
        }
        (path / "versions.json").write_text(json.dumps(record, indent=1), "utf-8")

    def _check_resumable(self, config: Path, experiment: Experiment) -> None:
        if not self.last.exists():
            msg = f"{self.path} holds no checkpoint to resume: start without resuming"
            raise TrainingError(msg)
        before = Experiment.parse(yaml.safe_load(config.read_text("utf-8")))
        free = {"training": {"num_epochs", "max_minutes", "num_threads", "device"}}
        old, new = (
            e.model_dump(mode="json", exclude=free) for e in (before, experiment)
        )
        changed = [key for key in new if old[key] != new[key]]
        if changed:
            msg = (
                f"the configuration in {self.path} differs in {', '.join(changed)}: "
                "resume with the same one or start in another folder"
            )
            raise TrainingError(msg)

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to ``metrics.csv``."""
        new = not self.metrics.exists()
        with self.metrics.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

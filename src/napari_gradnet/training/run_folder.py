"""A run's folder: resolved configuration, versions, metrics, checkpoints, model."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
import yaml
from filelock import FileLock, Timeout
from PIL import Image

from napari_gradnet import __version__
from napari_gradnet.bundle import file_sha256
from napari_gradnet.config.training import Experiment
from napari_gradnet.errors import ConfigError, MissingDependencyError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_gradnet.data.sources import TrainingData
    from napari_gradnet.training.validate import Picture

__all__ = ["RunFolder", "software_versions", "summary_writer"]


#: What a resumed run may set anew.
FREE_TO_CHANGE = {
    *("num_epochs", "max_minutes", "learning_rate", "clip_gradient", "nan_restarts"),
    *("device", "num_threads", "compile", "accumulate", "checkpoint_minutes"),
    *("tensorboard", "keep"),
}


def software_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {
        "napari-gradnet": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def summary_writer() -> Any:
    """TensorBoard's writer of events, a class.

    Raises
    ------
    MissingDependencyError
        The package `tensorboard` is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        msg = (
            "training.tensorboard needs the package tensorboard: run "
            "`pip install tensorboard`, or leave it out (metrics.csv has the same)"
        )
        raise MissingDependencyError(msg) from error
    return SummaryWriter


def _write_whole(path: Path, text: str) -> None:
    """Write a text file; an older one stays whole until the new one is on disk."""
    old = path.read_bytes() if path.exists() else None
    new = text.encode()
    if new == old:
        return
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(new)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


#: How the warning begins that images have changed.
_OTHERS = "the images are not those that this run began with"


class RunFolder:
    """Paths and writers of one run.

    Parameters
    ----------
    path : Path
        Made where it is missing.
    experiment : Experiment
    resume : bool
        Go on with the run that the folder holds.
    is_main : bool
        Write; the other processes of a run only read.

    Raises
    ------
    TrainingError
        The folder holds another run, or none to resume.
    """

    def __init__(
        self,
        path: Path,
        experiment: Experiment,
        *,
        resume: bool,
        is_main: bool = True,
    ) -> None:
        self.path = path
        self.is_main = is_main
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.metrics = path / "metrics.csv"
        self.model = path / f"{experiment.name}.safetensors"
        self.config = path / "config.yaml"
        if resume:
            self._check_resumable(experiment)
            return
        if not is_main:
            return
        if self.last.exists() or self.model.exists():
            msg = f"{path} already holds a run: resume it or give another folder"
            raise TrainingError(msg)
        path.mkdir(parents=True, exist_ok=True)
        if (path / "versions.json").exists():  # of a run whose checkpoint was removed
            for left in (self.best, self.metrics, path / "data.json"):
                left.unlink(missing_ok=True)
        self.write_config(experiment)
        record = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            **software_versions(),
        }
        (path / "versions.json").write_text(json.dumps(record, indent=1), "utf-8")

    def write_config(self, experiment: Experiment) -> None:
        """Write what the run is told: a resumed one may be told to take longer."""
        if not self.is_main:
            return
        text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)
        _write_whole(self.config, text)

    def _read_config(self) -> Experiment:
        """What the run was told so far."""
        try:
            values = yaml.safe_load(self.config.read_text("utf-8"))
            return Experiment.parse(values)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ConfigError) as error:
            msg = (
                f"{self.config} is missing or damaged: write the configuration that "
                f"the run began with there again, then resume ({error})"
            )
            raise TrainingError(msg) from error

    def _check_resumable(self, experiment: Experiment) -> None:
        if not self.last.exists():
            msg = f"{self.path} holds no checkpoint to resume: start without resuming"
            raise TrainingError(msg)
        before = self._read_config()
        old, new = (
            e.model_dump(mode="json", exclude={"training": FREE_TO_CHANGE})
            for e in (before, experiment)
        )
        changed = [key for key in new if old[key] != new[key]]
        if changed:
            msg = (
                f"the configuration in {self.path} differs in {', '.join(changed)}: "
                f"resume with the same one ({self.config}) or start in another folder"
            )
            raise TrainingError(msg)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in the folder.

        Raises
        ------
        TrainingError
            One does already.
        """
        if not self.is_main:
            yield
            return
        lock = FileLock(self.path / ".gradnet-run.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            msg = (
                f"another process is training in {self.path}: wait for its end or give "
                "another folder"
            )
            raise TrainingError(msg) from None
        try:
            for left in self.path.glob(".*.tmp-*"):  # by a process that was killed
                left.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to ``metrics.csv``; an older file keeps its columns."""
        if not self.is_main:
            return
        names = list(row)
        new = not self.metrics.exists()
        if not new:
            with self.metrics.open(newline="", encoding="utf-8") as stream:
                names = next(csv.reader(stream), names)
        with self.metrics.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names, extrasaction="ignore")
            if new:
                writer.writeheader()
            writer.writerow(row)

    def drop_metrics_after(
        self, step: int, epoch: int, *, but_the_best: bool = False
    ) -> None:
        """Forget what a run wrote after its last checkpoint.

        Parameters
        ----------
        step, epoch : int
            That checkpoint's; an epoch's last step may be done, its validation not.
        but_the_best : bool
            Keep the line of the weights in ``best.pt``, which is not repeated.
        """
        if not self.is_main or not self.metrics.exists():
            return
        with self.metrics.open(newline="", encoding="utf-8") as stream:
            header, *rows = list(csv.reader(stream)) or [[]]
        if not {"step", "epoch"} <= set(header):  # torn off by a crash or a full disk
            self.metrics.unlink()
            return
        ends = {header.index(k): v for k, v in (("step", step), ("epoch", epoch))}
        rows = [row for row in rows if len(row) == len(header)]
        best: list[list[str]] = []
        if but_the_best and "kept" in header:
            flag = header.index("kept")
            best = [row for row in rows if row[flag] == "1"][-1:]
        kept = [
            row
            for row in rows
            if row in best or all(int(row[place]) <= end for place, end in ends.items())
        ]
        lines = io.StringIO()
        csv.writer(lines).writerows([header, *kept])
        _write_whole(self.metrics, lines.getvalue())

    def forget_best(self) -> None:
        """Remove the best weights: the next stage has another network."""
        if self.is_main:
            self.best.unlink(missing_ok=True)

    def write_data(self, data: TrainingData) -> None:
        """List the files that were read with their SHA-256, and those left out.

        Other ones than in the run so far are told among the warnings of `data`, now and
        when the run is resumed again.
        """
        if not self.is_main:
            return
        path = self.path / "data.json"
        files = {str(p): _sha256(p) for p in dict.fromkeys(data.files)}
        try:
            known = json.loads(path.read_text("utf-8"))
            before = known["files"]
            data.warnings += [w for w in known["warnings"] if w.startswith(_OTHERS)]
        except (OSError, ValueError, KeyError):
            before = files  # a new run
        if list(before.values()) != list(files.values()):
            more = len(set(files.values()) - set(before.values()))
            fewer = len(set(before.values()) - set(files.values()))
            data.warnings.append(
                f"{_OTHERS} ({more} new, {fewer} gone): what is held out now may have "
                "been trained on; restore them, or start in another folder"
            )
        record = {
            "files": files,
            "skipped": {str(path): reason for path, reason in data.skipped},
            "warnings": data.warnings,
        }
        _write_whole(path, json.dumps(record, indent=1))

    def write_picture(self, number: int, picture: Picture, *, best: bool) -> Path:
        """Write noisy, denoised and clean side by side; keep those of the best."""
        path = self.path / "pictures" / f"latest-{number}.png"
        if self.is_main:
            path.parent.mkdir(exist_ok=True)
            row = torch.cat([picture.noisy, picture.denoised, picture.clean], 2)
            bytes_ = (row.clamp(0, 1) * 255).round().to(torch.uint8)
            array = bytes_.permute(1, 2, 0).numpy()
            image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
            paths = [path, path.with_name(f"best-{number}.png")]
            for target in paths if best else paths[:1]:
                # readers see a whole picture at all times
                temporary = target.with_name(f".{target.name}")
                image.save(temporary, "png")
                temporary.replace(target)
        return path

    def open_tensorboard(self, step: int) -> Any:
        """Open a writer of TensorBoard events; those after `step` are forgotten.

        Raises
        ------
        MissingDependencyError
            The package `tensorboard` is not installed.
        """
        return summary_writer()(str(self.path / "tensorboard"), purge_step=step + 1)


def _sha256(path: Path) -> str:
    """SHA-256 of a file or, of an OME-Zarr folder, of all that lies in it."""
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path)} {file_sha256(file)}\n".encode())
    return digest.hexdigest()

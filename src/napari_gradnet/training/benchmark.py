"""How fast networks are trained here, beside a plain PyTorch loop."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from napari_gradnet.config.network import GradNetConfig, parse_network
from napari_gradnet.config.training import Experiment
from napari_gradnet.data.sources import Batch, load_data
from napari_gradnet.inference.device import describe_device
from napari_gradnet.networks.registry import count_parameters, list_networks
from napari_gradnet.training.distributed import World
from napari_gradnet.training.learner import Learner
from napari_gradnet.training.weights import first_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["TrainingSpeedRow", "benchmark_training"]

SIGMA = 25.0
#: Photos of the test, side in pixels and number.
_SIDE, _IMAGES = 320, 24
#: Side of the matrices that measure a GPU, and repeats.
_MATRIX, _REPEATS = 8192, 20
_SMALL = {"num_features": 48, "depth": 7}


@dataclass(frozen=True)
class TrainingSpeedRow:
    """Training speed of one network in one precision.

    Parameters
    ----------
    network, precision, device : str
    parameters : int
        Trained values, those of a guide included.
    patches_per_second : float
        Data included.
    wait_fraction : float
        Part of the time that is spent on data.
    loader_patches_per_second : float
        The same network with PyTorch's DataLoader, which reads, decodes, crops, turns
        and noises one patch at a time.
    matrix_fraction : float or None
        Arithmetic done over what the GPU does in large bfloat16 matrix products.
    """

    network: str
    precision: str
    device: str
    parameters: int
    patches_per_second: float
    wait_fraction: float
    loader_patches_per_second: float
    matrix_fraction: float | None


class _Patches(Dataset[tuple[Tensor, Tensor]]):
    """What most training scripts do: one file, one crop, one noise draw an item."""

    def __init__(self, paths: Sequence[Path], repeats: int, patch_size: int) -> None:
        self.paths, self.repeats, self.patch_size = list(paths), repeats, patch_size

    def __len__(self) -> int:
        return len(self.paths) * self.repeats

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng()
        with Image.open(self.paths[number % len(self.paths)]) as file:
            image = np.asarray(file, np.float32) / 255
        size = self.patch_size
        top, left = (int(rng.integers(k - size + 1)) for k in image.shape[:2])
        patch = np.rot90(
            image[top : top + size, left : left + size], int(rng.integers(4))
        )
        patch = patch.reshape(size, size, -1).transpose(2, 0, 1)
        clean = torch.from_numpy(np.ascontiguousarray(patch))
        return clean + SIGMA / 255 * torch.randn(clean.shape), clean


def _experiment(network: str, precision: str, options: dict[str, Any]) -> Experiment:
    config = parse_network(network)
    guide = None
    if isinstance(config, GradNetConfig):
        guide = {
            "kind": "network",
            "network": {"name": "dncnn", "in_channels": config.in_channels, **_SMALL},
        }
    values = {
        "name": "benchmark",
        "network": config.model_dump(),
        "guide": guide,
        "data": {
            "train": [
                {
                    "clean": str(options["folder"]),
                    "noise": {"kind": "gaussian", "sigma": SIGMA},
                    "crops_per_image": 64,
                }
            ],
            "validation": {"num_held_out": 0},
        },
        "training": {
            "precision": precision,
            "device": options["device"],
            "batch_size": options["batch_size"],
            "patch_size": options["patch_size"],
        },
    }
    return Experiment.parse(values)


def _write_photos(folder: Path, channels: int) -> list[Path]:
    """Smooth shapes with some grain: they pack and unpack as photos do."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(_IMAGES):
        coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
        photo = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255)
        picture = Image.fromarray(photo.astype(np.uint8))
        path = folder / f"{number:02d}.png"
        (picture if channels == 3 else picture.convert("L")).save(path)
        paths.append(path)
    return paths


def _matrix_rate(device: torch.device) -> float:
    """Floating-point operations a second of large bfloat16 matrix products."""
    one = torch.randn(_MATRIX, _MATRIX, device=device, dtype=torch.bfloat16)
    for _ in range(3):
        one @ one
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    for _ in range(_REPEATS):
        one @ one
    torch.cuda.synchronize(device)
    return 2.0 * _MATRIX**3 * _REPEATS / (time.perf_counter() - began)


def _flops_of_step(learner: Learner, batch: Batch) -> float:
    counter = FlopCounterMode(display=False)
    with counter:
        learner.optimize(batch, 0.0, 1)
    return float(counter.get_total_flops())


def _timed(
    batches: Callable[[], Iterator[Batch]], learner: Learner, seconds: float
) -> tuple[float, float]:
    """Patches a second and the part of the time spent on data."""
    waited, patches, step = 0.0, 0, 0
    began = time.perf_counter()
    while True:
        source = iter(batches())
        while True:
            asked = time.perf_counter()
            batch = next(source, None)
            if batch is None:
                break
            waited += time.perf_counter() - asked
            step += 1
            learner.optimize(batch, 1e-4, step)
            patches += len(batch.clean)
            spent = time.perf_counter() - began
            if spent > seconds and step > 1:
                return patches / spent, waited / spent


def benchmark_training(
    networks: Sequence[str] = (),
    *,
    precisions: Sequence[str] = ("float32",),
    device: str = "auto",
    batch_size: int = 16,
    patch_size: int = 64,
    seconds: float = 10.0,
    workers: int = 2,
) -> Iterator[TrainingSpeedRow]:
    """Measure networks one after the other.

    Parameters
    ----------
    networks : sequence of str
        Names of `list_networks`; all when empty.
    precisions : sequence of str
        ``float32``, ``bfloat16``, ``float16``.
    device : str
        See `list_devices`.
    batch_size : int
        Patches a step.
    patch_size : int
        Pixels.
    seconds : float
        Time for each of the two loops.
    workers : int
        Processes of the DataLoader.

    Yields
    ------
    TrainingSpeedRow
    """
    for network in networks or list_networks():
        channels = parse_network(network).in_channels
        with tempfile.TemporaryDirectory() as name:
            paths = _write_photos(Path(name), channels)
            for precision in precisions:
                options = {
                    "folder": name,
                    "device": device,
                    "batch_size": batch_size,
                    "patch_size": patch_size,
                }
                experiment = _experiment(network, precision, options)
                yield _row(experiment, paths, seconds, workers)


def _row(
    experiment: Experiment, paths: list[Path], seconds: float, workers: int
) -> TrainingSpeedRow:
    settings = experiment.training
    world = World(settings.device)
    channels = experiment.network.in_channels
    data = load_data(experiment.data, channels, settings.patch_size).to(world.device)
    learner = Learner(first_weights(experiment), experiment, world)

    def ours() -> Iterator[Batch]:
        return data.iter_epoch(
            seed=0,
            epoch=0,
            batch_size=settings.batch_size,
            patch_size=settings.patch_size,
        )

    loader: DataLoader[Any] = DataLoader(
        _Patches(paths, 64, settings.patch_size),
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=world.device.type == "cuda",
    )

    def plain() -> Iterator[Batch]:
        for noisy, clean in loader:
            yield Batch(noisy.to(world.device), clean.to(world.device))

    flops = _flops_of_step(learner, next(ours()))  # warms up too
    speed, waiting = _timed(ours, learner, seconds)
    loader_speed, _ = _timed(plain, learner, seconds)
    fraction = None
    if world.device.type == "cuda":
        rate = speed / settings.batch_size * flops
        fraction = rate / _matrix_rate(world.device)
    return TrainingSpeedRow(
        experiment.network.name,
        settings.precision,
        describe_device(world.device),
        count_parameters(learner.pipeline),
        speed,
        waiting,
        loader_speed,
        fraction,
    )

"""The programming interface: what a scientist scripts.

Importing it loads no torch; each function brings what it needs at its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gradnet.api._batch import (
        denoise_files,
        iter_denoise_files,
        plan_files,
    )
    from napari_gradnet.api._benchmark import (
        benchmark_accuracy,
        benchmark_batch,
        benchmark_card,
        benchmark_failures,
        benchmark_inference,
        benchmark_overhead,
        benchmark_pairs,
        benchmark_stack,
        benchmark_tiles,
    )
    from napari_gradnet.api._demo import demo
    from napari_gradnet.api._files import (
        denoise_file,
        gradient_file,
        naive_denoise_file,
    )
    from napari_gradnet.api._functions import describe_noise, gradient
    from napari_gradnet.api._lazy import denoise_lazy
    from napari_gradnet.batch.events import BatchReport, FileEvent, FileReport
    from napari_gradnet.batch.plan import FilePlan
    from napari_gradnet.batch.volume_benchmark import VolumeRow, benchmark_volume
    from napari_gradnet.errors import GradNetError
    from napari_gradnet.events import Event, Progress
    from napari_gradnet.export import export_network
    from napari_gradnet.inference.denoise import (
        denoise,
        denoise_region,
        iter_denoise,
        iter_denoise_region,
    )
    from napari_gradnet.inference.device import list_devices
    from napari_gradnet.inference.models import ModelInfo, list_models, open_model
    from napari_gradnet.inference.naive import list_naive_methods, naive_denoise
    from napari_gradnet.io import open_image
    from napari_gradnet.metrics import psnr, ssim
    from napari_gradnet.networks.registry import build_network, list_networks
    from napari_gradnet.noise.estimate import NoiseEstimate, estimate_noise
    from napari_gradnet.quality import Quality, iter_measure_quality, measure_quality
    from napari_gradnet.recipes import list_recipes, read_recipe
    from napari_gradnet.residual import (
        ResidualReport,
        analyze_residual,
        iter_analyze_residual,
    )
    from napari_gradnet.training.benchmark import TrainingSpeedRow, benchmark_training
    from napari_gradnet.training.check import CheckReport, check_training
    from napari_gradnet.training.run import finish_training, iter_train, train

__all__ = [
    "BatchReport",
    "CheckReport",
    "Event",
    "FileEvent",
    "FilePlan",
    "FileReport",
    "GradNetError",
    "ModelInfo",
    "NoiseEstimate",
    "Progress",
    "Quality",
    "ResidualReport",
    "TrainingSpeedRow",
    "VolumeRow",
    "analyze_residual",
    "benchmark_accuracy",
    "benchmark_batch",
    "benchmark_card",
    "benchmark_failures",
    "benchmark_inference",
    "benchmark_overhead",
    "benchmark_pairs",
    "benchmark_stack",
    "benchmark_tiles",
    "benchmark_training",
    "benchmark_volume",
    "build_network",
    "check_training",
    "demo",
    "denoise",
    "denoise_file",
    "denoise_files",
    "denoise_lazy",
    "denoise_region",
    "describe_noise",
    "estimate_noise",
    "export_network",
    "finish_training",
    "gradient",
    "gradient_file",
    "iter_analyze_residual",
    "iter_denoise",
    "iter_denoise_files",
    "iter_denoise_region",
    "iter_measure_quality",
    "iter_train",
    "list_devices",
    "list_models",
    "list_naive_methods",
    "list_networks",
    "list_recipes",
    "measure_quality",
    "naive_denoise",
    "naive_denoise_file",
    "open_image",
    "open_model",
    "plan_files",
    "psnr",
    "read_recipe",
    "ssim",
    "train",
]

#: Module: what it holds; imported at the first use of a name.
_MODULES: dict[str, tuple[str, ...]] = {
    "api._batch": ("denoise_files", "iter_denoise_files", "plan_files"),
    "api._benchmark": (
        "benchmark_accuracy",
        "benchmark_inference",
        "benchmark_batch",
        "benchmark_overhead",
        "benchmark_card",
        "benchmark_failures",
        "benchmark_pairs",
        "benchmark_stack",
        "benchmark_tiles",
    ),
    "api._demo": ("demo",),
    "api._files": ("denoise_file", "gradient_file", "naive_denoise_file"),
    "api._functions": ("describe_noise", "gradient"),
    "api._lazy": ("denoise_lazy",),
    "batch.events": ("BatchReport", "FileEvent", "FileReport"),
    "batch.plan": ("FilePlan",),
    "batch.volume_benchmark": ("VolumeRow", "benchmark_volume"),
    "errors": ("GradNetError",),
    "events": ("Event", "Progress"),
    "export": ("export_network",),
    "inference.denoise": (
        "denoise",
        "denoise_region",
        "iter_denoise",
        "iter_denoise_region",
    ),
    "inference.device": ("list_devices",),
    "inference.models": ("ModelInfo", "list_models", "open_model"),
    "inference.naive": ("list_naive_methods", "naive_denoise"),
    "io": ("open_image",),
    "metrics": ("psnr", "ssim"),
    "networks.registry": ("build_network", "list_networks"),
    "noise.estimate": ("NoiseEstimate", "estimate_noise"),
    "quality": ("Quality", "iter_measure_quality", "measure_quality"),
    "recipes": ("list_recipes", "read_recipe"),
    "residual": ("ResidualReport", "analyze_residual", "iter_analyze_residual"),
    "training.benchmark": ("TrainingSpeedRow", "benchmark_training"),
    "training.check": ("CheckReport", "check_training"),
    "training.run": ("finish_training", "iter_train", "train"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"napari_gradnet.{_HOME[name]}"), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

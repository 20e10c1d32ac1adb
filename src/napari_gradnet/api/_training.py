"""Training, its recipes and checks, and the export of networks."""

from __future__ import annotations

from napari_gradnet.export import export_network
from napari_gradnet.recipes import list_recipes, read_recipe
from napari_gradnet.training.benchmark import TrainingSpeedRow, benchmark_training
from napari_gradnet.training.check import CheckReport, check_training
from napari_gradnet.training.run import iter_train, train

__all__ = [
    "CheckReport",
    "TrainingSpeedRow",
    "benchmark_training",
    "check_training",
    "export_network",
    "iter_train",
    "list_recipes",
    "read_recipe",
    "train",
]

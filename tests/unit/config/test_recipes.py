"""What all recipes keep to."""

from __future__ import annotations

import pytest
import yaml

from napari_gradnet.config.training import Experiment
from napari_gradnet.recipes import list_recipes, read_recipe


@pytest.mark.parametrize("name", list_recipes())
def test_logarithmic_losses_have_no_clipped_gradient(name: str) -> None:
    experiment = Experiment.parse(yaml.safe_load(read_recipe(name)))
    if experiment.loss.pixel == "log-l2":
        assert experiment.training.clip_gradient is None

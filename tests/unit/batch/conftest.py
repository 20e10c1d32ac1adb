"""Small models on disk, and volumes of many units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.tiny_models import write_tiny_model
from tests.unit.batch.volume_jobs import MODELS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of the tiny models that volumes go through, by name."""
    folder = tmp_path_factory.mktemp("models")
    return {name: write_tiny_model(folder, name) for name in (*MODELS, "color")}


@pytest.fixture
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of single chunks, so that a small volume has many of them."""
    monkeypatch.setattr("napari_gradnet.batch.volume_open.MAX_UNIT_BYTES", 6000)

"""Small models on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.tiny_models import write_tiny_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny untrained models for grey and colour images."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("grey", "color", "gradnet", "grey-gradnet"):
        write_tiny_model(folder, name)
    return folder


@pytest.fixture
def grey(models: Path) -> str:
    """The file of a tiny model for grey images."""
    return str(models / "grey.safetensors")


@pytest.fixture
def color(models: Path) -> str:
    """The file of a tiny model for colour images."""
    return str(models / "gradnet.safetensors")

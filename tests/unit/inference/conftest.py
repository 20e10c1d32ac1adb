"""Small models on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.tiny_models import MODELS, write_tiny_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of all tiny models, by name."""
    folder = tmp_path_factory.mktemp("models")
    return {name: write_tiny_model(folder, name) for name in MODELS}

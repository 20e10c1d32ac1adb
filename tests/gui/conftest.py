"""Viewers without a window, tiny models, and waiting for work in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from tests.tiny_models import write_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: Generous, for busy machines; tests end as soon as what they wait for is there.
TIMEOUT = 60_000


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep preferences, forms and models of the user out of the tests."""
    import napari.settings
    import platformdirs

    from napari_gradnet.widgets import _memory

    folder = tmp_path / "settings"
    monkeypatch.setattr(napari.settings, "_CFG_PATH", str(folder / "settings.yaml"))
    monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})
    monkeypatch.setattr(_memory, "memory_file", lambda: folder / "forms.ini")
    monkeypatch.setattr(
        platformdirs, "user_data_path", lambda *_, **__: tmp_path / "data"
    )
    return folder


@pytest.fixture(scope="session")
def grey_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained model for grey images."""
    return write_tiny_model(tmp_path_factory.mktemp("models"), "grey")


@pytest.fixture(scope="session")
def color_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained model for colour images."""
    return write_tiny_model(tmp_path_factory.mktemp("models"), "color")


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What the user is told while a test runs."""
    told: list[str] = []

    def tell(notification: Any) -> None:
        told.append(notification.message)

    notification_manager.notification_ready.connect(tell)
    yield told
    notification_manager.notification_ready.disconnect(tell)


@pytest.fixture
def stack(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Four planes of 48 x 40 pixels, counts."""
    return rng.integers(100, 4000, (4, 48, 40)).astype(np.uint16)

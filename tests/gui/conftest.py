"""Viewers without a window, layers to compare, tiny models, waiting for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from scipy.ndimage import gaussian_filter
from tests.tiny_models import write_tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot
    from tests.gui.comparing import Layers

    from napari_gradnet.widgets.compare import CompareWidget

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


@pytest.fixture
def layers(
    viewer: ViewerModel, grey_photo: NDArray[Any], rng: np.random.Generator
) -> Layers:
    """Clean, noisy and blurred: two planes of counts with a pixel size."""
    from napari_gradnet.widgets._layers import METADATA_KEY

    planes = np.stack([grey_photo[100:196, 200:280], grey_photo[200:296, 100:180]])
    clean = (1000 + 500 * planes).astype(np.uint16)
    noisy = rng.normal(clean, 20).round().astype(np.uint16)
    blurred = gaussian_filter(noisy.astype(float), (0, 2, 2)).astype(np.uint16)
    scale = {"scale": (3, 0.5, 0.5)}
    return (
        viewer.add_image(clean, name="clean", visible=False, **scale),
        viewer.add_image(noisy, name="noisy", contrast_limits=(1000, 1500), **scale),
        viewer.add_image(
            blurred,
            name="blurred",
            contrast_limits=(900, 1600),
            metadata={METADATA_KEY: {"source": "noisy"}},
            **scale,
        ),
    )


@pytest.fixture
def widget(qtbot: QtBot, viewer: ViewerModel, layers: Layers) -> CompareWidget:
    """The Compare widget on `layers`; modules of other widgets have their own."""
    from napari_gradnet.widgets.compare import CompareWidget

    made = CompareWidget(viewer)
    qtbot.addWidget(made)
    return made

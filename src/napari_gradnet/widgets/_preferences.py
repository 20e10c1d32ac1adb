"""Preferences of the plugin: pages of napari's dialog, kept by napari itself.

napari makes and stores them from ``configurations`` of the manifest, from version 0.9
on; before that the defaults of the manifest hold until the program ends.
"""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_gradnet.widgets._options import DenoiseOptions

__all__ = [
    "models_folder",
    "preferred_options",
    "read_preference",
    "watch_preference",
    "write_preference",
]

logger = logging.getLogger(__name__)

PLUGIN = "napari-gradnet"
#: Values for a napari that keeps none, by section and name.
_SESSION: dict[tuple[str, str], Any] = {}


def read_preference(section: str, name: str) -> Any:
    """Look up a preference.

    Parameters
    ----------
    section, name : str
        As in the manifest: ``compute`` and ``device``, for example.
    """
    page = _page(section)
    if page is not None:
        return getattr(page, name)
    return _SESSION.get((section, name), _default(section, name))


def write_preference(section: str, name: str, value: Any) -> None:
    """Change a preference; a value that it cannot have is left out."""
    page = _page(section)
    if page is None:
        _SESSION[section, name] = value
        return
    try:
        setattr(page, name, value)
    except ValueError as error:  # pydantic's
        logger.debug("preference %s.%s stays: %s", section, name, error)


def watch_preference(
    owner: QWidget, section: str, name: str, callback: Callable[[Any], None]
) -> None:
    """Call with each new value, until `owner` is destroyed."""
    from napari_gradnet.widgets._parts import connect  # brings Qt

    page = _page(section)
    if page is not None:
        connect(owner, getattr(page.events, name), lambda e: callback(e.value))


def preferred_options() -> DenoiseOptions:
    """Device, precision and tile, for work whose form does not ask for them."""
    from napari_gradnet.widgets._options import DenoiseOptions

    device = str(read_preference("compute", "device"))
    return DenoiseOptions(
        device=device,
        precision=read_preference("compute", "precision"),
        tile=read_preference("compute", "tile") or None,
    )


def models_folder() -> Path:
    """Folder of the user's own models; it need not be there yet.

    ``~`` and environment variables in the preference are replaced. Where it is empty,
    the folder is one of the user's data, as the system has it.
    """
    text = os.path.expandvars(str(read_preference("models", "folder")).strip())
    if text:
        return Path(text).expanduser()
    return platformdirs.user_data_path(PLUGIN, appauthor=False) / "models"


def _page(section: str) -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN), section)
    except (ImportError, KeyError, AttributeError):  # an older napari, or not installed
        return None


@functools.cache
def _manifest() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "napari.yaml"
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _default(section: str, name: str) -> Any:
    pages = _manifest()["contributions"]["configurations"]
    return pages[section]["properties"][name]["default"]

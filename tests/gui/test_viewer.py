"""The plugin in napari's own window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.gui.conftest import TIMEOUT
from tests.tiny_models import package_only

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot

PLUGIN = "napari-gradnet"


def test_denoise_in_the_window_and_close_it_in_the_middle(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot, grey_model: Path
) -> None:
    from qtpy.QtCore import QThreadPool

    viewer = make_napari_viewer()
    viewer.open_sample(PLUGIN, "fluorescence_stack")
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise (GradNet)")
    assert dock is not None
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    widget.models.open_file(grey_model)
    qtbot.waitUntil(lambda: not widget.models.job.running, timeout=TIMEOUT)
    assert widget.layers.layer.name == "cells, noisy"
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        widget.bar.buttons["Denoise"].click()
    result = viewer.layers["cells, noisy denoised"]
    np.testing.assert_allclose(result.scale, viewer.layers["cells, noisy"].scale)
    # many small tiles: the window is closed long before the end
    widget.advanced.tile.setValue(16)
    widget.advanced.ensemble.setCurrentText("8 flips and turns (8 times slower)")
    with qtbot.waitSignal(widget.job.progressed, timeout=TIMEOUT):
        widget.bar.buttons["Denoise"].click()
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)


def test_active_layer_is_denoised_in_one_click(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    grey_model: Path,
    messages: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari._app_model import get_app_model

    from napari_gradnet.inference import models

    monkeypatch.setattr(models, "AUTO_GRAY", ("grey",))
    package_only(monkeypatch, tmp_path / "packaged", grey=grey_model)
    viewer = make_napari_viewer()
    execute = get_app_model().commands.execute_command
    execute("napari-gradnet.denoise_active")
    assert "select one image layer" in messages[-1]
    viewer.add_image(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48), name="a")
    viewer.add_image(np.zeros((48, 48), np.uint8), name="b")
    viewer.layers.selection.active = viewer.layers["a"]
    execute("napari-gradnet.denoise_active")
    qtbot.waitUntil(lambda: "a denoised" in viewer.layers, timeout=TIMEOUT)
    assert "b denoised" not in viewer.layers


def manifest() -> Any:
    from npe2 import PluginManifest

    return PluginManifest.from_distribution(PLUGIN).contributions


def test_every_widget_opens_in_an_empty_viewer_and_closes(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    from qtpy.QtCore import QThreadPool

    viewer = make_napari_viewer()
    for widget in manifest().widgets:
        dock, form = viewer.window.add_plugin_dock_widget(PLUGIN, widget.display_name)
        assert form.isVisibleTo(dock)
        viewer.window.remove_dock_widget(dock)
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)


def _has_command(item: Any) -> bool:
    return getattr(item, "command", None) is not None


def test_menus_lead_to_every_form(make_napari_viewer: Callable[..., Any]) -> None:
    from napari._app_model import get_app_model
    from qtpy.QtWidgets import QMenu

    viewer = make_napari_viewer()
    contributions = manifest()
    app = get_app_model()
    (submenu,) = contributions.submenus
    items = app.menus.get_menu(submenu.id)
    found = {getattr(item.command, "id", "") for item in items if _has_command(item)}
    assert found == {c.command for c in contributions.menus[submenu.id]}
    assert found >= {w.command for w in contributions.widgets}
    filters = app.menus.get_menu("napari/layers/filter")
    assert submenu.id in [getattr(item, "submenu", None) for item in filters]
    shown = [m.title() for m in viewer.window._qt_window.findChildren(QMenu)]
    assert any(submenu.label in title for title in shown)
    viewer.add_image(np.zeros((16, 16), np.uint8))
    app.commands.execute_command("napari-gradnet.gradient")
    assert any("Gradient" in name for name in viewer.window.dock_widgets)


def test_samples_open(make_napari_viewer: Callable[..., Any]) -> None:
    viewer = make_napari_viewer()
    for sample in manifest().sample_data:
        viewer.layers.clear()
        viewer.open_sample(PLUGIN, sample.key)
        names = [layer.name for layer in viewer.layers]
        assert len(names) == 2
        assert any("noisy" in name for name in names)


def test_preferences_have_a_page(make_napari_viewer: Callable[..., Any]) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog
    from napari.settings import get_plugin_settings

    viewer = make_napari_viewer()
    settings = get_plugin_settings(PLUGIN)
    for section, page in manifest().configurations.items():
        for name, setting in page.properties.items():
            assert getattr(getattr(settings, section), name) == setting.default
    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    listed = [dialog._list.item(i).text() for i in range(dialog._list.count())]
    assert settings.display_name in listed
    dialog.close()

"""Models and devices to choose from, preferences, and forms that open as left."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.settings import get_plugin_settings
from tests.gui.conftest import TIMEOUT
from tests.tiny_models import write_tiny_model

from napari_gradnet.widgets._advanced import AdvancedOptions
from napari_gradnet.widgets._devices import DeviceBox
from napari_gradnet.widgets._memory import recall, remember
from napari_gradnet.widgets._models import ModelPicker, models_changed
from napari_gradnet.widgets._preferences import models_folder, read_preference
from napari_gradnet.widgets._work import Inventory
from napari_gradnet.widgets.denoise import DenoiseWidget

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot

PLUGIN = "napari-gradnet"


def listed(picker: ModelPicker) -> list[str]:
    return [picker.box.itemText(i) for i in range(picker.box.count())]


def open_picker(qtbot: QtBot, form: str = "") -> ModelPicker:
    picker = ModelPicker(form)
    qtbot.addWidget(picker)
    picker.refresh()
    qtbot.waitUntil(lambda: not picker.scout.running, timeout=TIMEOUT)
    return picker


def test_a_finished_model_is_listed_at_once(qtbot: QtBot, grey_model: Path) -> None:
    picker = open_picker(qtbot)
    before = listed(picker)
    assert before[0] == "automatic"
    assert "dncnn-gray" in before
    folder = models_folder()
    assert not folder.exists()
    folder.mkdir(parents=True)
    shutil.copy(grey_model, folder / "mine.safetensors")
    (folder / ".half.safetensors").write_bytes(b"being written")
    (folder / "broken.safetensors").write_bytes(b"no model")
    models_changed()
    qtbot.waitUntil(lambda: "mine" in listed(picker), timeout=TIMEOUT)
    assert listed(picker) == [*before, "mine"]
    picker.set_model(str(folder / "mine.safetensors"))
    assert "For grey images." in picker.card.text()
    assert not picker.takes_guide


def test_the_folder_is_watched(qtbot: QtBot, grey_model: Path) -> None:
    models_folder().mkdir(parents=True)
    picker = open_picker(qtbot)
    shutil.copy(grey_model, models_folder() / "copied.safetensors")
    qtbot.waitUntil(lambda: "copied" in listed(picker), timeout=TIMEOUT)
    picker.set_model(str(models_folder() / "copied.safetensors"))
    (models_folder() / "copied.safetensors").unlink()
    qtbot.waitUntil(lambda: "copied" not in listed(picker), timeout=TIMEOUT)
    assert picker.model == "auto"


def test_a_folder_that_appears_later_is_watched(
    qtbot: QtBot, grey_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models_folder()
    picker = open_picker(qtbot)
    looks: list[Any] = []
    nearest = next(p for p in folder.parents if p.is_dir())
    with monkeypatch.context() as patched:
        patched.setattr(picker.scout, "start", looks.append)
        (nearest / "something else").mkdir()
        qtbot.wait(500)
    assert not looks  # what else happens there does not matter
    folder.mkdir(parents=True)
    qtbot.waitUntil(lambda: picker._watcher.directories() == [str(folder)])
    shutil.copy(grey_model, folder / "late.safetensors")
    qtbot.waitUntil(lambda: "late" in listed(picker), timeout=TIMEOUT)


def test_another_folder_can_be_preferred(
    qtbot: QtBot, grey_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picker = open_picker(qtbot)
    monkeypatch.setenv("MY_MODELS", str(tmp_path))
    shutil.copytree(grey_model.parent, tmp_path / "shelf")
    get_plugin_settings(PLUGIN).models.folder = "$MY_MODELS/shelf"
    assert models_folder() == tmp_path / "shelf"
    qtbot.waitUntil(lambda: grey_model.stem in listed(picker), timeout=TIMEOUT)
    get_plugin_settings(PLUGIN).models.folder = "~/shelf"
    assert str(models_folder()).endswith("/shelf")
    assert "~" not in str(models_folder())


def test_the_model_is_remembered(qtbot: QtBot, grey_model: Path) -> None:
    first = open_picker(qtbot, "a form")
    first.open_file(grey_model)
    qtbot.waitUntil(lambda: first.model == str(grey_model), timeout=TIMEOUT)
    second = open_picker(qtbot, "a form")
    qtbot.waitUntil(lambda: second.model == str(grey_model), timeout=TIMEOUT)
    assert open_picker(qtbot, "another form").model == "auto"
    remember("a form", "model", str(grey_model.with_name("gone.safetensors")))
    assert open_picker(qtbot, "a form").model == "auto"


def test_the_remembered_model_is_there_at_once(
    qtbot: QtBot, grey_model: Path, tmp_path: Path
) -> None:
    for model in ("dncnn-gray", str(grey_model)):
        remember("a form", "model", model)
        picker = ModelPicker("a form")
        qtbot.addWidget(picker)
        assert picker.model == model
    picker.set_inventory(Inventory(models={"dncnn-gray": "A line."}))
    qtbot.waitUntil(lambda: not picker.job.running, timeout=TIMEOUT)
    assert picker.model == str(grey_model)
    assert "Looking" not in picker.card.text()
    remember("a form", "model", "not packaged any more")
    picker = ModelPicker("a form")
    qtbot.addWidget(picker)
    picker.set_inventory(Inventory(models={"dncnn-gray": "A line."}))
    assert listed(picker) == ["automatic", "dncnn-gray"]
    assert recall("a form", "model") == "not packaged any more"
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no model")
    remember("a form", "model", str(broken))
    picker = ModelPicker("a form")
    qtbot.addWidget(picker)
    picker.set_inventory(Inventory())
    qtbot.waitUntil(lambda: not picker.job.running, timeout=TIMEOUT)
    assert listed(picker) == ["automatic"]


def test_a_choice_made_before_the_models_are_known_stays(qtbot: QtBot) -> None:
    remember("a form", "model", "dncnn-gray")
    picker = ModelPicker("a form")
    qtbot.addWidget(picker)
    picker.box.setCurrentIndex(0)
    picker.set_inventory(Inventory(models={"dncnn-gray": "A line."}))
    assert picker.model == "auto"


def test_guided_models_are_told_apart(qtbot: QtBot, tmp_path: Path) -> None:
    picker = open_picker(qtbot)
    assert picker.takes_guide  # automatic may choose a GradNet
    for name, guided in (("grey", False), ("grey-gradnet", True)):
        path = write_tiny_model(tmp_path, name)
        picker.open_file(path)
        qtbot.waitUntil(lambda p=path: picker.model == str(p), timeout=TIMEOUT)
        assert picker.takes_guide is guided


DEVICES = Inventory(devices={"cuda:0": "GPU A", "cuda:1": "GPU B", "cpu": "CPU"})


def test_devices_follow_the_preference(qtbot: QtBot) -> None:
    settings = get_plugin_settings(PLUGIN)
    settings.compute.device = "cuda"
    box = DeviceBox()
    qtbot.addWidget(box)
    assert box.device == "cuda:0"  # it may be run before the devices are known
    box.set_inventory(DEVICES)
    assert box.count() == 4
    assert box.device == "cuda:0"
    assert box.itemText(0) == "automatic: GPU A"
    settings.compute.device = "cuda:1"
    assert box.device == "cuda:1"
    settings.compute.device = "nothing of the kind"
    assert box.device == "cuda:1"
    box.setCurrentIndex(box.findData("cpu"))
    assert settings.compute.device == "nothing of the kind"
    box.activated.emit(box.currentIndex())  # a person chose it
    assert settings.compute.device == "cpu"


def test_a_preferred_device_that_is_not_there_is_left_out(qtbot: QtBot) -> None:
    get_plugin_settings(PLUGIN).compute.device = "cuda:7"
    box = DeviceBox()
    qtbot.addWidget(box)
    assert box.device == "cuda:7"
    box.set_inventory(DEVICES)
    assert box.device == "auto"
    assert box.count() == 4


def test_advanced_options_are_preferences(qtbot: QtBot) -> None:
    settings = get_plugin_settings(PLUGIN)
    settings.compute.precision = "float32"
    settings.compute.tile = 256
    settings.output.dtype = "float32"
    options = AdvancedOptions()
    qtbot.addWidget(options)
    expected = {"precision": "float32", "tile": 256, "dtype": "float32"}
    assert {k: options.values()[k] for k in expected} == expected
    settings.compute.tile = 0
    settings.compute.precision = "bfloat16"
    assert options.values()["tile"] is None
    assert options.values()["precision"] == "bfloat16"
    options.set_rgb(True)
    assert options.values()["dtype"] == "same"
    options.set_rgb(False)
    assert options.values()["dtype"] == "float32"
    options.tile.setValue(96)
    options.tile.editingFinished.emit()
    options.precision.setCurrentText("auto")
    options.precision.activated.emit(0)
    assert (settings.compute.tile, settings.compute.precision) == (96, "auto")
    saved = settings.config_path.read_text(encoding="utf-8")
    assert "tile: 96" in saved


def test_without_stored_preferences_the_manifest_holds(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gradnet.widgets import _preferences

    def gone(*_: Any) -> Any:
        raise KeyError(PLUGIN)

    monkeypatch.setattr("napari.settings.get_plugin_settings", gone)
    monkeypatch.setattr(_preferences, "_SESSION", {})
    assert read_preference("compute", "device") == "auto"
    assert read_preference("compute", "tile") == 0
    _preferences.write_preference("compute", "tile", 64)
    options = AdvancedOptions()
    qtbot.addWidget(options)
    assert options.values()["tile"] == 64


def test_the_form_opens_as_it_was_left(qtbot: QtBot, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((3, 32, 32), np.uint8))
    first = DenoiseWidget(viewer)
    qtbot.addWidget(first)
    first.advanced.ensemble.setCurrentText("the image as it is")
    first.advanced.vst.setCurrentText("never")
    second = DenoiseWidget(viewer)
    qtbot.addWidget(second)
    assert second.advanced.values()["ensemble"] is False
    assert second.advanced.values()["vst"] is False
    remember("denoise", "stabilise", "no such choice")
    remember("denoise", "ensemble", True)  # a tick, before it was a choice
    third = DenoiseWidget(viewer)
    qtbot.addWidget(third)
    assert third.advanced.values()["vst"] == "auto"
    assert third.advanced.values()["ensemble"] is None
    for widget in (first, second, third):
        qtbot.waitUntil(lambda w=widget: not w.scout.running, timeout=TIMEOUT)


def test_a_memory_edited_by_hand_is_passed_over(own_settings: Path) -> None:
    own_settings.mkdir(parents=True)
    (own_settings / "forms.ini").write_text("[denoise]\nscope={broken\n")
    assert recall("denoise", "scope") is None
    assert recall("denoise", "nothing") is None
    remember("denoise", "scope", "current view")
    assert recall("denoise", "scope") == "current view"

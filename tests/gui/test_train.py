"""The Train widget: trainings of seconds, in processes of their own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from napari_gradnet.bundle import read_header
from napari_gradnet.widgets import (
    _models,
    _train_keep,
    _train_process,
    _train_session,
    _work,
)
from napari_gradnet.widgets._train_form import (
    CLEAN_FOLDER,
    CLEAN_LAYER,
    PAIR_FOLDERS,
    PAIR_LAYERS,
)
from napari_gradnet.widgets._train_history import Curve
from napari_gradnet.widgets._train_session import current_session
from napari_gradnet.widgets.denoise import DenoiseWidget
from napari_gradnet.widgets.train import TrainWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

#: Generous: processes start slowly on busy machines.
TIMEOUT = 300_000
TINY = {
    "name": "tiny",
    "network": {
        "name": "dncnn",
        "in_channels": 1,
        "num_features": 8,
        "depth": 4,
        "batch_norm": False,
    },
    "data": {
        "train": [{"clean": "x", "noise": {"kind": "gaussian", "sigma": 25}}],
        "validation": {"crop": 32},
    },
    "training": {
        "batch_size": 4,
        "patch_size": 16,
        "schedule": "cosine",
        "learning_rate": 3e-3,
    },
}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's models folder, for this test alone."""
    folder = tmp_path / "models"
    for module in (_models, _train_keep, _work):
        monkeypatch.setattr(module, "models_folder", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def no_training_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End what a test has started, which does not step back behind other programs."""
    monkeypatch.setattr(_train_process, "_STEP_BACK", 0)
    yield
    session = current_session()
    if session is not None and session._process is not None:
        session._process.kill()
        session._process.waitForFinished()
    _train_session._sessions.clear()


@pytest.fixture
def cells(viewer: ViewerModel, grey_photo: NDArray[Any]) -> ViewerModel:
    """A viewer with a noisy and a clean stack of eight small planes."""
    clean = np.stack([grey_photo[k : k + 48, 2 * k : 2 * k + 48] for k in range(8)])
    noise = np.random.default_rng(0).normal(0, 0.1, clean.shape)
    viewer.add_image((1000 * clean).astype(np.uint16), name="clean")
    noisy = np.clip(1000 * (clean + noise), 0, None).astype(np.uint16)
    viewer.add_image(noisy, name="noisy")
    return viewer


def open_widget(
    qtbot: QtBot, viewer: ViewerModel, folder: Path, minutes: float = 0.05
) -> TrainWidget:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    recipe = folder / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(TINY))
    widget.form.open_recipe(recipe)
    widget.form.minutes.setValue(minutes)
    return widget


def start(qtbot: QtBot, widget: TrainWidget) -> _train_session.TrainingSession:
    widget.start_button.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=TIMEOUT)
    session = current_session()
    assert session is not None
    return session


def wait_for(
    qtbot: QtBot, session: _train_session.TrainingSession, *states: str
) -> None:
    qtbot.waitUntil(lambda: session.state in (*states, "failed"), timeout=TIMEOUT)
    assert session.state in states, session.message


def wait_for_picture(qtbot: QtBot, widget: TrainWidget) -> None:
    history = widget.monitor.session.history
    qtbot.waitUntil(lambda: history.picture is not None, timeout=TIMEOUT)


def test_a_pair_of_layers_becomes_a_model_in_the_denoise_list(
    qtbot: QtBot, cells: ViewerModel, models: Path, tmp_path: Path
) -> None:
    denoise = DenoiseWidget(cells)
    qtbot.addWidget(denoise)
    qtbot.waitUntil(lambda: not denoise.scout.running, timeout=TIMEOUT)
    widget = open_widget(qtbot, cells, tmp_path)
    assert widget.form.images.currentText() == PAIR_LAYERS
    assert widget.form.noisy_layer.layer.name == "noisy"
    assert widget.form.clean_layer.layer.name == "clean"
    widget.form.name.setText("my cells")
    session = start(qtbot, widget)
    assert widget.pages.currentIndex() == 1
    wait_for(qtbot, session, "finished")
    header = read_header(models / "my-cells.safetensors")
    assert header.network.num_features == 8
    assert header.training["steps"] >= len(session.history.loss.points) > 0
    best, noisy = session.history.best_psnr, session.history.noisy_psnr
    assert best == pytest.approx(header.training["validation_psnr"], abs=1e-3)
    assert f"{noisy:.2f} dB noisy, {best:.2f} dB denoised" in session.message
    assert widget.monitor.title.text() == "my-cells is ready"
    assert not widget.monitor.pause_button.isEnabled()
    path = str(models / "my-cells.safetensors")
    qtbot.waitUntil(lambda: denoise.models.box.findData(path) >= 0, timeout=TIMEOUT)
    # it is measured on what the noisy layer says is black and white
    config = yaml.safe_load((session.folder / "config.yaml").read_text())
    assert config["data"]["train"][0]["intensity"] == "dtype"
    assert config["data"]["train"][0]["noisy"] == [
        str(models / "runs" / "my-cells" / "images" / "noisy")
    ]
    assert session.command().startswith(f"gradnet train {session.folder}/config.yaml")
    exec(session.python_script(), names := {})  # type: ignore[var-annotated]
    assert names["model"].name == "my-cells.safetensors"


def test_pause_close_reopen_resume_and_keep_the_best(
    qtbot: QtBot, cells: ViewerModel, models: Path, tmp_path: Path
) -> None:
    widget = open_widget(qtbot, cells, tmp_path, minutes=60)
    session = start(qtbot, widget)
    assert session.state == "starting"
    wait_for_picture(qtbot, widget)
    widget.close()
    widget.deleteLater()
    # it goes on, and another widget shows it
    with qtbot.waitSignal(session.measured, timeout=TIMEOUT):
        pass
    again = open_widget(qtbot, cells, tmp_path)
    assert again.pages.currentIndex() == 1
    assert again.monitor.session is session
    assert len(again.monitor.psnr.points) >= 1
    assert again.monitor.psnr.reference == session.history.noisy_psnr
    again.monitor.in_viewer.setChecked(True)
    preview = cells.layers["my-model: noisy, denoised, clean"]
    assert preview.data.shape == (32, 96)
    again.start_button.click()  # on the other page: refused while one runs
    assert current_session() is session
    again.monitor.pause_button.click()
    assert not again.monitor.pause_button.isEnabled()
    wait_for(qtbot, session, "paused")
    assert "Paused after step" in session.message
    steps = session.history.loss.points[-1][0]
    assert again.monitor.pause_button.text() == "Resume"
    again.monitor.pause_button.click()
    qtbot.waitUntil(lambda: session.history.loss.points[-1][0] > steps, timeout=TIMEOUT)
    again.monitor.stop_button.click()
    wait_for(qtbot, session, "finished")
    header = read_header(models / "my-model.safetensors")
    assert header.training["steps"] > steps
    assert header.training["validation_psnr"] == pytest.approx(
        session.history.best_psnr, abs=1e-3
    )


def test_resume_from_a_run_folder(
    qtbot: QtBot, cells: ViewerModel, models: Path, tmp_path: Path, messages: list[str]
) -> None:
    widget = open_widget(qtbot, cells, tmp_path, minutes=60)
    session = start(qtbot, widget)
    wait_for_picture(qtbot, widget)
    session.shut_down()  # as at the end of napari
    wait_for(qtbot, session, "paused")
    _train_session._sessions.clear()
    fresh = open_widget(qtbot, cells, tmp_path)
    assert fresh.pages.currentIndex() == 0
    fresh.resume(tmp_path)
    assert "holds no training to resume" in messages[-1]
    fresh.resume(session.folder)
    now = current_session()
    assert now is not None
    assert now is not session
    # the curve of before is there at once
    assert now.history.psnr.points[0] == pytest.approx(
        session.history.psnr.points[0], abs=1e-3
    )
    wait_for(qtbot, now, "running")
    now.finish()
    wait_for(qtbot, now, "finished")
    assert (models / "my-model.safetensors").exists()


def test_estimate_says_it_in_a_sentence_and_leaves_nothing(
    qtbot: QtBot, cells: ViewerModel, models: Path, tmp_path: Path
) -> None:
    widget = open_widget(qtbot, cells, tmp_path)
    widget.form.images.setCurrentText(CLEAN_LAYER)
    widget.estimate_button.click()
    assert not widget.start_button.isEnabled()
    folder = widget._folder
    qtbot.waitUntil(lambda: widget.start_button.isEnabled(), timeout=TIMEOUT)
    text = widget.status.text()
    assert text.startswith("6 images to train on, 2 held out. A step takes")
    assert "MB of memory" in text
    assert not folder.exists()
    assert not (models / "runs").exists()
    assert current_session() is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (PAIR_FOLDERS, "no folder of clean images"),
        (CLEAN_FOLDER, "no folder of clean images"),
        (CLEAN_LAYER, "there is no image layer"),
    ],
)
def test_what_is_missing_is_told(
    qtbot: QtBot,
    viewer: ViewerModel,
    models: Path,
    tmp_path: Path,
    messages: list[str],
    images: str,
    message: str,
) -> None:
    widget = open_widget(qtbot, viewer, tmp_path)
    widget.form.images.setCurrentText(images)
    widget.start()
    assert message in messages[-1]
    assert widget.start_button.isEnabled()
    assert not models.exists()


def test_errors_leave_no_run_folder_and_a_usable_form(
    qtbot: QtBot, cells: ViewerModel, models: Path, tmp_path: Path, messages: list[str]
) -> None:
    cells.layers["noisy"].data = np.zeros((3, 48, 48))
    widget = open_widget(qtbot, cells, tmp_path)
    widget.start()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=TIMEOUT)
    assert "two layers of the same scene" in messages[-1]
    assert widget.start_button.isEnabled()
    assert list((models / "runs").iterdir()) == []
    # what only the training finds out is told on its page, and can be left
    widget.form.images.setCurrentText(CLEAN_LAYER)
    widget.form.devices.addItem("none such", "cuda:77")
    widget.form.devices.setCurrentIndex(widget.form.devices.count() - 1)
    session = start(qtbot, widget)
    qtbot.waitUntil(lambda: session.state == "failed", timeout=TIMEOUT)
    assert "cuda:77" in session.message
    widget.monitor.back_button.click()
    assert widget.pages.currentIndex() == 0


def test_fine_tuning_in_the_window(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    grey_model: Path,
    models: Path,
    tmp_path: Path,
    grey_photo: NDArray[Any],
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image((255 * grey_photo[:96, :96]).astype(np.uint8), name="photo")
    _, widget = viewer.window.add_plugin_dock_widget("napari-gradnet", "Train")
    qtbot.waitUntil(lambda: not widget.scout.running, timeout=TIMEOUT)
    form = widget.form
    form.starts.addItem("grey", str(grey_model))
    form.starts.setCurrentText("grey")
    form.images.setCurrentText(CLEAN_LAYER)
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(TINY))
    form.open_recipe(recipe)
    form.minutes.setValue(60)
    session = start(qtbot, widget)
    wait_for(qtbot, session, "running")
    config = yaml.safe_load((session.folder / "config.yaml").read_text())
    assert config["network"]["name"] == "dn-resnet"
    assert config["init"] == str(grey_model)
    viewer.close()
    session.shut_down()
    wait_for(qtbot, session, "paused")
    assert (session.folder / "last.pt").exists()


def test_models_are_never_replaced(models: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "m.safetensors", tmp_path / "b" / "m.safetensors"
    for path in (first, second):
        path.parent.mkdir()
        path.write_text(path.parent.name)
    assert _train_keep.keep_model(first).name == "m.safetensors"
    assert _train_keep.keep_model(second).name == "m-2.safetensors"
    assert _train_keep.keep_model(first).name == "m.safetensors"
    assert {p.name for p in models.iterdir()} == {"m.safetensors", "m-2.safetensors"}


def test_curves_keep_their_shape_in_few_points() -> None:
    curve = Curve()
    for step in range(100_000):
        curve.add(step, step / 1000)
    assert 256 <= len(curve.points) <= 512
    for x, y in curve.points:
        assert y == pytest.approx(x / 1000, abs=0.3)


def test_a_process_that_dies_is_told(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"event": "Started", "message": "x", "skipped": [], "warnings": []}, 7]
    code = "".join(f"print({json.dumps(json.dumps(line))})\n" for line in lines)
    monkeypatch.setattr(
        _train_process, "_GRADNET", code + "print('no json'); raise SystemExit('boom')"
    )
    session = _train_session.open_session(tmp_path, "x")
    session.start()
    qtbot.waitUntil(lambda: not session.active, timeout=TIMEOUT)
    assert (session.state, session.message) == ("failed", "boom")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    session.start()
    qtbot.waitUntil(lambda: not session.active, timeout=TIMEOUT)
    assert "cannot be started" in session.message

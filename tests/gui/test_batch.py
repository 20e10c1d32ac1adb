"""The Batch widget on viewers without a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QGuiApplication
from tests.gui.conftest import TIMEOUT
from tests.tiny_models import package_only

from napari_gradnet import api
from napari_gradnet.batch.events import FileEvent
from napari_gradnet.inference import models
from napari_gradnet.widgets._batch_table import FileTable
from napari_gradnet.widgets.batch import BatchWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Three stacks, and a file that is none."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in "abc":
        stack = rng.integers(100, 4000, (2, 40, 48)).astype(np.uint16)
        tifffile.imwrite(raw / f"{name}.tif", stack, imagej=True)
    (raw / "broken.tif").write_bytes(b"no image at all")
    return raw


@pytest.fixture
def widget(
    qtbot: QtBot,
    viewer: ViewerModel,
    grey_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> BatchWidget:
    monkeypatch.setattr(models, "AUTO_GRAY", ("grey",))
    package_only(monkeypatch, tmp_path / "packaged", grey=grey_model)
    made = BatchWidget(viewer)
    qtbot.addWidget(made)
    made.form.method.setCurrentIndex(0)
    made.form.workers.setValue(1)
    qtbot.waitUntil(lambda: not made.scout.running, timeout=TIMEOUT)
    return made


def run(qtbot: QtBot, widget: BatchWidget) -> None:
    button = widget.bar.buttons["Run"]
    with qtbot.waitSignal(widget.job.ended, timeout=TIMEOUT):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert button.isEnabled()


def test_a_folder_is_denoised_and_a_bad_file_is_told(
    qtbot: QtBot, widget: BatchWidget, folder: Path, messages: list[str]
) -> None:
    widget.form.inputs.add([folder])
    assert widget.form.output.text() == str(folder / "denoised")
    run(qtbot, widget)
    assert widget.table.states() == {
        "a.tif": "done",
        "b.tif": "done",
        "broken.tif": "failed",
        "c.tif": "done",
    }
    assert "1 of 4 files failed (broken.tif)" in messages[-1]
    assert widget.bar.status.text().startswith("3 done, 0 done before, 1 failed")
    log = widget.log.toPlainText().splitlines()
    assert sum(line.startswith("done: ") for line in log) == 3
    (failed,) = [line for line in log if line.startswith("FAILED")]
    assert failed.count("broken.tif") == 1
    for name in "abc":
        alone = folder.parent / f"{name}.tif"
        api.denoise_file(folder / f"{name}.tif", alone, "grey", device="cpu")
        result = tifffile.imread(folder / "denoised" / f"{name}.tif")
        np.testing.assert_array_equal(result, tifffile.imread(alone))
    # the same again has nothing left to do
    before = (folder / "denoised" / "a.tif").stat().st_mtime_ns
    run(qtbot, widget)
    assert widget.table.states()["a.tif"] == "done before"
    assert (folder / "denoised" / "a.tif").stat().st_mtime_ns == before
    # unless it is to begin anew
    widget.form.restart.setChecked(True)
    widget.form.overwrite.setChecked(True)
    run(qtbot, widget)
    assert widget.table.states()["a.tif"] == "done"
    assert (folder / "denoised" / "a.tif").stat().st_mtime_ns > before
    # that was for this run: a stop goes on with what is missing
    assert not widget.form.restart.isChecked()


def test_cancel_and_go_on(
    qtbot: QtBot, widget: BatchWidget, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget.form.inputs.add([folder])

    def cancel(event: Any) -> None:
        if isinstance(event, FileEvent) and event.state == "done":
            widget.bar.cancel_button.click()

    widget.job.progressed.connect(cancel)
    run(qtbot, widget)
    widget.job.progressed.disconnect(cancel)
    assert "Run goes on with what is missing" in widget.bar.status.text()
    states = widget.table.states()
    done = [name for name, state in states.items() if state == "done"]
    assert done
    assert "stopped" in states.values()
    run(qtbot, widget)
    assert {widget.table.states()[name] for name in done} == {"done before"}
    assert widget.table.states()["c.tif"] in ("done", "done before")
    assert len(list((folder / "denoised").glob("[abc].tif"))) == 3


def test_a_naive_method_and_its_options(
    qtbot: QtBot, widget: BatchWidget, folder: Path
) -> None:
    form = widget.form
    widget.show()
    form.method.setCurrentText("median")
    assert not form.models.isVisible()
    assert form.strength.isVisible()
    form.strength.setValue(1.5)
    form.inputs.add([folder / "a.tif"])
    form.output.setText(str(folder.parent / "out"))
    assert form.settings().changed() == {
        "naive": "median",
        "sigma_factor": 1.5,
        "workers": 1,
    }
    run(qtbot, widget)
    source = tifffile.imread(folder / "a.tif")
    expected = api.naive_denoise(source, "median", sigma_factor=1.5, axes="ZYX")
    result = tifffile.imread(folder.parent / "out" / "a.tif")
    np.testing.assert_array_equal(result, expected)
    form.method.setCurrentIndex(0)
    assert form.models.isVisible()
    assert "naive" not in form.settings().changed()


def test_what_is_missing_or_wrong_is_told(
    qtbot: QtBot, widget: BatchWidget, folder: Path, messages: list[str]
) -> None:
    widget.run()
    assert "add files or a folder" in messages[-1]
    widget.copy_command()
    assert "add files or a folder" in messages[-1]
    widget.form.inputs.add([folder / "missing.tif"])
    widget.form.output.clear()
    widget.run()
    assert "folder for the results is missing" in messages[-1]
    widget.form.output.setText(str(folder / "out"))
    run(qtbot, widget)
    assert "missing.tif does not exist" in messages[-1]
    assert widget.bar.status.text() == "Failed: see the notification."
    widget.form.inputs.list.selectAll()
    widget.form.inputs.remove()
    widget.form.inputs.add([folder / "a.tif"])
    widget.form.axes.setText("qqq")
    run(qtbot, widget)
    assert widget.table.states() == {"a.tif": "failed"}
    assert "repeats a letter" in widget.log.toPlainText()


def test_files_are_dropped_and_removed(widget: BatchWidget, folder: Path) -> None:
    data = QMimeData()
    names = [folder / "a.tif", folder / "b.tif", folder / "a.tif"]
    data.setUrls([QUrl.fromLocalFile(str(name)) for name in names])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    inputs = widget.form.inputs
    inputs.list.dropEvent(event)
    assert inputs.paths == (str(names[0]), str(names[1]))
    assert widget.form.output.text() == str(folder / "denoised")
    inputs.list.item(0).setSelected(True)
    inputs.remove()
    assert inputs.paths == (str(names[1]),)
    inputs.list.clearSelection()
    assert not inputs.remove_button.isEnabled()
    inputs.remove()
    assert inputs.paths == (str(names[1]),)
    inputs.list.selectAll()
    inputs.remove()
    assert inputs.paths == ()


def test_the_folder_for_results_follows_the_files(
    widget: BatchWidget, folder: Path
) -> None:
    form = widget.form
    form.inputs.add([folder])
    form.inputs.list.selectAll()
    form.inputs.remove()
    assert form.output.text() == ""
    other = folder.parent / "other"
    other.mkdir()
    form.inputs.add([other])
    assert form.output.text() == str(other / "denoised")
    form.output.setText("elsewhere")  # a person
    form.inputs.add([folder])
    form.inputs.list.selectAll()
    form.inputs.remove()
    assert form.output.text() == "elsewhere"


def test_scripts_are_copied(widget: BatchWidget, folder: Path) -> None:
    widget.form.inputs.add([folder])
    widget.copy_command()
    text = QGuiApplication.clipboard().text()
    assert text == f"gradnet batch {folder} -o {folder / 'denoised'} --workers 1"
    widget.copy_python()
    assert "workers=1)" in QGuiApplication.clipboard().text()


def test_the_copied_script_does_the_same(
    qtbot: QtBot, widget: BatchWidget, folder: Path
) -> None:
    (folder / "broken.tif").unlink()
    widget.form.method.setCurrentText("gaussian")
    widget.form.inputs.add([folder])
    run(qtbot, widget)
    made = {p.name: p.read_bytes() for p in (folder / "denoised").glob("*.tif")}
    assert len(made) == 3
    widget.form.output.setText(str(folder.parent / "again"))
    exec(widget.form.settings().python_script(), {})
    for name, content in made.items():
        assert (folder.parent / "again" / name).read_bytes() == content


def test_table_shows_shares_and_time_left(qtbot: QtBot) -> None:
    table = FileTable()
    qtbot.addWidget(table)
    paths = [Path("in/a.tif"), Path("in/b.tif")]

    def tell(number: int, state: Any, **values: Any) -> None:
        path = paths[number - 1]
        table.show_event(FileEvent(path, path, state, number, 2, **values))

    tell(1, "queued")
    tell(2, "queued")
    assert table.states() == {"a.tif": "waiting", "b.tif": "waiting"}
    tell(1, "progress", done=1, total=4, seconds=10.0)
    assert table.item(0, 1).text() == "25%"
    assert table.item(0, 2).text() == "30 s"
    tell(2, "progress", done=1, total=2, seconds=1.0)
    assert table.share == 0.75
    tell(2, "failed", message="why")
    assert table.share == 1.25
    assert table.item(1, 1).toolTip() == "why"
    assert table.item(1, 2).text() == ""
    table.stop()
    assert table.states() == {"a.tif": "stopped", "b.tif": "failed"}
    table.begin()
    assert table.rowCount() == 0
    assert table.share == 0


def test_closing_the_widget_ends_the_work(
    qtbot: QtBot, viewer: ViewerModel, folder: Path
) -> None:
    from qtpy.QtCore import QThreadPool

    widget = BatchWidget(viewer)
    widget.form.method.setCurrentText("gaussian")
    widget.form.inputs.add([folder])
    with qtbot.waitSignal(widget.job.progressed, timeout=TIMEOUT):
        widget.run()
    with qtbot.waitSignal(widget.destroyed, timeout=TIMEOUT):
        widget.deleteLater()
    del widget
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT)
    assert not list((folder / "denoised").glob("*.part"))


@pytest.mark.parametrize("running", [False, True])
def test_progress_does_not_speak_over_the_end_or_cancel(
    widget: BatchWidget, folder: Path, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    def show(_: Any) -> None:
        widget.bar.cancel_button.setEnabled(False)
        widget.bar.status.setText("the last word")
        monkeypatch.setattr(widget.job, "_worker", object() if running else None)

    # napari's Activity panel lets Qt work while it is updated
    monkeypatch.setattr(widget.job, "_worker", object())
    monkeypatch.setattr(widget.bar, "show_progress", show)
    widget.bar.cancel_button.setEnabled(True)
    widget._on_event(FileEvent(folder / "a.tif", folder / "b.tif", "done", 1, 2))
    monkeypatch.setattr(widget.job, "_worker", None)
    assert widget.bar.status.text() == "the last word"
    assert "a.tif" in widget.log.toPlainText()

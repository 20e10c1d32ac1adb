"""The methods that are listed, when models and layers come and go; failures."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.comparing import press
from tests.gui.conftest import TIMEOUT
from tests.tiny_models import package_only

from napari_gradnet.widgets import _compare_methods, _compare_work
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets._models import models_changed

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from pytestqt.qtbot import QtBot
    from tests.gui.comparing import Layers

    from napari_gradnet.widgets.compare import CompareWidget


@pytest.fixture
def folder(tmp_path: Path, grey_model: Path) -> Path:
    """The user's models: one that is called as a naive method."""
    made = tmp_path / "own"
    made.mkdir()
    shutil.copy(grey_model, made / "median.safetensors")
    return made


@pytest.fixture
def tab(
    qtbot: QtBot,
    widget: CompareWidget,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The tab, with what is called "median" ticked."""
    package_only(monkeypatch, tmp_path / "packaged")
    monkeypatch.setattr(_compare_methods, "models_folder", lambda: folder)
    widget.tabs.setCurrentWidget(widget.methods)
    wait(qtbot, widget.methods)
    for row, candidate in enumerate(widget.methods.candidates):
        if candidate.label != "median":
            widget.methods.table.item(row, 0).setCheckState(Qt.CheckState.Unchecked)
    return widget.methods


def wait(qtbot: QtBot, tab: Any) -> None:
    qtbot.waitUntil(lambda: not tab.scout.running, timeout=TIMEOUT)


def labels(tab: Any) -> list[str]:
    return [candidate.label for candidate in tab.candidates]


def ticked(tab: Any) -> list[str]:
    return [x for row, x in enumerate(labels(tab)) if tab._is_ticked(row)]


def test_a_model_may_be_called_as_a_method(
    qtbot: QtBot, tab: Any, viewer: ViewerModel
) -> None:
    press(qtbot, tab)
    rows = [row for row, label in enumerate(labels(tab)) if label == "median"]
    assert len(rows) == 2
    kinds = []
    for row in rows:
        assert not tab.table.item(row, 1).icon().isNull()
        tab.table.setCurrentCell(row, 0)
        tab.add_button.click()
        record = viewer.layers[-1].metadata[METADATA_KEY]
        kinds.append("method" in record)
    assert kinds == [False, True]


def test_rows_stay_while_methods_are_tried(
    qtbot: QtBot, tab: Any, widget: CompareWidget, viewer: ViewerModel
) -> None:
    viewer.add_image(np.zeros((60, 70, 3), np.uint8), rgb=True, name="photo")
    before = labels(tab)
    with qtbot.waitSignal(tab.job.ended, timeout=TIMEOUT):
        tab.start()
        widget.before.set_layer(viewer.layers["photo"])
        models_changed()
        assert not tab.scout.running
        assert labels(tab) == before
    assert len(tab.trials) == 2
    assert tab.scout.running  # now they follow
    wait(qtbot, tab)
    assert len(tab.trials) == 2


def test_new_models_are_listed_and_the_rest_stays(
    qtbot: QtBot, tab: Any, folder: Path
) -> None:
    press(qtbot, tab)
    shutil.copy(folder / "median.safetensors", folder / "new.safetensors")
    models_changed()
    wait(qtbot, tab)
    assert "new" in labels(tab)
    assert sorted(ticked(tab)) == ["median", "median", "new"]
    row = labels(tab).index("median")
    assert not tab.table.item(row, 1).icon().isNull()
    (folder / "new.safetensors").unlink()
    tab.chosen.tabs.setCurrentIndex(0)
    tab.chosen.tabs.setCurrentWidget(tab)  # a file that somebody deleted
    wait(qtbot, tab)
    assert "new" not in labels(tab)


def test_results_are_shown_where_psnr_cannot_be_measured(
    qtbot: QtBot, tab: Any, widget: CompareWidget, viewer: ViewerModel, layers: Layers
) -> None:
    broken = layers[0].data.astype(float)
    broken[:, 50, 40] = np.nan
    reference = viewer.add_image(broken, name="broken", contrast_limits=(0, 9))
    widget.reference.set_layer(reference)
    press(qtbot, tab)
    row = labels(tab).index("median")
    assert not tab.table.item(row, 1).icon().isNull()
    assert tab.table.item(row, 3).text() == "none"
    assert "NaN" in tab.table.item(row, 3).toolTip()


def test_any_failure_is_that_of_one_method(
    qtbot: QtBot, tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = _compare_work._prepare

    def fail(*given: Any) -> Any:
        if given[3].kind == "model":
            msg = "CUDA out of memory"
            raise RuntimeError(msg)
        return prepare(*given)

    monkeypatch.setattr(_compare_work, "_prepare", fail)
    press(qtbot, tab)
    first, second = (r for r, label in enumerate(labels(tab)) if label == "median")
    assert tab.table.item(first, 1).toolTip() == "RuntimeError: CUDA out of memory"
    assert not tab.table.item(second, 1).icon().isNull()
    assert "1 failed" in tab.bar.status.text()

"""Commands of the menus, and scripts, that leave the form aside."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from napari.layers._source import layer_source
from qtpy.QtWidgets import QComboBox

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets import _commands, denoise
from napari_gradnet.widgets._layers import METADATA_KEY
from napari_gradnet.widgets._task import VIEW, WHOLE

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot


def test_the_active_layer_is_denoised_whole(
    qtbot: QtBot,
    viewer: ViewerModel,
    stack: NDArray[Any],
    monkeypatch: pytest.MonkeyPatch,
    messages: list[str],
) -> None:
    layer = viewer.add_image(stack)
    scope = QComboBox()
    qtbot.addWidget(scope)
    scope.addItems([WHOLE, VIEW])
    scope.setCurrentText(VIEW)
    done: list[Any] = []

    def choose(chosen: Any) -> bool:
        if chosen is layer:
            done.append(chosen)
        return chosen is layer

    form = SimpleNamespace(
        layers=SimpleNamespace(set_layer=choose),
        scope=scope,
        run=lambda: done.append(scope.currentText()),
    )
    window = SimpleNamespace(add_plugin_dock_widget=lambda *_: (None, form))
    shown = SimpleNamespace(layers=viewer.layers, window=window)
    monkeypatch.setattr(_commands, "current_viewer", lambda: shown)
    _commands.denoise_active_layer()
    assert done == [layer, WHOLE]
    # what the form does not offer is told, and nothing else is denoised instead
    viewer.add_image(stack, metadata={METADATA_KEY: {"preview": True}})
    _commands.denoise_active_layer()
    assert done == [layer, WHOLE]
    assert "a preview cannot be denoised" in messages[-1]


def test_files_that_gradnet_does_not_read_are_left_to_the_viewer(
    qtbot: QtBot,
    viewer: ViewerModel,
    stack: NDArray[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(denoise, "Scout", lambda *_: None)
    with layer_source(path="cells.npy"):
        viewer.add_image(stack, name="cells")
    widget = denoise.DenoiseWidget(viewer)
    qtbot.addWidget(widget)
    script = widget.python_script()
    assert "layers['cells']" in script
    assert "npy" not in script
    with pytest.raises(GradNetError, match="whole files of TIFF, PNG and JPEG"):
        widget.command()


def test_a_stack_of_files_is_no_file(
    qtbot: QtBot,
    viewer: ViewerModel,
    stack: NDArray[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(denoise, "Scout", lambda *_: None)
    first = tmp_path / "first.tif"
    tifffile.imwrite(first, stack[0])
    with layer_source(path=str(first)):  # as napari has it for a stack of files
        viewer.add_image(stack, name="all of them")
    widget = denoise.DenoiseWidget(viewer)
    qtbot.addWidget(widget)
    assert "layers['all of them']" in widget.python_script()
    with pytest.raises(GradNetError, match=r"other pixels than first\.tif"):
        widget.command()
    with layer_source(path=str(first)):
        one = viewer.add_image(stack[:1], name="one")  # some readers keep dimensions
    widget.layers.set_layer(one)
    assert str(first) in widget.command()
    assert str(first) in widget.python_script()


def test_a_script_repeats_what_the_form_does(
    qtbot: QtBot,
    viewer: ViewerModel,
    stack: NDArray[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Channels of a file have ranges of their own; labels may say something else."""
    monkeypatch.setattr(denoise, "Scout", lambda *_: None)
    path = tmp_path / "channels.ome.tif"
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "CYX"})
    with layer_source(path=str(path)):
        viewer.add_image(stack, name="plain")
        named = viewer.add_image(stack, name="named", axis_labels=("t", "y", "x"))
    widget = denoise.DenoiseWidget(viewer)
    qtbot.addWidget(widget)
    widget.layers.set_layer(viewer.layers["plain"])
    assert widget.options().axes == "CYX"
    assert "axes" not in widget.command()
    widget.layers.set_layer(named)
    assert "--axes TYX" in widget.command()
    assert "axes='TYX'" in widget.python_script()
    # the pixels of the layer may be others by now
    named.data = named.data + np.uint16(1)
    assert "layers['named']" in widget.python_script()
    with pytest.raises(GradNetError, match="other pixels"):
        widget.command()


def test_new_names_of_layers_are_shown(
    qtbot: QtBot,
    viewer: ViewerModel,
    stack: NDArray[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(denoise, "Scout", lambda *_: None)
    layer = viewer.add_image(stack, name="raw")
    widget = denoise.DenoiseWidget(viewer)
    qtbot.addWidget(widget)
    layer.name = "old raw"
    assert widget.layers.currentText() == "old raw"

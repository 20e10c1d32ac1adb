"""What the tests of the Compare widget share: its three layers, and its buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.gui.conftest import TIMEOUT

if TYPE_CHECKING:
    from napari.layers import Image
    from pytestqt.qtbot import QtBot

#: Clean, noisy and blurred.
Layers = tuple["Image", "Image", "Image"]


def press(qtbot: QtBot, tab: Any) -> None:
    """Press the only button of a tab, and wait for its work to end."""
    (button,) = tab.bar.buttons.values()
    with qtbot.waitSignal(tab.job.ended, timeout=TIMEOUT):
        button.click()
    assert button.isEnabled()

"""Choice of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox

from napari_gradnet.widgets._fields import narrow
from napari_gradnet.widgets._preferences import (
    read_preference,
    watch_preference,
    write_preference,
)

if TYPE_CHECKING:
    from napari_gradnet.widgets._work import Inventory

__all__ = ["DeviceBox"]


class DeviceBox(QComboBox):
    """Devices of this machine, by name; the choice is a preference."""

    def __init__(self) -> None:
        super().__init__()
        narrow(self)
        self.addItem("automatic", "auto")
        self._offered = ""
        self._offer(str(read_preference("compute", "device")))
        watch_preference(self, "compute", "device", self.set_device)
        self.activated.connect(self._on_activated)

    @property
    def device(self) -> str:
        """Name of the device."""
        name: str = self.currentData()
        return name

    def set_device(self, device: str) -> None:
        """Choose a device that is there, or as soon as it is known to be."""
        self._wanted = "cuda:0" if device == "cuda" else device
        if (index := self.findData(self._wanted)) >= 0:
            self.setCurrentIndex(index)

    def _offer(self, device: str) -> None:
        """Choose the preferred device before it is known whether it is there."""
        self.set_device(device)
        if self.findData(self._wanted) < 0:
            self._offered = self._wanted
            self.addItem(self._wanted, self._wanted)
            self.set_device(device)

    def set_inventory(self, inventory: Inventory) -> None:
        """List the devices; the first is what ``automatic`` takes."""
        if self._offered:  # it comes back in its place, and with its name
            self.setCurrentIndex(0)
            self.removeItem(self.findData(self._offered))
            self._offered = ""
        for number, (name, text) in enumerate(inventory.devices.items()):
            if number == 0:
                self.setItemText(0, f"automatic: {text}")
            if self.findData(name) < 0:
                self.addItem(text, name)
        self.set_device(self._wanted)

    def _on_activated(self, _: int) -> None:
        # only what a person chose, and only in a form: a script stays without effect
        write_preference("compute", "device", self.device)

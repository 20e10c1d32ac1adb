"""What the lines of a journal say of each output."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Entries", "Entry"]

logger = logging.getLogger(__name__)


@dataclass
class Entry:
    """What the journal knows of one output.

    Parameters
    ----------
    state : {"started", "finishing", "done", "failed"}
    fingerprint : dict
        What the output depends on: see `Job.fingerprint`.
    units : dict of str to str
        Finished units and their checksums, while the output is not done.
    replaces : bool
        Whether this batch had made what stood under the output's name at the start.
    outdated : bool
        Whether all of it is to be begun anew.
    receipt : str
        Name of a file that stands beside the output from before that is written.
    source : str
        The input, for messages.
    figures : dict
        What the report tells of a done output.
    """

    state: str
    fingerprint: dict[str, Any]
    units: dict[str, str] = field(default_factory=dict)
    replaces: bool = False
    outdated: bool = False
    receipt: str = ""
    source: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def owns(self, output: Path) -> bool:
        """Whether this batch has made what stands under the output's name."""
        if self.replaces or self.state == "done":
            return True
        if self.receipt:
            return output.with_name(self.receipt).exists()
        return self.state == "finishing"


class Entries:
    """What a journal knows, by the name of the output.

    Attributes
    ----------
    shared : dict
        What inputs and options have in common, which is written once: hash to values.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.shared: dict[str, dict[str, Any]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def get(self, name: str) -> Entry | None:
        """What is known of an output."""
        return self._entries.get(name)

    def load(self, path: Path) -> int:
        """Read all lines of a journal; the number of bytes that are whole lines.

        Raises
        ------
        InputError
            The file is no journal.
        """
        if not path.exists():
            return 0
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        if lines and b'"gradnet_journal"' not in lines[0]:
            msg = f"{path} is no journal of a batch: move it out of the way"
            raise InputError(msg)
        for line in lines:
            try:
                values = json.loads(line)
                self.take(values)
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                logger.warning("%s: a damaged line is left out", path)
        return whole

    def take(self, line: Mapping[str, Any]) -> None:
        """Take note of a line.

        Raises
        ------
        LookupError
            It goes on with what no line has begun.
        """
        if "shared" in line:
            self.shared[line["shared"]] = line["values"]
        if "file" not in line:
            return
        name, state = line["file"], line["state"]
        if state == "started":
            shared = self.shared[line["options"]]
            entry = Entry(state, {**line["own"], **shared})
            entry.replaces = line.get("replaces", False)
            entry.source = line.get("source", "")
            if line.get("again"):
                entry.units = self._entries[name].units
            self._entries[name] = entry
        elif state == "forgotten":
            self._entries.pop(name, None)
        elif state == "outdated":
            self._entries[name].outdated = True
        elif state == "unit":
            self._entries[name].units[line["unit"]] = line["checksum"]
        else:
            entry = self._entries[name]
            entry.state = state
            entry.receipt = line.get("receipt", entry.receipt)
            if state == "done":
                entry.units.clear()
                entry.figures = line.get("figures", {})

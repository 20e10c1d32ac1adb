"""What an unfinished volume must remember: kept in a hidden folder beside it."""

from __future__ import annotations

import json
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.batch.identity import differences
from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import short_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["VolumeState"]

_FORMAT = 1


class VolumeState:
    """The hidden folder of one output.

    It lies beside the unfinished output, not in it, so that the output can be renamed
    whole and this folder be removed after that.

    Parameters
    ----------
    output : Path
        The final name.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(f".{short_name(output.name)}.gradnet-state")

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"

    @property
    def _marker(self) -> Path:
        return self.folder / "renaming"

    def exists(self) -> bool:
        """Whether `save` was called for the output."""
        return self._file.exists()

    def load(self, fingerprint: Mapping[str, Any]) -> dict[str, Any] | None:
        """What `save` stored, or None where there is nothing.

        Raises
        ------
        FileFormatError
            It was stored by work with another fingerprint.
        """
        try:
            stored = json.loads(self._file.read_text())
            before, settled = stored["fingerprint"], stored["settled"]
            known = stored["format"] == _FORMAT
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{self._file} cannot be read ({error}): remove {self.folder}"
            raise FileFormatError(msg) from error
        # through JSON, so that tuples and lists are alike
        now = json.loads(json.dumps(fingerprint))
        if known and before == now:
            return settled
        changed = differences(before, now)
        what = "; ".join(f"{name} {how}" for name, how in list(changed.items())[:3])
        msg = (
            f"{self.output} was begun with another input or other options ({what}): "
            f"finish it with those, or discard it by removing {self.folder}"
        )
        raise FileFormatError(msg)

    def save(self, fingerprint: Mapping[str, Any], settled: Mapping[str, Any]) -> None:
        """Store, all at once."""
        self.folder.mkdir(exist_ok=True)
        stored = {"format": _FORMAT, "fingerprint": fingerprint, "settled": settled}
        self._replace(self._file, json.dumps(stored).encode())

    def _replace(self, file: Path, data: bytes) -> None:
        temporary = file.with_name(f"{file.name}.{secrets.token_hex(6)}.tmp")
        temporary.write_bytes(data)
        temporary.replace(file)

    # ---------------------------------------------------------------- statistics
    def save_statistics(self, number: int, values: NDArray[np.float32]) -> None:
        """Store what `PlaneWork.statistics` gathered for a plane."""
        file = self._statistics(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._replace(file, values.astype("<f4").tobytes())

    def load_statistics(self, number: int, size: int) -> NDArray[np.float32]:
        """Read them again.

        Raises
        ------
        FileFormatError
            They are absent or damaged.
        """
        file = self._statistics(number)
        try:
            values = np.frombuffer(file.read_bytes(), "<f4")
        except (OSError, ValueError) as error:
            msg = f"{file} cannot be read ({error}): begin anew"
            raise FileFormatError(msg) from error
        if values.size != size:
            msg = f"{file} holds {values.size} values, not {size}: begin anew"
            raise FileFormatError(msg)
        return values.astype(np.float32)

    def _statistics(self, number: int) -> Path:
        # not all in one folder: there may be a million
        return self.folder / "statistics" / str(number // 1000) / f"{number}.f4"

    # ----------------------------------------------------------------- the end
    def mark_renaming(self) -> None:
        """Remember that the output is whole and about to get its name."""
        self._marker.touch()

    def was_renamed(self, part: Path) -> bool:
        """Whether a crash came between the renaming and the removal of this folder."""
        return self._marker.exists() and not part.exists() and self.output.exists()

    def remove(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

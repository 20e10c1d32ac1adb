"""A job whose work is to wait: what engines and schedulers cost by themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.job import Job, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["SimulatedJob"]


class _BlockNames:
    """Names of blocks, without a list of them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (f"block-{k}" for k in range(self._count))


class SimulatedJob(Job):
    """Waits for every unit, as for a device, and writes their names at the end.

    Parameters
    ----------
    name : str
        For messages.
    output : Path
        A text file, one line a unit.
    count : int
        Units.
    seconds : float
        That a unit takes.
    """

    def __init__(self, name: str, output: Path, count: int, *, seconds: float) -> None:
        self.name = name
        self.output = output
        self.count = count
        self.seconds = seconds
        self.overwrite = False

    @property
    def is_small(self) -> bool:
        """Whether one process does all of it."""
        return self.count == 1

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"input": {"name": self.name}, "count": self.count}

    @property
    def stages(self) -> Sequence[Sequence[str]]:
        """One stage."""
        names: Any = _BlockNames(self.count)
        return [names]

    @property
    def num_values(self) -> int:
        """One value a unit."""
        return self.count

    def prepare(self) -> None:
        """Nothing is to be prepared."""

    def open(self) -> None:
        """Nothing is to be opened."""

    def close(self) -> None:
        """Nothing is open."""

    def read(self, unit: str) -> str:
        """Give the unit's name."""
        return unit

    def compute(self, unit: str, data: str) -> str:
        """Wait."""
        if self.seconds:
            time.sleep(self.seconds)
        return data

    def write(self, unit: str, result: str) -> Written:
        """Nothing is kept."""
        return Written(len(result), result)

    def finish(self) -> str:
        """Write the names."""
        names: Any = self.stages[0]
        text = "".join(f"{name}\n" for name in names)
        new = self.output.with_name(f".{self.output.name}.new")
        new.write_text(text)
        new.replace(self.output)
        return ""

    def discard(self) -> None:
        """Nothing is unfinished."""

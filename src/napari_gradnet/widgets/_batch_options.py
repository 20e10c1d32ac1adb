"""What the form of the Batch widget says, and the scripts that say the same."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass, field
from typing import Any

from napari_gradnet.errors import InputError

__all__ = ["BatchSettings"]


@dataclass(frozen=True)
class BatchSettings:
    """Options of `api.denoise_files` that the form offers; its defaults are the same.

    Parameters
    ----------
    inputs : tuple of str
        Files, folders and lists.
    output : str
        Folder.
    model, naive, sigma_factor, axes, device, precision, tile, ensemble, dtype, vst
        See `api.denoise_files`.
    format, workers, overwrite, restart
        See `api.denoise_files`.
    """

    inputs: tuple[str, ...] = field(default=(), metadata={"first": True})
    output: str = field(default="", metadata={"first": True})
    model: str = "auto"
    naive: str | None = None
    sigma_factor: float = 1.0
    axes: str | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    ensemble: bool | None = None
    dtype: str = "same"
    vst: bool | str = "auto"
    format: str = "same"
    workers: int | str = "auto"
    overwrite: bool = False
    restart: bool = False

    def changed(self) -> dict[str, Any]:
        """Options that are not the default; without inputs and output."""
        return {
            option.name: getattr(self, option.name)
            for option in dataclasses.fields(self)
            if "first" not in option.metadata
            and getattr(self, option.name) != option.default
        }

    def check(self) -> None:
        """Refuse a form that is not filled in.

        Raises
        ------
        InputError
            Inputs or output are missing.
        """
        if not self.inputs:
            msg = "there is nothing to denoise: add files or a folder first"
            raise InputError(msg)
        if not self.output:
            msg = "the folder for the results is missing: choose one"
            raise InputError(msg)

    def python_script(self) -> str:
        """Script that does the same."""
        self.check()
        inputs = "".join(f"    {name!r},\n" for name in self.inputs)
        options = "".join(f", {k}={v!r}" for k, v in self.changed().items())
        return (
            "from napari_gradnet import api\n\n"
            f"inputs = [\n{inputs}]\n"
            f"report = api.denoise_files(inputs, {self.output!r}{options})\n"
        )

    def command_line(self) -> str:
        """Shell command that does the same."""
        self.check()
        words = ["gradnet", "batch", *self.inputs, "-o", self.output]
        for name, value in self.changed().items():
            option = f"--{name.replace('_', '-')}"
            if name == "vst":
                words += [option, "on" if value else "off"]
            elif isinstance(value, bool):
                words.append(option if value else f"--no-{name}")
            else:
                words += [option, str(value)]
        return shlex.join(words)

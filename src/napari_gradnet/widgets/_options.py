"""What the form of the Denoise widget says, and the scripts that say the same."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gradnet.region import Region

__all__ = ["DenoiseOptions", "command_line", "file_script", "layer_script"]


@dataclass(frozen=True)
class DenoiseOptions:
    """Options of `api.denoise` that the form offers; its defaults are the same.

    Parameters
    ----------
    model, axes, device, precision, tile, ensemble, guide, dtype, vst, value_range
        See `api.denoise`; guides that are arrays stand elsewhere.
    """

    model: str = "auto"
    axes: str | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    ensemble: bool | None = None
    guide: str | None = None
    dtype: str = "same"
    vst: bool | str = "auto"
    value_range: tuple[float, float] | None = None

    def changed(self) -> dict[str, Any]:
        """Options that are not the default."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }


def _arguments(options: DenoiseOptions) -> str:
    return "".join(f", {k}={v!r}" for k, v in options.changed().items())


def layer_script(
    options: DenoiseOptions,
    layer: str,
    *,
    multiscale: bool = False,
    region: Region | None = None,
    guide: tuple[str, bool] | None = None,
    lazy: bool = False,
) -> str:
    """Write a script for napari's console that denoises a layer.

    Parameters
    ----------
    options : DenoiseOptions
        What the form says.
    layer : str
        Name of the layer.
    multiscale : bool
        Whether its data are a pyramid.
    region : tuple of slice, optional
        The part that is wanted.
    guide : (str, bool), optional
        Name of the layer that guides, and whether its data are a pyramid.
    lazy : bool
        Leave the work to when values are asked for.

    Returns
    -------
    str
        Python; the result is called ``denoised``.
    """
    lines = [
        "import napari",
        *(["import numpy as np"] if region is not None else []),
        "",
        "from napari_gradnet import api",
        "",
        "layers = napari.current_viewer().layers",
        f"image = {_data(layer, multiscale)}",
    ]
    more = _arguments(options)
    if guide is not None:
        more += f", guide={_data(*guide)}"
    if region is None:
        function = "denoise_lazy" if lazy else "denoise"
        lines.append(f"denoised = api.{function}(image{more})")
    else:
        lines.append(f"region = np.s_[{_index(region)}]")
        lines.append(f"denoised = api.denoise_region(image, region{more})")
    return "\n".join(lines) + "\n"


def _data(layer: str, multiscale: bool) -> str:
    level = "[0]" if multiscale else ""
    return f"layers[{layer!r}].data{level}"


def _index(region: Region) -> str:
    return ", ".join(f"{s.start}:{s.stop}" for s in region)


def _output(options: DenoiseOptions, path: str) -> str:
    source = Path(path)
    suffix = source.suffix
    if options.dtype != "same" and suffix.lower() not in (".tif", ".tiff"):
        suffix = ".tif"  # pictures hold integers
    return str(source.with_name(f"{source.stem}-denoised{suffix}"))


def file_script(options: DenoiseOptions, path: str) -> str:
    """Write a script that denoises a file into one beside it."""
    return (
        "from napari_gradnet import api\n\n"
        f"api.denoise_file({path!r}, {_output(options, path)!r}{_arguments(options)})\n"
    )


def command_line(options: DenoiseOptions, path: str) -> str:
    """Write the shell command that denoises a file into one beside it."""
    words = ["gradnet", "denoise", path, "-o", _output(options, path)]
    for name, value in options.changed().items():
        if name == "ensemble":
            words.append("--ensemble" if value else "--no-ensemble")
        elif name == "value_range":
            words += ["--range", *(repr(v) for v in value)]
        elif name == "vst":
            words += ["--vst", "on" if value else "off"]
        else:
            words += [f"--{name}", str(value)]
    return shlex.join(words)

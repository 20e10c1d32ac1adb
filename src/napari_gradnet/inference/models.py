"""From a name or a file to a model that is ready to run."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.bundle import (
    ModelHeader,
    file_sha256,
    find_model,
    list_packaged,
    load_model,
    packaged_model_folder,
    read_header,
)
from napari_gradnet.errors import ModelError
from napari_gradnet.inference.device import resolve_device
from napari_gradnet.inference.out_of_memory import out_of_memory_told
from napari_gradnet.inference.precision import Precision, resolve_precision
from napari_gradnet.inference.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import DTypeLike

    from napari_gradnet.networks.pipeline import Pipeline

__all__ = [
    "Model",
    "ModelInfo",
    "choose_model",
    "fitting_models",
    "list_models",
    "open_model",
]

#: For white Gaussian noise, which made test images have: what is worth its time first.
WHITE_NOISE = ("gradnet-fast-color", "gradnet-color", "gradnet-small-color")
#: What ``auto`` takes, the first that is there. Colour images are photos: their noise
#: is a camera's.
AUTO_COLOR = ("gradnet-real", *WHITE_NOISE)
AUTO_GRAY = ("gradnet-fast-gray", "gradnet-gray", "dn-resnet-13-gray")
#: Before those for a detector's counts, which are most often a microscope's. It blurs
#: what is no fluorescence; where that hardly shows in its noise, those draw fibres.
AUTO_COUNTS = ("gradnet-fluorescence",)


@dataclass(frozen=True)
class Model:
    """A model on a device.

    Parameters
    ----------
    pipeline : Pipeline
        Prepared for `device`.
    header : ModelHeader
    path : Path
    sha256 : str
        Of the file.
    device : torch.device
    dtype : torch.dtype
        Of the convolutions; images stay float32.
    lock : threading.Lock
        Held during a forward pass.
    """

    pipeline: Pipeline
    header: ModelHeader
    path: Path
    sha256: str
    device: torch.device
    dtype: torch.dtype
    lock: threading.Lock = field(
        default_factory=threading.Lock, repr=False, compare=False
    )

    @property
    def record(self) -> dict[str, str]:
        """What a result's history should say about the model."""
        return {
            "model": self.header.name,
            "model_sha256": self.sha256,
            "precision": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
        }


@dataclass(frozen=True)
class ModelInfo:
    """A packaged model, not loaded.

    Parameters
    ----------
    name, description, noise, licence : str
        From its header.
    channels : int
        1 grey, 3 colour.
    path : Path
    sha256 : str
        Of the file.
    header : ModelHeader
        All the rest: network, guide, training record, measured figures.
    """

    name: str
    description: str
    noise: str
    licence: str
    channels: int
    path: Path
    sha256: str
    header: ModelHeader


def list_models() -> tuple[ModelInfo, ...]:
    """List the packaged models, by name."""
    infos = []
    for name, path in list_packaged().items():
        header = read_header(path)
        infos.append(
            ModelInfo(
                name,
                header.description,
                header.noise,
                header.licence,
                header.channels,
                path,
                file_sha256(path),
                header,
            )
        )
    return tuple(infos)


def choose_model(
    *, rgb: bool, dtype: DTypeLike = np.uint8, white: bool = False
) -> tuple[str, str]:
    """Name the packaged model for colour images, grey ones or a detector's counts.

    Parameters
    ----------
    rgb : bool
        Whether the images are colour photos.
    dtype : dtype
        Of the images: grey integers of more than 8 bits are counts.
    white : bool
        Whether the noise of photos is known to be white and Gaussian.

    Returns
    -------
    name : str
    kind : str
        What it was chosen for, such as ``grey images``.

    Raises
    ------
    ModelError
        No packaged model is there.
    """
    dtype = np.dtype(dtype)
    names: tuple[str, ...]
    if rgb:
        kind, names = "colour images", WHITE_NOISE if white else AUTO_COLOR
    elif dtype.kind in "iu" and dtype.itemsize > 1:
        kind, names = f"counts ({dtype})", (*AUTO_COUNTS, *AUTO_GRAY)
    else:
        kind, names = "grey images", AUTO_GRAY
    packaged = list_packaged()
    for name in names:
        if name in packaged:
            return name, kind
    msg = (
        f"no packaged model for {kind} in {packaged_model_folder()}: give a model file "
        "or reinstall napari-gradnet"
    )
    raise ModelError(msg)


def open_model(
    model: str | Path, *, device: str = "auto", precision: Precision = "auto"
) -> Model:
    """Load a model and prepare it for a device; the last few are kept.

    Parameters
    ----------
    model : str or Path
        A packaged model's name or a file.
    device : str
        See `resolve_device`.
    precision : str
        See `resolve_precision`.

    Raises
    ------
    ModelError, DeviceError, InputError
        The model, device or precision cannot be had.
    """
    path = find_model(model).resolve()
    # a file that was written anew is another model
    return _open(path, path.stat().st_mtime_ns, device, precision)


def fitting_models(
    models: Sequence[str | Path | Model] | None, channels: Container[int], **how: Any
) -> Iterator[Model]:
    """Open the models that are named, or the packaged ones that fit.

    Parameters
    ----------
    models : sequence of str, Path or Model, optional
        Names, files or open models; the packaged ones where not given.
    channels : container of int
        Of the networks that fit.
    **how
        ``device`` and ``precision`` of `open_model`.

    Yields
    ------
    Model
        One at a time.

    Raises
    ------
    ModelError
        One that is named does not fit.
    """
    if models is None:
        models = [m.name for m in list_models() if m.channels in channels]
    for one in models:
        model = one if isinstance(one, Model) else open_model(one, **how)
        if model.header.channels not in channels:
            reason = "is for colour and these images are grey: name another model"
            if model.header.channels == 1:
                reason = (
                    "is for grey images: name another model, or take the images' luma "
                    "(--grey, in Python grey=True)"
                )
            msg = f"{model.header.name} {reason}"
            raise ModelError(msg)
        yield model


@functools.lru_cache(maxsize=4)
def _open(path: Path, _changed: int, device: str, precision: Precision) -> Model:
    target = resolve_device(device)
    pipeline, header = load_model(path)
    dtype = resolve_precision(precision, target, header)
    with out_of_memory_told(target, f"the model {header.name}"):
        ready = prepare(pipeline, target)
    return Model(ready, header, path, file_sha256(path), target, dtype)

"""A model: one ``.safetensors`` file with weights and a JSON header.

The header (metadata key ``gradnet``) says which network and guide the weights belong
to, how images are scaled, which noise the model was trained for, how it was trained,
what it measured and under which licence it may be used. Loading never unpickles.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_gradnet.config.base import FrozenModel, explain
from napari_gradnet.config.network import GradNetConfig, NetworkConfig
from napari_gradnet.errors import FileFormatError, ModelError
from napari_gradnet.networks.pipeline import Pipeline
from napari_gradnet.networks.registry import build
from napari_gradnet.networks.views import NUM_VIEWS

if TYPE_CHECKING:
    from os import PathLike

    from torch import Tensor

__all__ = [
    "FORMAT_VERSION",
    "GuideHeader",
    "ModelHeader",
    "file_sha256",
    "find_model",
    "list_packaged",
    "load_model",
    "packaged_model_folder",
    "read_header",
    "save_model",
]

FORMAT_VERSION = 1
_KEY = "gradnet"
#: A safetensors header is far smaller; a larger one is damaged or hostile.
_MAX_HEADER = 10 * 2**20
_WEIGHT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class GuideHeader(FrozenModel):
    """What makes the image whose gradient is fused."""

    kind: Literal["network", "bm3d", "noisy", "clean"]
    network: NetworkConfig | None = None

    @model_validator(mode="after")
    def _network_where_needed(self) -> GuideHeader:
        if self.kind == "network" and self.network is None:
            msg = "kind 'network' needs a network"
            raise ValueError(msg)
        if self.kind != "network" and self.network is not None:
            msg = f"kind {self.kind!r} has no network"
            raise ValueError(msg)
        if isinstance(self.network, GradNetConfig):
            msg = "a gradnet needs a guide itself: use another network as the guide"
            raise ValueError(msg)  # noqa: TRY004 - what pydantic expects
        return self


class ModelHeader(FrozenModel):
    """Everything about a model apart from its weights."""

    format_version: int
    name: str
    description: str = ""
    network: NetworkConfig
    guide: GuideHeader | None = None
    noise: str = Field("", description="The noise it was trained for, in words.")
    stabilise: bool = Field(
        True,
        description="Whether vst='auto' may stabilise the variance for this model: not "
        "where it was trained on a camera's noise as it is.",
    )
    ensemble: bool = Field(
        False,
        description="Whether results are the mean over 8 flips and rotations, unasked.",
    )
    patch_size: int = Field(80, description="Training patch, pixels.")
    licence: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    created: str = ""
    software: str = ""

    @model_validator(mode="after")
    def _guide_fits(self) -> ModelHeader:
        guided = isinstance(self.network, GradNetConfig)
        if guided and self.guide is None:
            msg = "network gradnet needs a guide"
            raise ValueError(msg)
        if self.guide is None:
            return self
        if not guided:
            msg = f"network {self.network.name} takes no guide"
            raise ValueError(msg)
        guide = self.guide.network
        if guide is not None and guide.in_channels != self.channels:
            msg = (
                f"the guide has {guide.in_channels} channels, the network "
                f"{self.channels}"
            )
            raise ValueError(msg)
        return self

    @property
    def channels(self) -> int:
        """Image channels of the network."""
        return self.network.in_channels

    def num_views(self, ensemble: bool | None = None) -> int:
        """Forward passes over an image; as the model says when nothing is asked for."""
        together = self.ensemble if ensemble is None else ensemble
        return NUM_VIEWS if together else 1


def packaged_model_folder() -> Path:
    """Return the folder of the packaged models.

    ``weights`` beside this module in an installed package, the repository's ``weights``
    in an editable install.
    """
    here = Path(__file__).resolve().parent
    installed = here / "weights"
    return installed if installed.is_dir() else here.parents[1] / "weights"


def list_packaged() -> dict[str, Path]:
    """Packaged models by name."""
    folder = packaged_model_folder()
    return dict(sorted((p.stem, p) for p in folder.glob("*.safetensors")))


def find_model(model: str | PathLike[str]) -> Path:
    """Find a packaged model by name, or a model file.

    Raises
    ------
    ModelError
        There is neither.
    """
    packaged = list_packaged()
    if isinstance(model, str) and model in packaged:
        return packaged[model]
    if isinstance(model, str | os.PathLike):
        path = Path(model).expanduser()
        if path.is_file():
            return path
    names = ", ".join(packaged) or "none"
    msg = f"model {str(model)!r} is neither a packaged model ({names}) nor a file"
    raise ModelError(msg)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_header(path: Path) -> ModelHeader:
    """Read the header of a model file without its weights.

    Raises
    ------
    ModelError
        The file is missing, is no model of this package, is damaged, or was written by
        a newer version.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            text = stream.read(length) if 2 <= length <= _MAX_HEADER else b""
    except OSError as error:
        msg = f"cannot read the model file {path}: {error.strerror or error}"
        raise ModelError(msg) from error
    if not text:
        msg = (
            f"{path} is no safetensors file: give a model file made by "
            "'gradnet train' or the name of a packaged model"
        )
        raise ModelError(msg)
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is damaged or no safetensors file: its header does not parse"
        raise ModelError(msg) from error
    metadata = raw.get("__metadata__") if isinstance(raw, dict) else None
    if not isinstance(metadata, dict) or _KEY not in metadata:
        msg = (
            f"{path} is a safetensors file without a {_KEY!r} header: it was not made "
            "by this program"
        )
        raise ModelError(msg)
    return _parse_header(path, metadata[_KEY])


def _parse_header(path: Path, text: str) -> ModelHeader:
    try:
        values = json.loads(text)
        version = values.get("format_version")
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        msg = f"{path} is damaged: its {_KEY!r} header is no JSON object"
        raise ModelError(msg) from error
    if type(version) is not int or version != FORMAT_VERSION:
        msg = (
            f"{path} has format version {version!r}, this program reads "
            f"{FORMAT_VERSION}: update napari-gradnet or ask for another file"
        )
        raise ModelError(msg)
    try:
        return ModelHeader.model_validate(values)
    except ValidationError as error:
        raise ModelError(explain(error, f"header of {path}", ModelHeader)) from error


def build_pipeline(header: ModelHeader) -> Pipeline:
    """Build the networks that a header describes, with fresh weights."""
    guide = None
    if header.guide is not None and header.guide.network is not None:
        guide = build(header.guide.network)
    return Pipeline(build(header.network), guide)


def load_model(path: Path) -> tuple[Pipeline, ModelHeader]:
    """Load a model: float32 weights on the CPU, in evaluation mode.

    Raises
    ------
    ModelError
        See `read_header`; also when weights are missing, unknown, of another shape or
        not finite.
    """
    header = read_header(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        msg = f"{path} is damaged ({error}): fetch or train it again"
        raise ModelError(msg) from error
    with torch.device("meta"):  # without memory: the header may ask for anything
        expected = _weights(build_pipeline(header))
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or unknown:
        msg = (
            f"{path} does not fit its own header: {len(missing)} weights are missing "
            f"and {len(unknown)} unknown (such as {sorted(missing | unknown)[0]!r})"
        )
        raise ModelError(msg)
    for key, value in state.items():
        if value.shape != expected[key].shape:
            msg = (
                f"{path}: weight {key!r} has shape {tuple(value.shape)}, its header "
                f"asks for {tuple(expected[key].shape)}"
            )
            raise ModelError(msg)
        if value.dtype not in _WEIGHT_TYPES:
            msg = f"{path}: weight {key!r} is {value.dtype}: give 16 or 32-bit floats"
            raise ModelError(msg)
        if not torch.isfinite(value).all():
            msg = f"{path}: weight {key!r} holds NaN or infinity; the file is damaged"
            raise ModelError(msg)
    with torch.random.fork_rng(devices=[]):  # fresh weights draw from the global state
        pipeline = build_pipeline(header)
    pipeline.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    return pipeline.eval(), header


def _weights(pipeline: Pipeline) -> dict[str, Tensor]:
    """State without BatchNorm's batch counters, which inference does not need."""
    return {
        k: v
        for k, v in pipeline.state_dict().items()
        if not k.endswith("num_batches_tracked")
    }


def save_model(
    path: Path, pipeline: Pipeline, header: ModelHeader, *, half: bool = True
) -> None:
    """Write a model to a temporary file and rename it.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    pipeline : Pipeline
        The networks.
    header : ModelHeader
        What belongs to them.
    half : bool
        Store float16 instead of float32 weights.

    Raises
    ------
    ModelError
        A weight is not finite, so that the file could not be loaded again.
    FileFormatError
        The file cannot be written, say for want of space.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        k: v.detach().to("cpu", dtype).contiguous()
        for k, v in _weights(pipeline).items()
    }
    for key, value in state.items():
        if not torch.isfinite(value).all():
            kind = str(dtype).removeprefix("torch.")
            msg = (
                f"weight {key!r} is not finite as {kind}: the training diverged, or "
                "store float32 with half=False"
            )
            raise ModelError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.tmp-")
    os.close(handle)
    temporary = Path(name)
    try:
        try:
            save_file(state, temporary, {_KEY: header.model_dump_json()})
        except SafetensorError as error:  # not OSError, even where the disk is full
            msg = f"cannot write {path}: {error}; make room or give another folder"
            raise FileFormatError(msg) from error
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

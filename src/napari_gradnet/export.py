"""Networks for other programs: ONNX and torch.export.

What is exported is the network alone: intensities in [0, 1] in, float32, shape
(N, C, H, W); scaling, tiles and stacks stay with this package.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from napari_gradnet.bundle import find_model, load_model
from napari_gradnet.errors import InputError, MissingDependencyError, ModelError
from napari_gradnet.io import PartialFile, explain_write_error
from napari_gradnet.networks.views import turn, turn_back

if TYPE_CHECKING:
    from os import PathLike

    from napari_gradnet.bundle import ModelHeader
    from napari_gradnet.networks.pipeline import Pipeline

__all__ = ["export_network"]

_SUFFIXES = {".onnx": "onnx", ".pt2": "torch"}
#: Largest difference to PyTorch that an export may show, intensities in [0, 1].
LARGEST_DIFFERENCE = 1e-4
#: Sizes of the example and of the check, in steps of the network's grid.
_EXAMPLE, _CHECKED = (2, 24, 20), ((1, 17, 33), (3, 40, 12))


def _mean_of_views(network: nn.Module, views: int, *images: Tensor) -> Tensor:
    total: Tensor = network(*images)
    for number in range(1, views):
        view = network(*(turn(image, number) for image in images))
        total = total + turn_back(view, number)
    return total / views if views > 1 else total


class _GivenGuide(nn.Module):
    """A GradNet whose guide is a second input."""

    def __init__(self, pipeline: Pipeline, views: int) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.views = views

    def forward(self, noisy: Tensor, guide: Tensor) -> Tensor:
        return _mean_of_views(self.pipeline, self.views, noisy, guide)


class _Alone(nn.Module):
    """A pipeline with one input."""

    def __init__(self, pipeline: Pipeline, views: int) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.views = views

    def forward(self, noisy: Tensor) -> Tensor:
        return _mean_of_views(self.pipeline, self.views, noisy)


def export_network(
    model: str | PathLike[str],
    output: str | PathLike[str],
    *,
    format: Literal["onnx", "torch"] | None = None,  # noqa: A002 - the usual word
    ensemble: bool | None = None,
    overwrite: bool = False,
) -> float:
    """Write a model's network for another program, and check what was written.

    Parameters
    ----------
    model : str or path
        A packaged model's name or a model file.
    output : path
        ``.onnx``, or ``.pt2`` for `torch.export`.
    format : {"onnx", "torch"}, optional
        From the suffix of `output` when not given.
    ensemble : bool, optional
        Let the network average over the 8 flips and rotations of its images, which
        takes 8 times as long; as the model says when not given.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    float
        Largest difference to PyTorch on images of other sizes than the example's,
        intensities in [0, 1].

    Notes
    -----
    Batch, height and width are dynamic. A network that works on a coarser grid
    (``unshuffle``) takes heights and widths that are multiples of it. A model without
    a guide network of its own has a second input, ``guide``.

    Raises
    ------
    InputError
        The suffix is neither.
    FileFormatError
        `output` exists, is the model itself or cannot be written.
    MissingDependencyError
        ONNX needs the packages onnx, onnxscript and onnxruntime.
    ModelError
        The exported network gives other results.
    """
    target = Path(output)
    kind = format or _SUFFIXES.get(target.suffix.lower())
    if kind not in _SUFFIXES.values():
        msg = f"{target.name!r} names no format: end it in .onnx or .pt2"
        raise InputError(msg)
    source = find_model(model)
    pipeline, header = load_model(source)
    views = header.num_views(ensemble)
    wrapped = _GivenGuide if pipeline.needs_guide else _Alone
    network: nn.Module = wrapped(pipeline, views)
    network = network.eval()
    network.requires_grad_(requires_grad=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    write = _write_onnx if kind == "onnx" else _write_torch
    partial = PartialFile(target, source, overwrite=overwrite)
    try:
        example = _images(pipeline, header, _EXAMPLE)
        with explain_write_error(target):
            run = write(network, example, partial.temporary, pipeline)
        worst = 0.0
        for shape in _CHECKED:
            images = _images(pipeline, header, shape)
            worst = max(worst, float((run(*images) - network(*images)).abs().max()))
        if not worst <= LARGEST_DIFFERENCE:
            msg = (
                f"the exported network differs from PyTorch by {worst:.2g}, more than "
                f"{LARGEST_DIFFERENCE:g}: nothing is stored; try the other format"
            )
            raise ModelError(msg)
        partial.commit()
    finally:
        partial.discard()
    return worst


def _images(
    pipeline: Pipeline, header: ModelHeader, shape: tuple[int, int, int]
) -> tuple[Tensor, ...]:
    number, height, width = shape
    step = pipeline.alignment
    generator = torch.Generator().manual_seed(0)
    size = (number, header.channels, height * step, width * step)
    count = 2 if pipeline.needs_guide else 1
    return tuple(torch.rand(size, generator=generator) for _ in range(count))


def _dynamic(count: int, step: int) -> tuple[dict[int, Any], ...]:
    batch = torch.export.Dim("batch")
    sides = [torch.export.Dim(name, min=2) for name in ("rows", "columns")]
    height, width = sides if step == 1 else [step * side for side in sides]
    return tuple({0: batch, 2: height, 3: width} for _ in range(count))


def _write_torch(
    network: nn.Module, example: tuple[Tensor, ...], target: Path, pipeline: Pipeline
) -> Any:
    shapes = _dynamic(len(example), pipeline.alignment)
    program = torch.export.export(network, example, dynamic_shapes=shapes)
    with target.open("wb") as stream:  # by name it asks for a suffix
        torch.export.save(program, stream)
    with target.open("rb") as stream:
        return torch.export.load(stream).module()


def _write_onnx(
    network: nn.Module, example: tuple[Tensor, ...], target: Path, pipeline: Pipeline
) -> Any:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - what torch.onnx needs
    except ImportError as error:
        msg = (
            f"ONNX needs a package that is not installed ({error}): run `pip install "
            "napari-gradnet[export]`, or write a .pt2 file"
        )
        raise MissingDependencyError(msg) from error
    names = ["noisy", "guide"][: len(example)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            network,
            example,
            target,
            input_names=names,
            output_names=["denoised"],
            dynamic_shapes=_dynamic(len(example), pipeline.alignment),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(
        str(target), providers=["CPUExecutionProvider"]
    )

    def run(*images: Tensor) -> Tensor:
        feed = {n: i.numpy() for n, i in zip(names, images, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run

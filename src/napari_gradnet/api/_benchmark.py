"""Measurements, as the functions that ``gradnet benchmark`` prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.benchmark import (
    BatchSpeedRow,
    OverheadRow,
    iter_batch_speed,
    iter_overhead,
)
from napari_gradnet.bundle import find_model, read_header
from napari_gradnet.data.sheet import check_picture_name
from napari_gradnet.errors import InputError
from napari_gradnet.inference.accuracy import AccuracyRow, iter_accuracy
from napari_gradnet.inference.benchmark import SpeedRow, iter_speed
from napari_gradnet.inference.card import card_table, measure_card, write_metrics
from napari_gradnet.inference.failures import (
    FailureCase,
    draw_failures,
    iter_failures,
)
from napari_gradnet.inference.models import list_models
from napari_gradnet.inference.pairs import PairsRow, iter_pairs, pair_figures
from napari_gradnet.inference.seams import TilesRow, iter_tile_effects
from napari_gradnet.inference.stack_memory import StackMemory, measure_stack_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "benchmark_accuracy",
    "benchmark_card",
    "benchmark_failures",
    "benchmark_inference",
    "benchmark_pairs",
    "benchmark_stack",
    "benchmark_tiles",
]


def benchmark_inference(
    models: Sequence[str] = (), **options: Any
) -> Iterator[SpeedRow]:
    """Measure the speed of models, each in a process of its own.

    Parameters
    ----------
    models : sequence of str
        Names or files; all packaged ones when empty.
    **options
        ``size``, ``device``, ``precision``, ``repeats``: see `inference.benchmark`.

    Yields
    ------
    SpeedRow
    """
    yield from iter_speed(models, **options)


def benchmark_accuracy(
    folder: str | Path,
    models: Sequence[str] | None = None,
    naive: Sequence[str] = ("bm3d",),
    **options: Any,
) -> Iterator[AccuracyRow]:
    """Measure PSNR and SSIM on a folder of clean images with white Gaussian noise.

    Parameters
    ----------
    folder : path
        Clean images.
    models : sequence of str, optional
        Names or files; the packaged ones for such images when not given.
    naive : sequence of str
        Naive denoisers to put beside them.
    **options
        ``sigmas``, ``noises``, ``split``, ``grey``, ``luma``, ``crop``, ``limit``,
        ``seed``, ``device``, ``precision``, ``ensemble``: see `inference.accuracy`.

    Yields
    ------
    AccuracyRow
    """
    yield from iter_accuracy(folder, models=models, naive=naive, **options)


def benchmark_pairs(
    noisy: str | Path,
    clean: str | Path,
    models: Sequence[str] | None = None,
    naive: Sequence[str] = ("bm3d",),
    *,
    write: str | None = None,
    **options: Any,
) -> Iterator[PairsRow]:
    """Measure PSNR and SSIM on pairs of real images, each method left to itself.

    Parameters
    ----------
    noisy, clean : path
        Folders or globs that name as many images, in the same order.
    models : sequence of str, optional
        Names or files; all packaged ones when not given.
    naive : sequence of str
        Naive denoisers to put beside them.
    write : str, optional
        Put the figures into the headers of the model files, under this name.
    **options
        ``vst``, ``affine``, ``every``, ``device``, ``precision``, ``ensemble``: see
        `inference.pairs`.

    Yields
    ------
    PairsRow

    Raises
    ------
    InputError
        See `inference.pairs`; with `write` also where two models, or a model and a
        naive denoiser, have one name, or where the images of a pair are identical.
    """
    rows = iter_pairs([str(noisy)], [str(clean)], models=models, naive=naive, **options)
    if write is None:
        yield from rows
        return
    chosen = [m.name for m in list_models()] if models is None else models
    files = _files_by_name(chosen, ["noisy", *naive])
    kept: list[PairsRow] = []
    for row in rows:
        if not kept and math.isinf(row.psnr):
            msg = (
                f"write={write!r}: the images of a pair are identical, which leaves no "
                "figures to write: leave such pairs out"
            )
            raise InputError(msg)
        kept.append(row)
        yield row
    for name, figures in pair_figures(kept).items():
        if name in files:
            known = read_header(files[name]).metrics.get("pairs", {})
            write_metrics(files[name], {"pairs": known | {write: figures}})


def _files_by_name(models: Sequence[str], taken: Sequence[str]) -> dict[str, Path]:
    """Model files by the names in their headers, by which figures are written."""
    files: dict[str, Path] = {}
    for model in models:
        path = find_model(model)
        name = read_header(path).name
        if name in taken:
            msg = f"{path} is named {name!r} as another method is: leave one out"
            raise InputError(msg)
        if name in files:
            msg = (
                f"{files[name]} and {path} have one name in their headers, {name!r}, "
                "and their figures would be mixed: measure one at a time"
            )
            raise InputError(msg)
        files[name] = path
    return files


def benchmark_stack(model: str, **options: Any) -> StackMemory:
    """Measure the memory that ``gradnet denoise`` takes for a long TIFF stack.

    Parameters
    ----------
    model : str
        Name or file of a grey model.
    **options
        ``num_planes``, ``size``, ``folder``, ``device``: see `inference.stack_memory`.
    """
    return measure_stack_memory(model, **options)


def benchmark_tiles(
    folder: str | Path, models: Sequence[str] = (), **options: Any
) -> Iterator[TilesRow]:
    """Compare tiled results with the network on the whole image.

    Parameters
    ----------
    folder : path
        Clean images.
    models : sequence of str
        Names or files; all packaged ones when empty.
    **options
        ``sigma``, ``tile``, ``limit``, ``seed``, ``device``, ``precision``: see
        `inference.seams`.

    Yields
    ------
    TilesRow
    """
    chosen = list(models) or [m.name for m in list_models()]
    yield from iter_tile_effects(folder, chosen, **options)


def benchmark_failures(
    model: str | Path, output: str | Path | None = None, **options: Any
) -> list[FailureCase]:
    """Denoise text, periodic patterns, faint texture and a clean photo.

    Parameters
    ----------
    model : str or Path
        Name or file.
    output : path, optional
        Picture of all of them, PNG or JPEG.
    **options
        ``noise``, ``device``, ``precision``: see `inference.failures`.

    Returns
    -------
    list of FailureCase

    Raises
    ------
    InputError
        `output` is named otherwise.
    """
    if output is not None:
        check_picture_name(Path(output))
    cases = list(iter_failures(model, **options))
    if output is not None:
        draw_failures(Path(output), cases)
    return cases


def benchmark_card(
    model: str | Path,
    folders: Sequence[Path],
    *,
    write: bool = False,
    **options: Any,
) -> str:
    """Measure a model's figures for its card.

    Parameters
    ----------
    model : str or Path
        Name or file.
    folders : sequence of Path
        Test sets.
    write : bool
        Put the figures into the model file's header.
    **options
        ``sigmas``, ``noises``, ``crops``, ``grey``, ``luma``, ``device``: see
        `inference.card.measure_card`.

    Returns
    -------
    str
        A Markdown table of PSNR / SSIM, and what 16-bit arithmetic costs.
    """
    metrics = measure_card(model, folders, **options)
    if write:
        write_metrics(find_model(model), metrics)
    losses = ", ".join(
        f"{kind} {loss:.4f} dB" for kind, loss in metrics["precision_loss_db"].items()
    )
    return f"{card_table(metrics)}\n\nLost by 16-bit arithmetic: {losses}"


def benchmark_batch(
    model: str = "dn-resnet-13-gray", **options: Any
) -> Iterator[BatchSpeedRow]:
    """Measure many files and a volume from disk to disk beside the bare network.

    Parameters
    ----------
    model : str
        Name or file of a grey model.
    **options
        ``num_files``, ``size``, ``num_planes``, ``workers``, ``distributed``,
        ``device``, ``vst``, ``folder``: see `batch.benchmark`.

    Yields
    ------
    BatchSpeedRow
    """
    yield from iter_batch_speed(model, **options)


def benchmark_overhead(**options: Any) -> Iterator[OverheadRow]:
    """Measure what the engines of a batch cost, with units that only wait.

    Parameters
    ----------
    **options
        ``units``, ``unit_seconds``, ``most_workers``, ``folder``: see
        `batch.benchmark`.

    Yields
    ------
    OverheadRow
    """
    yield from iter_overhead(**options)

"""Measurements, as the functions that ``gradnet benchmark`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.inference.accuracy import AccuracyRow, iter_accuracy
from napari_gradnet.inference.benchmark import SpeedRow, iter_speed
from napari_gradnet.inference.models import list_models, open_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_gradnet.inference.precision import Precision

__all__ = ["benchmark_accuracy", "benchmark_inference", "benchmark_precision"]


def benchmark_inference(
    models: Sequence[str] = (), **options: Any
) -> Iterator[SpeedRow]:
    """Measure the speed of models.

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
        Names or files; all packaged ones when not given.
    naive : sequence of str
        Naive denoisers to put beside them.
    **options
        ``sigmas``, ``grey``, ``crop``, ``limit``, ``seed``, ``device``, ``precision``,
        ``ensemble``: see `inference.accuracy`.

    Yields
    ------
    AccuracyRow
    """
    chosen = [m.name for m in list_models()] if models is None else list(models)
    yield from iter_accuracy(folder, models=chosen, naive=naive, **options)


def benchmark_precision(
    folder: str | Path, model: str, precision: Precision, **options: Any
) -> float:
    """Measure what a 16-bit arithmetic costs, the worst of the noise levels.

    Parameters
    ----------
    folder : path
        Clean images.
    model : str
        Name or file.
    precision : {"bfloat16", "float16"}
        The arithmetic to compare with float32.
    **options
        See `benchmark_accuracy`.

    Returns
    -------
    float
        dB that the mean PSNR is lower than with float32; negative when it is higher.
    """
    device = options.get("device", "auto")
    results = []
    kinds: tuple[Precision, ...] = ("float32", precision)
    for kind in kinds:
        opened = open_model(model, device=device, precision=kind)
        rows = iter_accuracy(folder, models=[opened], **options)
        results.append([r.psnr for r in rows if r.method == opened.header.name])
    return max(full - fast for full, fast in zip(*results, strict=True))

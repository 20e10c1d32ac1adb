"""PSNR and SSIM of models and naive denoisers on pairs of real images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.data.files import expand_paths, read_image
from napari_gradnet.errors import InputError
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.inference.labels import label_repeated
from napari_gradnet.inference.models import fitting_models
from napari_gradnet.inference.naive import naive_denoise
from napari_gradnet.metrics import affine_fit, psnr, ssim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.inference.options import Vst
    from napari_gradnet.inference.precision import Precision

    Image = NDArray[Any]
    Method = Callable[[Image, Vst], Image]

__all__ = ["PairsRow", "iter_pairs", "pair_figures"]


@dataclass(frozen=True)
class PairsRow:
    """Means over the pairs.

    Parameters
    ----------
    method : str
        Model or naive denoiser; ``noisy`` for the input.
    vst : bool or "auto"
        Whether the variance was stabilised.
    psnr : float
        dB. The peak is 255 of 8-bit images, else the range of each clean image; what
        lies beyond it is clipped.
    ssim : float
        Window 7.
    worst_gain : float
        dB over the noisy image, of the pair that gained least; minus infinity where
        the two were identical and the method changed that.
    seconds : float
        An image, on average.
    num_pairs : int
        Planes.
    """

    method: str
    vst: Vst
    psnr: float
    ssim: float
    worst_gain: float
    seconds: float
    num_pairs: int


def iter_pairs(  # noqa: PLR0913 - one option a line
    noisy: Sequence[str],
    clean: Sequence[str],
    *,
    models: Sequence[str] | None = (),
    naive: Sequence[str] = (),
    vst: Sequence[Vst] = ("auto",),
    affine: bool = False,
    every: int = 1,
    device: str = "auto",
    precision: Precision = "auto",
    ensemble: bool | None = None,
) -> Iterator[PairsRow]:
    """Measure methods on real pairs; nothing is told to them.

    Parameters
    ----------
    noisy, clean : sequence of str
        Folders, files or globs; both name as many files, in the same order.
    models : sequence of str, optional
        Names or files; None for the packaged ones that fit.
    naive : sequence of str
        Classical methods, which estimate the noise.
    vst : sequence of bool or "auto"
        Each method is measured with each of them.
    affine : bool
        Fit gain and offset of each result to the clean image by least squares first,
        where the two were scaled apart.
    every : int
        Only each so-many-th pair.
    device, precision, ensemble
        See `denoise`.

    Yields
    ------
    PairsRow

    Raises
    ------
    InputError
        Numbers of files, planes or shapes differ, or there are pixels that cannot be
        measured.
    """
    pairs = _read_pairs(noisy, clean, every, affine=affine)
    rgb = pairs[0][0].ndim == 3
    before: list[float] = []

    def measure(name: str, method: Method, stabilise: Vst) -> PairsRow:
        scores = []
        for image, target in pairs:
            began = time.perf_counter()
            result = method(image, stabilise)
            seconds = time.perf_counter() - began
            scores.append((*_quality(result, target, affine=affine), seconds))
        psnrs, ssims, times = np.transpose(scores)
        if not before:  # the first row is the input's own
            before.extend(psnrs)
        same = psnrs == before  # infinite where the noisy image is the clean one
        gains = np.subtract(psnrs, before, where=~same, out=np.zeros(len(pairs)))
        return PairsRow(
            name,
            stabilise,
            float(psnrs.mean()),
            float(ssims.mean()),
            float(gains.min()),
            float(times.mean()),
            len(pairs),
        )

    yield measure("noisy", lambda image, _: image, False)
    axes = "YXS" if rgb else "YX"
    for name in naive:

        def naively(image: Image, stabilise: Vst, name: str = name) -> Image:
            return naive_denoise(image, name, vst=stabilise, axes=axes, dtype="float32")

        yield from (measure(name, naively, each) for each in vst)
    fitting = {1, 3} if rgb else {1}
    labels = label_repeated(models, ["noisy", *naive])
    for model in fitting_models(models, fitting, device=device, precision=precision):

        def network(image: Image, stabilise: Vst, model: Any = model) -> Image:
            return denoise(
                image,
                model,
                vst=stabilise,
                axes=axes,
                dtype="float32",
                ensemble=ensemble,
            )

        name = labels.get(model.path, model.header.name)
        yield from (measure(name, network, each) for each in vst)


def pair_figures(rows: Sequence[PairsRow]) -> dict[str, dict[str, Any]]:
    """What a model's header should say: by method, with the input's PSNR beside it.

    Where a method was measured with several stabilisations, the best of them.
    """
    (noisy,) = (row for row in rows if row.method == "noisy")
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row.psnr):
        if row is not noisy:
            best[row.method] = {
                "noisy": round(noisy.psnr, 3),
                "psnr": round(row.psnr, 3),
                "ssim": round(row.ssim, 4),
                "worst_gain": round(row.worst_gain, 3),
                "vst": row.vst,
                "num_pairs": row.num_pairs,
            }
    return best


def _read_pairs(
    noisy: Sequence[str], clean: Sequence[str], every: int, *, affine: bool
) -> list[tuple[Image, Image]]:
    """Pairs of planes, all as (Y, X) or all as (Y, X, 3) arrays."""
    names = [expand_paths(patterns) for patterns in (noisy, clean)]
    if len(names[0]) != len(names[1]):
        msg = (
            f"{len(names[0])} noisy images and {len(names[1])} clean ones: give as many"
        )
        raise InputError(msg)
    if every < 1:
        msg = f"every={every} must be at least 1"
        raise InputError(msg)
    pairs: list[tuple[Image, Image]] = []
    for paths in list(zip(*names, strict=True))[::every]:
        images, targets = (_read(path) for path in paths)
        shapes = [[plane.shape[1:] for plane in planes] for planes in (images, targets)]
        if shapes[0] != shapes[1]:
            told = [f"{len(s)} planes of {s[0]} pixels" for s in shapes]
            msg = (
                f"{paths[0]} holds {told[0]}, {paths[1]} {told[1]}: a pair shows the "
                "same pixels"
            )
            raise InputError(msg)
        # 8 bits have a range of their own, but nothing can be fitted to a constant
        ranged = [t for t in targets if affine or t.dtype != np.uint8]
        if any(t.min() == t.max() for t in ranged):
            msg = (
                f"{paths[1]} has a constant plane: there is no range to measure by, "
                "leave the pair out"
            )
            raise InputError(msg)
        pairs += zip(images, targets, strict=True)
    # one network for all: colour where any file has colours
    rgb = any(not _is_grey(plane) for pair in pairs for plane in pair)
    return [(_laid_out(image, rgb), _laid_out(target, rgb)) for image, target in pairs]


def _read(path: Path) -> list[Image]:
    """All planes, shape (3, Y, X)."""
    planes = read_image(path, 3)
    if not all(np.isfinite(plane).all() for plane in planes):
        msg = f"{path} holds NaN or infinite pixels: fill them"
        raise InputError(msg)
    return planes


def _is_grey(plane: Image) -> bool:
    return all(np.array_equal(plane[0], plane[k]) for k in (1, 2))


def _laid_out(plane: Image, rgb: bool) -> Image:
    return np.ascontiguousarray(plane.transpose(1, 2, 0) if rgb else plane[0])


def _quality(result: Image, target: Image, *, affine: bool) -> tuple[float, float]:
    if affine:
        result = affine_fit(result, target).apply(result)
    eight_bits = target.dtype == np.uint8
    black, white = (0.0, 255.0) if eight_bits else (target.min(), target.max())
    # both metrics clip below 0
    result, target = (image.astype(np.float64) - black for image in (result, target))
    peak = float(white) - float(black)
    channel = -1 if target.ndim == 3 else None
    return (
        psnr(result, target, peak),
        ssim(result, target, peak, channel_axis=channel),
    )

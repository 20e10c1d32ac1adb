"""A model's measured figures, for its header and its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.bundle import load_model, read_header, save_model
from napari_gradnet.inference.accuracy import AccuracyRow, iter_accuracy
from napari_gradnet.inference.models import open_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_gradnet.inference.precision import Precision

__all__ = ["card_table", "measure_card", "write_metrics"]

#: Images of the first folder on which 16-bit arithmetic is compared with float32.
PRECISION_IMAGES = 12


def measure_card(
    model: str | Path,
    folders: Sequence[Path],
    *,
    sigmas: Sequence[float] = (15.0, 25.0, 50.0),
    crops: Mapping[str, int] | None = None,
    grey: bool = False,
    device: str = "auto",
) -> dict[str, Any]:
    """Measure PSNR and SSIM on folders of clean images, and what 16 bits cost.

    Parameters
    ----------
    model : str or Path
        Name or file; measured in float32.
    folders : sequence of Path
        Test sets; their names become keys.
    sigmas : sequence of float
        White Gaussian noise, levels of 255.
    crops : mapping, optional
        Central crop, pixels, by folder name (Kodak24: 500).
    grey : bool
        Turn the images to luma.
    device : str
        See `denoise`.

    Returns
    -------
    dict
        ``psnr`` and ``ssim`` by folder and sigma, and ``precision_loss_db``.
    """
    opened = open_model(model, device=device, precision="float32")
    crops = crops or {}
    psnr: dict[str, dict[str, float]] = {}
    ssim: dict[str, dict[str, float]] = {}
    for folder in folders:
        rows = iter_accuracy(
            folder,
            sigmas=sigmas,
            models=[opened],
            grey=grey,
            crop=crops.get(folder.name),
        )
        for row in _of_model(rows):
            key = f"{row.sigma:g}"
            psnr.setdefault(folder.name, {})[key] = round(row.psnr, 3)
            ssim.setdefault(folder.name, {})[key] = round(row.ssim, 4)
    losses = {
        kind: round(_precision_loss(model, folders[0], kind, sigmas, grey, device), 4)
        for kind in _kinds(opened.device.type)
    }
    return {
        "psnr": psnr,
        "ssim": ssim,
        "noise": "white Gaussian, unclipped and unquantised, levels of 255",
        "crops": dict(crops),
        "precision_loss_db": losses,
    }


def _kinds(device: str) -> tuple[Precision, ...]:
    # half precision on a CPU is slower than float32: nobody asks for it
    return ("bfloat16", "float16") if device == "cuda" else ("bfloat16",)


def _of_model(rows: Iterator[AccuracyRow]) -> list[AccuracyRow]:
    return [row for row in rows if row.method != "noisy"]


def _precision_loss(
    model: str | Path,
    folder: Path,
    precision: Precision,
    sigmas: Sequence[float],
    grey: bool,
    device: str,
) -> float:
    results = []
    kinds: tuple[Precision, ...] = ("float32", precision)
    for kind in kinds:
        opened = open_model(model, device=device, precision=kind)
        rows = iter_accuracy(
            folder, sigmas=sigmas, models=[opened], grey=grey, limit=PRECISION_IMAGES
        )
        results.append([row.psnr for row in _of_model(rows)])
    return max(full - fast for full, fast in zip(*results, strict=True))


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Put measured figures into a model file's header; weights stay as they are."""
    header = read_header(path)
    pipeline, _ = load_model(path)
    merged = {**header.metrics, **metrics}
    save_model(path, pipeline, header.model_copy(update={"metrics": merged}))


def card_table(metrics: Mapping[str, Any]) -> str:
    """Write PSNR / SSIM as a Markdown table, one row a test set."""
    sigmas = list(next(iter(metrics["psnr"].values())))
    lines = [
        "| test set | " + " | ".join(f"sigma {s}" for s in sigmas) + " |",
        "|---" * (len(sigmas) + 1) + "|",
    ]
    for name, values in metrics["psnr"].items():
        crop = metrics["crops"].get(name)
        label = f"{name} ({crop}x{crop} centre)" if crop else name
        cells = [f"{values[s]:.2f} / {metrics['ssim'][name][s]:.4f}" for s in sigmas]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)

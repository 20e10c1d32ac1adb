"""A model's measured figures, for its header and its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from napari_gradnet.bundle import load_model, read_header, save_model
from napari_gradnet.data.files import expand_paths
from napari_gradnet.errors import InputError
from napari_gradnet.inference.accuracy import AccuracyRow, iter_accuracy
from napari_gradnet.inference.clean_images import SMALLEST_CROP, read_clean
from napari_gradnet.inference.models import open_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_gradnet.inference.precision import Precision

__all__ = ["card_table", "measure_card", "write_metrics"]

#: Images of the first folder on which 16-bit arithmetic is compared with float32.
PRECISION_IMAGES = 12
WHITE = "white Gaussian, unclipped and unquantised, levels of 255"


def measure_card(
    model: str | Path,
    folders: Sequence[Path],
    *,
    sigmas: Sequence[float] = (15.0, 25.0, 50.0),
    noises: Sequence[str] = (),
    crops: Mapping[str, int] | None = None,
    grey: bool = False,
    luma: bool = False,
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
    noises : sequence of str
        Other noise in its place, such as ``jpeg=10``: see `config.noise.parse_noise`.
    crops : mapping, optional
        Central crop, pixels, by folder name (Kodak24: 500).
    grey, luma : bool
        Turn the images to luma, or compare only luma.
    device : str
        See `denoise`.

    Returns
    -------
    dict
        ``psnr``, ``ssim`` and the input's ``noisy`` PSNR by folder and noise,
        ``clean``: the PSNR of clean images passed through, by folder, and
        ``precision_loss_db``.

    Raises
    ------
    InputError
        Folders share a name, or a crop fits none of them; an image cannot be
        measured, see `read_clean`.
    """
    opened = open_model(model, device=device, precision="float32")
    crops = crops or {}
    folders = [folder.resolve() for folder in folders]
    sets = [folder.name for folder in folders]
    if len(set(sets)) < len(sets):
        msg = f"folders of one name ({', '.join(sets)}): their figures would be mixed"
        raise InputError(msg)
    if unknown := set(crops) - set(sets):
        msg = f"crop of {', '.join(sorted(unknown))}: the folders are {', '.join(sets)}"
        raise InputError(msg)
    if small := {f"{n}={c}" for n, c in crops.items() if c < SMALLEST_CROP}:
        msg = f"crop {', '.join(sorted(small))}: at least {SMALLEST_CROP} pixels"
        raise InputError(msg)
    for folder in folders:  # the last one too is looked at before the work
        for path in expand_paths([str(folder)]):
            read_clean(path, grey=grey, crop=crops.get(folder.name))
    found: dict[str, dict[str, dict[str, float]]] = {}
    clean: dict[str, float] = {}
    for folder in folders:
        options: dict[str, Any] = {
            "models": [opened],
            "grey": grey,
            "luma": luma,
            "crop": crops.get(folder.name),
        }
        rows = iter_accuracy(folder, sigmas=sigmas, noises=noises, **options)
        for row, noise in zip(rows, [*(noises or sigmas)] * 2, strict=True):
            key = noise if isinstance(noise, str) else f"{noise:g}"
            if row.method == "noisy":
                names = {"noisy": round(row.psnr, 3)}
            else:
                names = {"psnr": round(row.psnr, 3), "ssim": round(row.ssim, 4)}
            for name, value in names.items():
                found.setdefault(name, {}).setdefault(folder.name, {})[key] = value
        (through,) = _of_model(iter_accuracy(folder, sigmas=[0.0], **options))
        clean[folder.name] = round(through.psnr, 2)
    losses = {
        kind: round(
            _precision_loss(model, folders[0], kind, sigmas, noises, grey, device), 4
        )
        for kind in _kinds(opened.device.type)
    }
    return {
        **found,
        "clean": clean,
        "noise": "" if noises else WHITE,
        "luma": luma,
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
    noises: Sequence[str],
    grey: bool,
    device: str,
) -> float:
    results = []
    kinds: tuple[Precision, ...] = ("float32", precision)
    for kind in kinds:
        opened = open_model(model, device=device, precision=kind)
        rows = iter_accuracy(
            folder,
            sigmas=sigmas,
            noises=noises,
            models=[opened],
            grey=grey,
            limit=PRECISION_IMAGES,
        )
        results.append([row.psnr for row in _of_model(rows)])
    return max(full - fast for full, fast in zip(*results, strict=True))


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Put measured figures into a model file's header; weights stay as they are."""
    header = read_header(path)
    pipeline, _ = load_model(path)
    merged = {**header.metrics, **metrics}
    with safe_open(path, framework="pt") as weights:
        names = weights.keys()
        half = all(weights.get_slice(name).get_dtype() == "F16" for name in names)
    changed = header.model_copy(update={"metrics": merged})
    save_model(path, pipeline, changed, half=half)


def card_table(metrics: Mapping[str, Any]) -> str:
    """Write PSNR / SSIM as a Markdown table, one row a test set."""
    noises = list(next(iter(metrics["psnr"].values())))
    # numbers alone are sigmas
    heads = [n if "=" in n else f"sigma {n}" for n in noises]
    lines = [
        "| test set | " + " | ".join(heads) + " |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for name, values in metrics["psnr"].items():
        crop = metrics["crops"].get(name)
        label = f"{name} ({crop}x{crop} centre)" if crop else name
        cells = [f"{values[n]:.2f} / {metrics['ssim'][name][n]:.4f}" for n in noises]
        if metrics["noise"] != WHITE:  # how strong it is says only the input
            before = metrics["noisy"][name]
            cells = [
                f"{before[n]:.2f} → {cell}"
                for n, cell in zip(noises, cells, strict=True)
            ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)

"""Write the cards of the packaged models from what their files say.

``python docs/cards.py`` rewrites the cards in ``weights/README.md`` and the table in
``README.md``; ``python docs/cards.py pictures [MODEL ...]`` draws the failure cases
first. The figures are those that ``gradnet benchmark card --write`` and ``gradnet
benchmark pairs --write`` put into the files.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from card_texts import BESIDE, CARDS

from napari_gradnet import api
from napari_gradnet.inference.card import card_table

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "images" / "failures"


def _loss(header: Any) -> str:
    losses = header.metrics.get("precision_loss_db", {})
    stored = header.training.get("rounding_loss_db")
    found = [f"{k} {v + 0:+.4f} dB" for k, v in losses.items()]
    if stored is not None:
        found.insert(
            0, f"weights stored as float16 {stored + 0:+.4f} dB (held-out images)"
        )
    return ", ".join(found) or "not measured"


def _training(record: dict[str, Any]) -> str:
    config = record["config"]
    how = config["training"]
    cores = "both cores" if how["num_threads"] == 2 else "one core"
    return (
        f"{record['steps']:,} steps, {record['patches']:,} patches of "
        f"{how['patch_size']} pixels, {record['seconds'] / 60:.0f} minutes on {cores} "
        f"of a busy 2-core CPU; {how['optimizer']}, loss {config['loss']['pixel']}. "
        f"Validation PSNR {record['validation_psnr']:.2f} dB."
    )


def _table(name: str, metrics: dict[str, Any]) -> str:
    if not metrics.get("psnr"):
        return ""
    lines = [card_table(metrics)]
    for label, by_folder in BESIDE.get(name, {}).items():
        for folder, figures in by_folder.items():
            cells = figures.replace(" / ", " | ")
            lines.append(f"| {folder}: {label} | {cells} |")
    return "\n".join(lines)


def _pairs(metrics: dict[str, Any]) -> str:
    pairs = metrics.get("pairs", {})
    if not pairs:
        return ""
    lines = [
        "| real pairs | noisy | denoised | SSIM | worst gain of a pair |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {label} ({p['num_pairs']} pairs) | {p['noisy']:.2f} | {p['psnr']:.2f} | "
        f"{p['ssim']:.4f} | {p['worst_gain']:+.2f} |"
        for label, p in pairs.items()
    ]
    return "\n".join(lines)


def write_card(info: Any) -> str:
    """One model's card, Markdown."""
    card, metrics = CARDS[info.name], info.header.metrics
    clean = ", ".join(f"{v:.1f} dB ({k})" for k, v in metrics.get("clean", {}).items())
    picture = PICTURES / f"{info.name}.jpg"
    parts = [
        f"## {info.name}",
        f"{card.use} {card.limits}",
        card.about,
        "\n".join(
            [
                (
                    f"- Weights: {info.path.stat().st_size / 1e6:.2f} MB. "
                    f"SHA-256 `{info.sha256}`."
                ),
                f"- Data: {card.data}. Terms: {info.licence}.",
                (
                    f"- Training: {card.before}{_training(info.header.training)} "
                    f"`gradnet models {info.name}` prints the exact configuration, "
                    f"`gradnet train --init {card.recipe}` writes a starting point."
                ),
                f"- Lost by 16-bit arithmetic, at most: {_loss(info.header)}.",
                f"- A clean image passed through keeps {clean or 'not measured'}.",
                f"- Measured by `{card.command}`.",
            ]
        ),
        _table(info.name, metrics),
        _pairs(metrics),
    ]
    if picture.is_file():
        link = picture.relative_to(ROOT).as_posix()
        parts += [card.fails, f"![failure cases of {info.name}](../{link})"]
    return "\n\n".join(part for part in parts if part)


def write_overview(infos: Any) -> str:
    """The README's table of all models, Markdown."""
    lines = ["| model | for | measured on | PSNR, dB |", "|---|---|---|---|"]
    for info in infos:
        use = re.split(r"[:.,] ", CARDS[info.name].use)[0].rstrip(".")
        metrics = info.header.metrics
        rows = []
        for folder, values in metrics.get("psnr", {}).items():
            other = not metrics["noise"]
            noises = ("" if other else "sigma ") + " / ".join(values)
            crop = metrics["crops"].get(folder)
            where = f"{folder} ({crop}x{crop})" if crop else folder
            if metrics["luma"] or info.channels == 1:
                where += ", luma"
            before = metrics["noisy"][folder] if other else {}
            figures = [
                f"{before[k]:.2f} → {v:.2f}" if other else f"{v:.2f}"
                for k, v in values.items()
            ]
            rows.append((f"{where}, {noises}", " / ".join(figures)))
        for label, p in metrics.get("pairs", {}).items():
            rows.append(
                (
                    f"{label}, {p['num_pairs']} real pairs",
                    f"{p['noisy']:.2f} → {p['psnr']:.2f}",
                )
            )
        for number, (where, figures) in enumerate(rows):
            first = (f"`{info.name}`", use) if number == 0 else ("", "")
            lines.append("| " + " | ".join((*first, where, figures)) + " |")
    return "\n".join(lines)


def _replace(path: Path, text: str) -> None:
    """Put text between the two marks of a file."""
    before, begin, rest = path.read_text().partition("<!-- cards -->\n")
    _, end, after = rest.partition("<!-- end of cards -->")
    if not (begin and end):
        message = f"{path} has no marks <!-- cards --> and <!-- end of cards -->"
        raise SystemExit(message)
    path.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def main() -> None:
    """Draw what is asked for, then write."""
    infos = api.list_models()
    if sys.argv[1:2] == ["pictures"]:
        PICTURES.mkdir(parents=True, exist_ok=True)
        for info in infos:
            if not sys.argv[2:] or info.name in sys.argv[2:]:
                picture = PICTURES / f"{info.name}.jpg"
                noise = CARDS[info.name].noise
                api.benchmark_failures(info.path, picture, noise=noise)
    _replace(ROOT / "weights" / "README.md", "\n\n".join(map(write_card, infos)))
    _replace(ROOT / "README.md", write_overview(infos))


if __name__ == "__main__":
    main()

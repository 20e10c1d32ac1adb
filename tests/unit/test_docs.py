"""The guide's pictures and links, where the documents lie beside the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_gradnet.api import ModelInfo, list_models

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "weights" / "README.md",
    *(p for p in (ROOT / "docs").rglob("*.md") if not p.parts[-2].startswith("_")),
]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
GENERATED = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    if page.parent == GENERATED:
        pytest.skip("made by the build")
    links = [x for x in LINK.findall(page.read_text("utf-8")) if "://" not in x]
    targets = [(page.parent / link).resolve() for link in links]
    missing = [t for t in targets if not t.exists() and t.parent != GENERATED]
    assert missing == []


def test_every_picture_is_shown_and_small() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    shots = [p for p in pictures if p.stem.endswith(("-dark", "-light"))]
    assert len(shots) >= 14
    assert {p.stem.removesuffix("-light") for p in shots if "-light" in p.stem} == {
        p.stem.removesuffix("-dark") for p in shots if "-dark" in p.stem
    }
    assert sum(p.stat().st_size for p in shots) < 3e6
    scenes = {re.sub("-(dark|light)$", "", p.stem) for p in shots}
    assert all(f"images/{scene}-" in text for scene in scenes)


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_every_model_has_a_card_of_its_own_file(info: ModelInfo) -> None:
    cards = (ROOT / "weights" / "README.md").read_text("utf-8")
    _, begin, card = cards.partition(f"\n## {info.name}\n")
    card = card.partition("\n## ")[0]
    assert begin
    assert f"SHA-256 `{info.sha256}`" in card
    for figures in info.header.metrics.get("psnr", {}).values():
        assert all(f"{figure:.2f}" in card for figure in figures.values())
    assert f"`{info.name}`" in (ROOT / "README.md").read_text("utf-8")

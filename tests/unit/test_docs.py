"""The guide's pictures and links, where the documents lie beside the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
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

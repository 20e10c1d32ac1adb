"""Run every command of the guide, page by page, each page in an empty folder.

``python docs/check_commands.py [PAGE ...]``. Blocks of ``sh`` and ``python`` are run in
their order, beside the files of ``docs/examples``; ``console`` blocks are for readers
alone (installations, clusters).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Generated, or not written by hand here.
LEFT_OUT = ("_build", "_generated", "reference", "cluster")


def check(page: Path) -> bool:
    """Run the blocks of a page; whether all of them succeed."""
    blocks = BLOCK.findall(page.read_text("utf-8"))
    if not blocks:
        return True
    sys.stdout.write(f"\n=== {page.relative_to(HERE)}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (HERE / "examples").iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        for kind, text in blocks:
            command = ["bash", "-euo", "pipefail", "-c", text]
            if kind == "python":
                command = [sys.executable, "-W", "error", "-c", text]
            sys.stdout.write(f"--- {kind}\n{text}")
            sys.stdout.flush()
            if subprocess.run(command, cwd=folder, check=False).returncode:
                sys.stdout.write(f"FAILED in {page}\n")
                return False
    return True


def main(names: list[str]) -> int:
    """Check the named pages, or all; return the exit code."""
    pages = [Path(name).resolve() for name in names] or sorted(
        page
        for page in HERE.rglob("*.md")
        if page.relative_to(HERE).parts[0] not in LEFT_OUT
    )
    results = [check(page) for page in pages]  # all of them, whatever fails
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the test suite, the GUI tests included where a window can be opened.

``python tests/run.py [pytest options]``, with napari, a Qt binding and pytest-qt
installed. On Linux a virtual display (Xvfb) is preferred to the screen. Where neither
works, the tests of ``tests/gui`` are left out and the run says so at its end; with
``GRADNET_REQUIRE_GUI=1`` it fails instead. This is a launcher and no pytest plugin
because pytest-qt ends the run at its start where Qt's system libraries are missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
XVFB = ("xvfb-run", "-a", "-s", "-screen 0 1280x800x24")
#: Opens what napari needs: a Qt application with an OpenGL context.
PROBE = """
from qtpy.QtGui import QOpenGLContext
from qtpy.QtWidgets import QApplication
app = QApplication([])
if not QOpenGLContext().create():
    raise SystemExit("no OpenGL context can be created")
"""
HINT = (
    "to run them, install Xvfb and Qt's system libraries (Debian, Ubuntu: the "
    "packages named in .ci/run), then repeat this command"
)


def find_display() -> tuple[tuple[str, ...], str]:
    """Command prefix under which a window opens, and why there is none (or "")."""
    prefixes = [XVFB] if shutil.which(XVFB[0]) and shutil.which("Xvfb") else []
    reason = "" if prefixes else "xvfb-run is not installed; "
    for prefix in [*prefixes, ()]:
        command = [*prefix, sys.executable, "-c", PROBE]
        try:
            probe = subprocess.run(
                command, capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            reason += "opening a window took more than two minutes; "
            continue
        if probe.returncode == 0:
            return prefix, ""
        lines = probe.stderr.strip().splitlines() or [f"exit code {probe.returncode}"]
        # Python's message stands last, Qt's first
        reason += f"{lines[-1 if 'Traceback' in probe.stderr else 0].strip()}; "
    return (), reason.removesuffix("; ")


def main(arguments: list[str]) -> int:
    """Run pytest with `arguments` and return its exit code."""
    os.environ.pop("QT_QPA_PLATFORM", None)  # `offscreen` has no OpenGL
    prefix, reason = find_display()
    options: list[str] = []
    if reason:
        message = f"tests/gui is not run, no window can be opened ({reason}); {HINT}"
        if os.environ.get("GRADNET_REQUIRE_GUI"):
            sys.stderr.write(f"error: {message}\n")
            return 1
        os.environ["GRADNET_GUI_NOT_RUN"] = message
        options = ["--ignore=tests/gui", "-p", "no:pytest-qt"]
    command = [*prefix, sys.executable, "-m", "pytest", *options, *arguments]
    return subprocess.call(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Measure how long the viewer keeps its user waiting while a stack is denoised.

``python -m napari_gradnet.widgets.benchmark`` opens napari with a stack of noise and
the Denoise widget, presses the button, and notes how late a timer of the GUI thread
fires until the result is there. Every wait is a moment in which the viewer answered to
nothing, whoever caused it: napari or the widget (own work), another program or the
network that had all processors, or a thread that held Python's lock.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEventLoop, QObject, Qt, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Pulse", "main"]

#: Milliseconds between two beats.
BEAT = 5
#: Longest wait that nobody notices, seconds.
LIMIT = 0.05
PLUGIN = "napari-gradnet"


def _time_queued() -> float:
    """Seconds that this thread has waited for a processor; 0 where nobody counts."""
    try:
        text = Path("/proc/thread-self/schedstat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(text.split()[1]) / 1e9


class Pulse(QObject):
    """Notes the waits of the GUI thread, and what it was doing in the long ones.

    Parameters
    ----------
    limit : float
        Seconds; of longer waits the GUI thread's stack is kept.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        super().__init__()
        self.limit = limit
        self.waits: list[tuple[float, float, float, str]] = []
        self.stacks: list[tuple[float, str]] = []
        self.phase = ""
        self._thread = threading.get_ident()
        self._last = self._cpu = self._queued = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT)
        self._timer.timeout.connect(self._beat)
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._last, self._cpu = time.perf_counter(), time.thread_time()
        self._queued = _time_queued()
        self._timer.start()
        self._watch.start()

    def stop(self) -> None:
        """End."""
        self._beat()
        self._timer.stop()
        self._stop.set()
        self._watch.join()

    def _beat(self) -> None:
        now, cpu, queued = time.perf_counter(), time.thread_time(), _time_queued()
        late = now - self._last - BEAT / 1000
        self.waits.append((late, cpu - self._cpu, queued - self._queued, self.phase))
        self._last, self._cpu, self._queued = now, cpu, queued

    def _look(self) -> None:
        seen = 0.0
        while not self._stop.wait(self.limit / 5):
            began = self._last
            if time.perf_counter() - began > self.limit and began != seen:
                seen = began
                frames = sys._current_frames()
                text = "".join(
                    "".join(traceback.format_stack(frame, 12)) + "--\n"
                    for thread, frame in frames.items()
                    if thread != threading.get_ident()
                )
                self.stacks.append((began, text))


def _wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the viewer work until something holds."""
    loop, timer = QEventLoop(), QTimer()
    end = time.monotonic() + seconds

    def look() -> None:
        if until() or time.monotonic() > end:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(20)
    loop.exec()
    timer.stop()


def _report(pulse: Pulse, *, stacks: bool) -> None:
    write = sys.stdout.write
    for phase in dict.fromkeys(p for *_, p in pulse.waits):
        waits = np.array([w for *w, p in pulse.waits if p == phase])
        late, cpu, queued = 1e3 * waits.T
        worst = int(late.argmax())
        rest = late - cpu - queued
        write(
            f"{phase:20s} longest {late.max():6.1f} ms: own work {cpu[worst]:.1f}, "
            f"no processor {queued[worst]:.1f}, locks {rest[worst]:.1f}; 99 % "
            f"{np.percentile(late, 99):.1f} ms; longest own work {cpu.max():.1f}, "
            f"no processor {queued.max():.1f}, locks {rest.max():.1f}; over "
            f"{1e3 * pulse.limit:.0f} ms: {int((late > 1e3 * pulse.limit).sum())} of "
            f"{len(late)}\n"
        )
    if stacks:
        for _, text in pulse.stacks:
            write(f"==== a long wait\n{text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns 1 where a wait was over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(20, 2048, 2048))
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seconds", type=float, default=600, help="cancel after these")
    parser.add_argument("--stacks", action="store_true", help="say what was at work")
    options = parser.parse_args(arguments)
    import napari

    viewer = napari.Viewer()
    rng = np.random.default_rng(0)
    image = rng.integers(100, 4000, options.shape).astype(np.uint16)
    viewer.add_image(image, name="noise")
    _wait(lambda: False, 2)
    pulse = Pulse()
    pulse.phase = "idle"
    pulse.start()
    _wait(lambda: False, 2)
    pulse.phase = "opening the widget"
    began = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise (GradNet)")
    opened = time.perf_counter() - began
    _wait(lambda: False, 1)
    pulse.phase = "looking for models"
    _wait(lambda: not widget.scout.running, 60)
    if options.model != "auto":
        widget.models.box.setCurrentIndex(widget.models.box.findData(options.model))
    pulse.phase = "denoising"
    # connected last: the widget has added its layer by then, in the same beat
    widget.job.ended.connect(lambda _: setattr(pulse, "phase", "adding the result"))
    widget.bar.buttons["Denoise"].click()
    _wait(lambda: not widget.job.running, options.seconds)
    widget.cancel()
    _wait(lambda: not widget.job.running, 60)
    _wait(lambda: False, 1)
    pulse.stop()
    sys.stdout.write(f"opened in {opened:.3f} s\n")
    _report(pulse, stacks=options.stacks)
    viewer.close()
    late = max((w for w, _, _, p in pulse.waits if p == "denoising"), default=0.0)
    return int(late > LIMIT)


if __name__ == "__main__":
    sys.exit(main())

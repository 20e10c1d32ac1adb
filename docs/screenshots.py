"""Take the pictures of the guide: each widget in use, in the dark and the light theme.

``xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py [SCENE ...]``, with
the extra ``all`` installed. The images are the plugin's sample data and those of the
tutorials, the models the packaged ones, settings and models folder those of an empty
folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

HERE = Path(__file__).resolve().parent
IMAGES = HERE / "images"
PLUGIN = "napari-gradnet"
SIZE = (1280, 800)
#: Seconds that a scene may take.
PATIENCE = 900


class Stage:
    """A viewer of its own for a scene.

    Parameters
    ----------
    name : str
        Of the scene and its pictures.
    folder : Path
        For what the scene writes.
    """

    def __init__(self, name: str, folder: Path) -> None:
        import napari

        self.name, self.folder = name, folder
        self.viewer: napari.Viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)

    def dock(self, title: str) -> Any:
        """Open a widget of the plugin."""
        _, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, title)
        scout = getattr(widget, "scout", None)
        if scout is not None:
            self.wait(lambda: not scout.running)
        return widget

    def wait(self, ready: Callable[[], bool]) -> None:
        """Let the viewer work until something is there."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > end:
                msg = f"scene {self.name}: nothing came in {PATIENCE} s"
                raise TimeoutError(msg)
            QApplication.processEvents()
            time.sleep(0.01)

    def pause(self, seconds: float) -> None:
        """Let the viewer draw."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def press(self, widget: Any, button: str) -> None:
        """Press a button of a widget's bar and wait for the end of the work."""
        ended: list[object] = []
        widget.job.ended.connect(ended.append)
        widget.bar.buttons[button].click()
        self.wait(lambda: bool(ended))
        self.pause(0.2)

    def zoom(self, factor: float) -> None:
        """Fit the image and come nearer."""
        self.viewer.reset_view()
        scene = getattr(self.viewer, "scene", self.viewer)
        scene.camera.zoom *= factor
        self.pause(0.3)

    def shoot(self, name: str = "") -> None:
        """Write the window in both themes, as PNG files of 256 colours."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        for theme in ("dark", "light"):
            self.viewer.theme = theme
            self.pause(1.0)
            for message in self.viewer.window._qt_viewer.findChildren(
                NapariQtNotification
            ):
                message.close()
            self.pause(0.5)
            path = self.folder / "whole.png"
            self.viewer.window._qt_window.grab().save(str(path))
            write_small(path, IMAGES / f"{name or self.name}-{theme}.png")

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()


def write_small(source: Path, target: Path) -> None:
    """Write a picture with 256 colours of its own."""
    from PIL import Image

    with Image.open(source) as picture:
        small = picture.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        small.save(target, optimize=True)
    sys.stdout.write(f"{target.name} {target.stat().st_size / 1e3:.0f} kB\n")


# ---------------------------------------------------------------------- scenes


def denoise(stage: Stage) -> None:
    """A fluorescence stack, denoised."""
    stage.viewer.open_sample(PLUGIN, "fluorescence_stack")
    widget = stage.dock("Denoise (GradNet)")
    stage.press(widget, "Denoise")
    stage.zoom(1.0)
    stage.shoot()


def photo(stage: Stage) -> None:
    """A photo, denoised in the view."""
    stage.viewer.open_sample(PLUGIN, "photo")
    widget = stage.dock("Denoise (GradNet)")
    stage.zoom(1.6)
    stage.press(widget, "Preview")
    widget.advanced.expand(animate=False)
    stage.shoot()


def naive(stage: Stage) -> None:
    """The noise law of a stack and a preview."""
    stage.viewer.open_sample(PLUGIN, "fluorescence_stack")
    widget = stage.dock("Naive denoise")
    stage.wait(lambda: widget.noise is not None)
    widget.methods.setCurrentText("bm3d")
    stage.press(widget, "Preview")
    stage.shoot()


def gradient(stage: Stage) -> None:
    """The gradient of a photo, noisy and denoised side by side."""
    stage.viewer.open_sample(PLUGIN, "photo")
    denoiser = stage.dock("Denoise (GradNet)")
    stage.press(denoiser, "Denoise")
    stage.viewer.window.remove_dock_widget(denoiser.parent())
    widget = stage.dock("Gradient")
    layers = stage.viewer.layers
    widget.layers.set_layer(layers["photo, noisy"])
    widget.beside.set_layer(layers["photo, noisy denoised"])
    stage.press(widget, "Compute")
    for layer in layers:
        layer.visible = "gradient" in layer.name
    for layer in layers[-2:]:
        layer.contrast_limits = (0, 250)
    stage.zoom(1.0)
    stage.shoot()


def train(stage: Stage) -> None:
    """A small network, trained for some minutes on a pair of stacks."""
    from napari_gradnet.widgets import _train_session

    stage.viewer.open_sample(PLUGIN, "fluorescence_stack")
    widget = stage.dock("Train")
    stage.pause(0.5)
    form = widget.form
    form.name.setText("my-cells")
    stage.shoot("train-form")
    form.open_recipe(HERE / "examples" / "small.yaml")
    form.minutes.setValue(12)
    _train_session._STEP_BACK = 0  # nobody waits for this viewer
    widget.start()
    stage.wait(lambda: widget.pages.currentIndex() == 1)
    session = widget.monitor.session
    stage.wait(lambda: len(session.history.psnr.points) > 9 or not session.active)
    stage.shoot()
    session.pause()
    stage.wait(lambda: not session.active)


def batch(stage: Stage) -> None:
    """Files of the tutorials, one of them cut off."""
    script = HERE / "examples" / "make_images.py"
    subprocess.run([sys.executable, str(script)], cwd=stage.folder, check=True)
    whole = (stage.folder / "cells.tif").read_bytes()
    (stage.folder / "photos" / "cut-off.tif").write_bytes(whole[:100_000])
    os.chdir(stage.folder)
    stage.viewer.open_sample(PLUGIN, "fluorescence_stack")
    widget = stage.dock("Batch")
    widget.form.inputs.add(["photos"])
    widget.form.output.setText("denoised")
    stage.press(widget, "Run")
    stage.shoot()


def compare(stage: Stage) -> None:
    """What was removed, with the curtain in the canvas."""
    stage.viewer.open_sample(PLUGIN, "fluorescence_stack")
    widget = stage.dock("Denoise (GradNet)")
    stage.press(widget, "Denoise")
    stage.viewer.window.remove_dock_widget(widget.parent())
    compared = stage.dock("Compare")
    stage.zoom(1.0)
    compared.curtain_button.click()
    stage.pause(1.0)
    stage.shoot("curtain")
    compared.curtain_button.click()
    compared.tabs.setCurrentWidget(compared.noise)
    stage.press(compared.noise, next(iter(compared.noise.bar.buttons)))
    stage.shoot()


SCENES = {
    scene.__name__: scene
    for scene in (denoise, photo, naive, gradient, train, compare, batch)
}


def main(names: list[str]) -> int:
    """Shoot the named scenes, or all; return the exit code."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # before napari is imported: the user's settings are left alone
        os.environ["NAPARI_CONFIG"] = str(folder / "settings.yaml")
        os.environ["XDG_DATA_HOME"] = str(folder)
        IMAGES.mkdir(exist_ok=True)
        for scene in names or SCENES:
            stage = Stage(scene, folder)
            try:
                SCENES[scene](stage)
            finally:
                stage.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The page of the Train widget that watches a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet import api
from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._copies import copy_text, script_buttons
from napari_gradnet.widgets._parts import note
from napari_gradnet.widgets._train_plot import CurvePlot, PicturePlot

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_gradnet.widgets._train_session import TrainingSession

__all__ = ["TrainMonitor"]

_TITLES = {
    "starting": "{} is starting",
    "running": "{} is being trained",
    "pausing": "{} is being paused",
    "paused": "{} is paused",
    "finishing": "{} is being stopped",
    "finished": "{} is ready",
    "failed": "{} has failed",
}


def _heading() -> QLabel:
    label = QLabel()
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


class TrainMonitor(QWidget):
    """Shows a training and its buttons.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the preview, when it is wanted there.
    """

    left = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self.session: TrainingSession | None = None
        self._layer: Image | None = None
        self._build()

    def _build(self) -> None:
        self.title = _heading()
        self.bar = QProgressBar()
        self.bar.setFormat("%p %")
        self.status = note()
        self.status.setMinimumHeight(3 * self.status.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.notes = note()
        self.pause_button = QPushButton("Pause")
        self.pause_button.setToolTip("Writes a checkpoint and frees the memory")
        self.pause_button.clicked.connect(self.pause_or_resume)
        self.stop_button = QPushButton("Stop, keep the best")
        self.stop_button.setToolTip("Makes a model of the best weights so far")
        self.stop_button.clicked.connect(self.stop)
        self.psnr = CurvePlot("PSNR of held-out images", "dB")
        self.loss = CurvePlot("Training loss, logarithmic", logarithmic=True)
        self.picture = PicturePlot()
        self.in_viewer = QCheckBox("Show it in the viewer too")
        self.in_viewer.toggled.connect(self._show_layer)
        self.back_button = QPushButton("New training ...")
        self.back_button.clicked.connect(self._leave)
        buttons = QHBoxLayout()
        buttons.addWidget(self.pause_button)
        buttons.addWidget(self.stop_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.title)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addLayout(buttons)
        for part in (self.psnr, self.loss, self.picture, self.in_viewer, self.notes):
            column.addWidget(part)
        column.addLayout(script_buttons(self.copy_python, self.copy_command))
        column.addWidget(self.back_button)
        column.addStretch()

    def watch(self, session: TrainingSession) -> None:
        """Show a training from now on."""
        if self.session is not session:
            self._forget()
            self.session = session
            session.changed.connect(self.refresh)
            session.measured.connect(self.refresh)
            session.pictured.connect(self._on_picture)
        self.picture.setVisible(False)
        self.in_viewer.setVisible(False)
        self._layer = None
        self.refresh()
        self._on_picture()

    def _forget(self) -> None:
        if self.session is not None:
            self.session.changed.disconnect(self.refresh)
            self.session.measured.disconnect(self.refresh)
            self.session.pictured.disconnect(self._on_picture)

    def refresh(self) -> None:
        """Show how it stands."""
        session = self.session
        if session is None:
            return
        history, state = session.history, session.state
        self.title.setText(_TITLES[state].format(session.name))
        self.bar.setRange(0, 0 if state == "starting" else 1000)
        done = 1.0 if state == "finished" else history.progress
        self.bar.setValue(round(1000 * done))
        self.status.setText(session.message)
        self.notes.setText("\n".join(session.notes))
        self.notes.setVisible(bool(session.notes))
        going = state in ("starting", "running")
        self.pause_button.setText("Pause" if session.active else "Resume")
        self.pause_button.setEnabled(going or state in ("paused", "failed"))
        self.stop_button.setEnabled(
            going or (state in ("paused", "failed") and session.checkpoint)
        )
        self.back_button.setEnabled(not session.active)
        known = history.psnr.points or not session.active
        self.psnr.waiting = "" if known else "comes with the first validation"
        self.loss.set_points(history.loss.points)
        self.psnr.set_points(history.psnr.points, history.noisy_psnr)

    def _call(self, action: Any) -> None:
        try:
            action()
        except GradNetError as error:
            show_error(str(error))

    def pause_or_resume(self) -> None:
        """Pause, or go on."""
        if self.session is not None:
            active = self.session.active
            self._call(self.session.pause if active else self.session.start)

    def stop(self) -> None:
        """Stop and make a model of the best weights."""
        if self.session is not None:
            self._call(self.session.finish)

    def _leave(self) -> None:
        self.left.emit()

    # --------------------------------------------------------------- preview

    def _on_picture(self) -> None:
        if self.session is None or self.session.history.picture is None:
            return
        self.picture.set_file(self.session.history.picture)
        self.picture.setVisible(True)
        self.in_viewer.setVisible(True)
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None  # removed by hand: it is not wanted any more
            self.in_viewer.setChecked(False)
        self._show_layer()

    def _show_layer(self, _: bool = False) -> None:
        session = self.session
        if not self.in_viewer.isChecked() or session is None:
            return
        path = session.history.picture
        if path is None:
            return
        try:
            with api.open_image(path) as source:
                image = next(iter(source.iter_planes()))
        except GradNetError as error:  # the next one comes soon
            self.status.setText(str(error))
            return
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = image
            return
        name = f"{session.name}: noisy, denoised, clean"
        self._layer = self._viewer.add_image(image, name=name, rgb=image.ndim == 3)

    # ------------------------------------------------------------------ copy

    def copy_python(self) -> None:
        """Put a script that trains the same on the clipboard."""
        if self.session is not None:
            copy_text("Python script", self.session.python_script)

    def copy_command(self) -> None:
        """Put a shell command that trains the same on the clipboard."""
        if self.session is not None:
            copy_text("command", self.session.command)

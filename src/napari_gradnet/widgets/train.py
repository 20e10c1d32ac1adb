"""The Train widget: a network of one's own, from layers or folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet.errors import GradNetError
from napari_gradnet.widgets._form import Form
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._models import SHELF, Scout
from napari_gradnet.widgets._parts import note, unwrap
from napari_gradnet.widgets._scrolled import ScrolledPage
from napari_gradnet.widgets._train_check import TrainingCheck
from napari_gradnet.widgets._train_data import collect_images
from napari_gradnet.widgets._train_form import TrainForm
from napari_gradnet.widgets._train_keep import new_run_folder, runs_folder
from napari_gradnet.widgets._train_monitor import TrainMonitor
from napari_gradnet.widgets._train_options import (
    build_config,
    read_config,
    write_config,
)
from napari_gradnet.widgets._train_session import current_session, open_session

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel

    from napari_gradnet.events import Event, Progress
    from napari_gradnet.widgets._train_data import FolderChoice, LayerChoice
    from napari_gradnet.widgets._train_options import TrainOptions

__all__ = ["TrainWidget"]


def _prepare(
    choice: LayerChoice | FolderChoice, options: TrainOptions, folder: Path
) -> Generator[Event, None, str]:
    """Write images and configuration into a folder; returns what to tell of them."""
    from napari_gradnet import api

    try:
        settings = read_config(options.recipe).get("training") or {}
        patch_size = options.patch_size or int(settings.get("patch_size", 80))
        header = None
        if options.start is not None:
            header = api.open_model(options.start, device="cpu").header
        images = yield from collect_images(choice, folder / "images", patch_size)
        write_config(folder / "config.yaml", build_config(options, images, header))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # made for this training alone
        raise
    return images.message


class TrainWidget(Form):
    """Train a network, in a process of its own.

    The training goes on when the widget is closed; opening it again shows it.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Where layers come from.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        viewer = unwrap(napari_viewer)
        self.form = TrainForm(viewer)
        self.monitor = TrainMonitor(viewer)
        self._folder = Path()
        self._checking, self._message = False, ""
        self._lay_out()
        self.job = Job(self)
        self.job.progressed.connect(self._on_progress)
        self.job.ended.connect(self._on_prepared)
        self.check = TrainingCheck(self)
        self.check.ended.connect(self._on_checked)
        self.destroyed.connect(self.check.close)
        self.monitor.left.connect(self.show_form)
        self.scout = Scout(self, self.form.set_inventory)
        SHELF.changed.connect(self.scout.look_again)
        session = current_session()
        if session is not None:
            self.monitor.watch(session)
            self.pages.setCurrentIndex(1)

    def _lay_out(self) -> None:
        self.estimate_button = QPushButton("Estimate")
        self.estimate_button.setToolTip(
            "Runs a few steps: how long and how much memory"
        )
        self.start_button = QPushButton("Start")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.resume_button = QPushButton("Resume a training ...")
        self.resume_button.setToolTip("Go on with what a run folder holds")
        self.estimate_button.clicked.connect(self.estimate)
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.resume_button.clicked.connect(self._ask_folder)
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.status = note()
        buttons = QHBoxLayout()
        for button in (self.estimate_button, self.start_button, self.cancel_button):
            buttons.addWidget(button)
        first = QWidget()
        column = QVBoxLayout(first)
        column.addWidget(self.form)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addWidget(self.resume_button)
        column.addStretch()
        second = QWidget()
        QVBoxLayout(second).addWidget(self.monitor)
        self.pages = QStackedWidget()
        for page in (first, second):
            self.pages.addWidget(ScrolledPage(page))
        # else napari leaves half of the height empty
        both = QSizePolicy.Policy.MinimumExpanding
        self.setSizePolicy(QSizePolicy.Policy.Preferred, both)
        self.pages.setSizePolicy(QSizePolicy.Policy.Preferred, both)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.pages)

    def show_form(self) -> None:
        """Show the form again; the training that was watched stays as it is."""
        self.pages.setCurrentIndex(0)

    # ------------------------------------------------------------------ start

    def estimate(self) -> None:
        """Say how long the training would take and how much memory."""
        self._begin(checking=True)

    def start(self) -> None:
        """Start the training."""
        self._begin(checking=False)

    def _begin(self, *, checking: bool) -> None:
        if self.job.running or self.check.running:
            show_warning("this widget is still at work: cancel it first")
            return
        session = current_session()
        if not checking and session is not None and session.active:
            show_warning(f"{session.name} is being trained: pause or stop it first")
            return
        try:
            choice, options = self.form.choice(), self.form.options()
            folder = (
                self.check.new_folder() if checking else new_run_folder(options.name)
            )
        except (GradNetError, OSError) as error:
            show_error(str(error))
            return
        self._checking, self._folder = checking, folder
        self.form.name.setText(options.name)
        self._at_work("Preparing the images ...")
        self.job.start(_prepare(choice, options, folder))

    def cancel(self) -> None:
        """End what prepares a training."""
        self.job.cancel()
        self.check.cancel()

    def _at_work(self, text: str) -> None:
        self.status.setText(text)
        self.bar.setRange(0, 0)
        self.bar.setVisible(True)
        self._enable(False)

    def _enable(self, idle: bool) -> None:
        for button in (self.estimate_button, self.start_button, self.resume_button):
            button.setEnabled(idle)
        self.cancel_button.setEnabled(not idle)

    def _idle(self, text: str) -> None:
        self.status.setText(text)
        self.bar.setVisible(False)
        self._enable(True)

    def _on_progress(self, event: Progress) -> None:
        self.bar.setRange(0, event.total)
        self.bar.setValue(event.done)

    def _on_prepared(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._idle("Failed: see the notification.")
            self.check.close()
            show_error(str(outcome.error))
        elif outcome.cancelled:
            self._idle("Cancelled.")
            self.check.close()
        elif self._checking:
            self._message = str(outcome.value)
            self._at_work("Running a few steps ...")
            self.check.start()
        else:
            self._idle(str(outcome.value))
            self._open(self._folder, str(outcome.value))

    def _on_checked(self, text: str) -> None:
        self._idle("\n".join(t for t in (text, self._message) if t))

    def _open(self, folder: Path, message: str = "") -> None:
        try:
            name = read_config(str(folder / "config.yaml"))["name"]
            session = open_session(folder, name)
            session.hint = message
            session.start()
        except GradNetError as error:
            show_error(str(error))
            return
        self.monitor.watch(session)
        self.pages.setCurrentIndex(1)

    # ----------------------------------------------------------------- resume

    def _ask_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(
            self, "Resume the training of a run folder", str(runs_folder())
        )
        if name:
            self.resume(Path(name))

    def resume(self, folder: Path) -> None:
        """Go on with a training from its run folder."""
        if not (folder / "last.pt").exists():
            show_error(
                f"{folder} holds no training to resume: choose a folder with a "
                "last.pt, as 'gradnet train' and this widget write it"
            )
            return
        self._open(folder)

    def _wind_up(self) -> None:
        self.cancel()

    def closeEvent(self, event: Any) -> None:
        """End an estimate; a training goes on."""
        self.cancel()
        super().closeEvent(event)

"""The Batch widget: many files, denoised one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import (
    QPlainTextEdit,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_gradnet import api
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Progress
from napari_gradnet.widgets._batch_form import BatchForm
from napari_gradnet.widgets._batch_table import FileTable
from napari_gradnet.widgets._copies import copy_text, script_buttons
from napari_gradnet.widgets._form import Form
from napari_gradnet.widgets._job import Job, Outcome
from napari_gradnet.widgets._models import Scout
from napari_gradnet.widgets._parts import unwrap
from napari_gradnet.widgets._run_bar import RunBar
from napari_gradnet.widgets._scrolled import ScrolledPage
from napari_gradnet.widgets._task import sentence_of
from napari_gradnet.widgets._timing import in_words

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel

    from napari_gradnet.batch.events import BatchReport, FileEvent
    from napari_gradnet.events import Event
    from napari_gradnet.widgets._batch_options import BatchSettings

__all__ = ["BatchWidget"]

#: Steps of the bar a file.
_STEPS = 1000


class BatchWidget(Form):
    """Denoise files into a folder, in threads; it can be stopped and gone on with.

    Parameters
    ----------
    napari_viewer : ViewerModel
        Its window shows the progress in the Activity panel.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = unwrap(napari_viewer)
        self.form = BatchForm()
        self.table = FileTable()
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(5000)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.table, "Files")
        self.tabs.addTab(self.log, "Log")
        self.bar = RunBar(self._viewer, {"Run": self.run}, self._cancel)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        column.addWidget(self.bar)
        column.addWidget(self.tabs, 1)
        column.addLayout(script_buttons(self.copy_python, self.copy_command))
        QVBoxLayout(self).addWidget(ScrolledPage(page))
        self.job = Job(self)
        self.job.progressed.connect(self._on_event)
        self.job.ended.connect(self._on_ended)
        self.scout = Scout(self, self.form.set_inventory)

    # ------------------------------------------------------------------ work

    def run(self) -> None:
        """Denoise the files, or go on with them."""
        if self.job.running:
            show_warning("this widget is still at work: cancel it first")
            return
        options = self.form.settings()
        try:
            options.check()
        except GradNetError as error:
            show_warning(str(error))
            return
        self.table.begin()
        self.log.clear()
        self.form.restart.setChecked(False)  # what this run finishes is not begun anew
        self.bar.begin("Looking for files")
        self.job.start(_iter_files(options))

    def _cancel(self) -> None:
        self.job.cancel()
        self.bar.status.setText("Stopping: the planes under way are finished first ...")

    def _on_event(self, event: FileEvent | Progress) -> None:
        if isinstance(event, Progress):
            return
        self.table.show_event(event)
        if event.state in ("done", "failed", "skipped"):
            self._write_log(event)
        stopping = not self.bar.cancel_button.isEnabled()
        told = self.bar.status.text()
        done = min(round(_STEPS * self.table.share), _STEPS * event.count)
        self.bar.show_progress(Progress(done, _STEPS * event.count, "file"))
        # Qt has worked meanwhile: the end, or Cancel, may have said something else
        if not self.job.running:
            return
        if stopping:
            self.bar.status.setText(told)
        elif self.bar.cancel_button.isEnabled():
            self.bar.status.setText(self._so_far(event))

    def _so_far(self, event: FileEvent) -> str:
        left = "" if event.time_left is None else f", {in_words(event.time_left)} left"
        return f"{event.finished} of {event.count} files{left}"

    def _write_log(self, event: FileEvent) -> None:
        words = {"done": "done", "skipped": "done before", "failed": "FAILED"}
        line = str(event.path)
        if event.state == "done":
            line += f" \u2192 {event.output} ({in_words(event.seconds)})"
        if event.message.startswith(str(event.path)):
            line = event.message
        elif event.message:
            line += f": {event.message}"
        self.log.appendPlainText(f"{words[event.state]}: {line}")

    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.table.stop()
            self.bar.end("Failed: see the notification.")
            self.log.appendPlainText(sentence_of(outcome.error))
            show_error(sentence_of(outcome.error))
        elif outcome.cancelled:
            self.table.stop()
            self.bar.end("Stopped. Run goes on with what is missing.")
        elif outcome.value is not None:
            self._tell(outcome.value)

    def _tell(self, report: BatchReport) -> None:
        done, skipped = report.count("done"), report.count("skipped")
        text = f"{done} done, {skipped} done before, {len(report.failed)} failed"
        self.bar.end(f"{text}, in {in_words(report.seconds)}.")
        if report.failed:
            names = ", ".join(r.path.name for r in report.failed[:3])
            more = " ..." if len(report.failed) > 3 else ""
            show_warning(
                f"{len(report.failed)} of {len(report.files)} files failed ({names}"
                f"{more}): the log says why; the others are done"
            )

    # --------------------------------------------------------------- scripts

    def copy_python(self) -> None:
        """Put the Python script on the clipboard."""
        copy_text("Python script", self.form.settings().python_script)

    def copy_command(self) -> None:
        """Put the shell command on the clipboard."""
        copy_text("command", self.form.settings().command_line)


def _iter_files(options: BatchSettings) -> Generator[Event, None, BatchReport]:
    """Start the batch in the thread: it brings torch."""
    yield Progress(0, 1, "file")
    report: BatchReport = yield from api.iter_denoise_files(
        options.inputs, options.output, **options.changed()
    )
    return report

"""Many files in, many files out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.plan import FilePlan, plan_batch
from napari_gradnet.batch.run import iter_batch
from napari_gradnet.events import OnEvent, drain

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Mapping, Sequence

    from napari_gradnet.batch.events import BatchReport, FileEvent

    AnyPath = str | os.PathLike[str]

__all__ = ["denoise_files", "iter_denoise_files", "plan_files"]


def iter_denoise_files(  # noqa: PLR0913 - one option a line, all but two by name
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    *,
    model: AnyPath = "auto",
    naive: str | None = None,
    gradient: str | None = None,
    workers: int | str = "auto",
    scheduler: Any = None,
    local_cluster: int | None = None,
    overwrite: bool = False,
    restart: bool = False,
    watch: bool = False,
    settle_seconds: float = 5.0,
    format: str = "same",  # noqa: A002 - what users call it
    zarr: Mapping[str, Any] | None = None,
    **options: Any,
) -> Generator[FileEvent, None, BatchReport]:
    """Do the work of `denoise_files` as a generator of events.

    Closing the generator, or an exception where it is consumed, cancels the work within
    one plane or block; what is finished is kept, and the same call goes on with it.

    Parameters
    ----------
    inputs, output, model, naive, gradient, workers, scheduler, local_cluster
        See `denoise_files`.
    overwrite, restart, watch, settle_seconds, format, zarr, **options
        See `denoise_files`.

    Yields
    ------
    FileEvent
        ``queued`` for all files; then ``skipped``, or ``started``, ``progress``,
        ``done`` or ``failed``, several files at a time.

    Returns
    -------
    BatchReport
    """
    chosen = _options(model, naive, gradient, format, zarr, options)
    return (
        yield from iter_batch(
            inputs,
            output,
            chosen,
            workers=workers,
            scheduler=scheduler,
            local_cluster=local_cluster,
            overwrite=overwrite,
            restart=restart,
            watch=watch,
            settle_seconds=settle_seconds,
        )
    )


def _options(
    model: AnyPath,
    naive: str | None,
    gradient: str | None,
    format: str,  # noqa: A002 - as in the public function
    zarr: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> BatchOptions:
    given = {
        "model": str(model),
        "naive": naive,
        "gradient": gradient,
        "format": format,
        "zarr": dict(zarr or {}),
        **options,
    }
    return BatchOptions.parse(given, "options")


def denoise_files(
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    *,
    on_event: OnEvent | None = None,
    **options: Any,
) -> BatchReport:
    """Denoise many files; a bad one is reported and the rest goes on.

    A journal in the output folder records what is finished. The same call after a
    crash, a power cut or a cancellation does only what is missing, and the outputs are
    the same to the byte as without the interruption. Outputs appear under their names
    only when they are whole.

    Parameters
    ----------
    inputs : path or sequence of path
        Files (TIFF, PNG, JPEG), OME-Zarr folders, folders with all that is below them,
        patterns such as ``"raw/**/*.tif"``, and ``.csv`` lists with a column ``input``,
        perhaps ``output``, and any of the options below as further columns.
    output : path
        Folder for the outputs, made if missing; the tree of the inputs is kept.
    on_event : callable, optional
        Called with every `FileEvent`; raising an exception in it cancels.
    **options
        ``model`` : str or path
            ``"auto"``, a packaged model's name or a file.
        ``naive`` : str
            A naive method instead of the network; before it where `model` is named.
        ``gradient`` : str
            Kind of gradient, at the end; alone where `model` is not named.
        ``workers`` : int or "auto"
            Threads that compute on this machine.
        ``scheduler`` : str or distributed.Client
            Address of a dask scheduler (``"tcp://host:8786"``) or a client: its
            workers compute, and must see inputs and outputs under the same paths.
        ``local_cluster`` : int
            Processes of a dask cluster on this machine, instead.
        ``overwrite`` : bool
            Replace existing outputs (never inputs).
        ``restart`` : bool
            Forget what earlier runs did of these files and do them anew.
        ``watch`` : bool
            Wait for files that arrive in the folders `inputs`, without end.
        ``settle_seconds`` : float
            While watching: a file unchanged for so long, 5 by default, is taken.
        ``format`` : {"same", "ome-zarr"}
            Of the outputs.
        ``zarr`` : mapping
            Layout of OME-Zarr outputs: the fields of `io.ZarrLayout`.
        others
            ``axes``, ``device``, ``precision``, ``tile``, ``ensemble``, ``vst``,
            ``nan``, ``dtype``, ``value_range``: see `denoise`;
            ``sigma``, ``sigma_factor``: see `naive_denoise`.

    Returns
    -------
    BatchReport
        Also written to ``gradnet-report.csv`` and ``.json`` in `output`.

    Raises
    ------
    InputError
        Nothing is found, two inputs would make one output, an option is wrong, or
        outputs were begun with other options. What concerns one file only is no error
        but stands in the report.
    ConfigError
        An option or a list's column is unknown.
    """
    return drain(iter_denoise_files(inputs, output, **options), on_event)


def plan_files(  # noqa: PLR0913 - the options of `denoise_files`
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    *,
    model: AnyPath = "auto",
    naive: str | None = None,
    gradient: str | None = None,
    workers: int | str = "auto",
    format: str = "same",  # noqa: A002 - what users call it
    overwrite: bool = False,
    restart: bool = False,
    **options: Any,
) -> list[FilePlan]:
    """Say what `denoise_files` would do; nothing is written.

    Parameters
    ----------
    inputs, output, model, naive, gradient, workers, format, overwrite, restart
        See `denoise_files`.
    **options
        See `denoise_files`.

    Returns
    -------
    list of FilePlan
        Input, output, axes, shape, and the seconds it may take, from a short trial of
        the first file that can be read.
    """
    zarr = options.pop("zarr", None)
    chosen = _options(model, naive, gradient, format, zarr, options)
    return plan_batch(
        inputs,
        output,
        chosen,
        workers=workers,
        overwrite=overwrite,
        restart=restart,
    )

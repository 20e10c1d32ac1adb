"""The way to a dask scheduler."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from napari_gradnet.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["connect"]


@contextlib.contextmanager
def connect(scheduler: Any, local_cluster: int | None) -> Iterator[Any]:
    """Reach a scheduler, or start one with workers on this machine.

    Parameters
    ----------
    scheduler : str or distributed.Client
        An address, or a client, which stays open.
    local_cluster : int, optional
        Worker processes on this machine.

    Yields
    ------
    distributed.Client

    Raises
    ------
    MissingDependencyError
        dask.distributed is not installed.
    InputError
        Nobody answers at the address, or both are given.
    """
    if scheduler is not None and local_cluster is not None:
        msg = "scheduler and local_cluster exclude each other: give one of them"
        raise InputError(msg)
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        msg = (
            "dask.distributed is needed for a cluster: "
            "pip install 'napari-gradnet[cluster]'"
        )
        raise MissingDependencyError(msg) from error
    if isinstance(scheduler, Client):
        yield scheduler
    elif scheduler is not None:
        try:
            client = Client(str(scheduler), timeout=10)
        except (OSError, ValueError) as error:
            msg = f"no dask scheduler answers at {scheduler}: {error}"
            raise InputError(msg) from error
        with client:
            yield client
    else:
        if local_cluster is None or local_cluster < 1:
            msg = f"local_cluster={local_cluster}: give at least 1 worker process"
            raise InputError(msg)
        with (
            LocalCluster(
                n_workers=local_cluster,
                threads_per_worker=1,
                dashboard_address=":0",
                silence_logs=50,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client

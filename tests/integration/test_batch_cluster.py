"""A batch on a dask cluster: the same bytes, and a killed worker costs nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.tiny_models import write_tiny_model

from napari_gradnet import api
from napari_gradnet.batch.book import Book
from napari_gradnet.batch.cluster import ClusterEngine
from napari_gradnet.batch.connect import connect
from napari_gradnet.batch.inputs import Task
from napari_gradnet.batch.journal import Journal
from napari_gradnet.batch.opening import Opener
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.batch.simulated import SimulatedJob
from napari_gradnet.batch.volume import VolumeJob
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two worker processes."""
    with connect(None, 2) as connected:
        yield connected


@pytest.fixture
def inputs(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        tifffile.imwrite(
            folder / f"{number}.tif", rng.poisson(99, (30, 31)).astype(np.uint16)
        )
    stack = rng.poisson(99, (80, 24, 25)).astype(np.uint16)
    tifffile.imwrite(folder / "stack.tif", stack, imagej=True)
    (folder / "cut.tif").write_bytes((folder / "stack.tif").read_bytes()[:30000])
    return folder


def images(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*.tif")}


def test_the_same_bytes_as_on_one_machine(
    client: Any, inputs: Path, tmp_path: Path
) -> None:
    here = api.denoise_files(inputs, tmp_path / "here", naive="median")
    states: dict[str, list[str]] = {}
    report = api.denoise_files(
        inputs,
        tmp_path / "there",
        naive="median",
        scheduler=client,
        on_event=lambda e: states.setdefault(e.path.name, []).append(e.state),
    )
    assert images(tmp_path / "there") == images(tmp_path / "here")
    assert len(images(tmp_path / "here")) == 5
    assert report.workers == 2
    assert report.count("done") == here.count("done") == 5
    (bad,) = report.failed
    assert bad.message == here.failed[0].message
    noise = {r.path.name: (r.sigma_before, r.sigma_after) for r in report.files}
    assert noise == {r.path.name: (r.sigma_before, r.sigma_after) for r in here.files}
    assert states["stack.tif"][:2] == ["queued", "started"]
    assert states["stack.tif"][-1] == "done"
    again = api.denoise_files(
        inputs, tmp_path / "there", naive="median", scheduler=client
    )
    assert again.count("skipped") == 5


def test_workers_that_started_in_another_folder(
    client: Any, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path, "grey")
    report = api.denoise_files(
        inputs.name, "out", model="grey.safetensors", scheduler=client
    )
    assert report.count("done") == 5
    # the journal knows them by their names all the same
    report = api.denoise_files(inputs.name, "out", model="grey.safetensors")
    assert report.count("skipped") == 5


def test_a_cancelled_stack_is_resumed(
    client: Any, inputs: Path, tmp_path: Path
) -> None:
    options = {"naive": "median", "scheduler": client}
    events = api.iter_denoise_files(inputs / "stack.tif", tmp_path / "out", **options)
    for event in events:
        if event.state == "progress":
            break
    events.close()
    assert not (tmp_path / "out" / "stack.tif").exists()
    api.denoise_files(inputs / "stack.tif", tmp_path / "out", naive="median")
    api.denoise_files(inputs / "stack.tif", tmp_path / "whole", naive="median")
    assert images(tmp_path / "out") == images(tmp_path / "whole")


def test_a_finished_block_that_a_power_cut_took_is_done_again(
    client: Any, tmp_path: Path, rng: np.random.Generator
) -> None:
    stack = rng.poisson(99, (5, 40, 41)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "v.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    layout = {"chunks": {"Z": 1, "Y": 32, "X": 32}, "num_levels": 1}
    options = {"naive": "median", "format": "ome-zarr", "zarr": layout}
    api.denoise_files(tmp_path / "v.tif", tmp_path / "whole", **options)
    compute = VolumeJob.compute

    def fail(self: VolumeJob, unit: str, data: Any) -> Any:
        if unit.startswith("0/z4/"):
            raise OSError(28, "No space left on device")
        return compute(self, unit, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VolumeJob, "compute", fail)
        api.denoise_files(tmp_path / "v.tif", tmp_path / "out", **options, workers=1)
    part = tmp_path / "out" / ".v.ome.zarr.gradnet-part" / "0" / "c"
    for chunk in (part / "1").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"")
    events = api.iter_denoise_files(
        tmp_path / "v.tif", tmp_path / "out", **options, scheduler=client
    )
    *_, last = events
    assert (last.state, last.done, last.total) == ("done", 5, 5)
    one, two = (
        zarr.open_array(tmp_path / name / "v.ome.zarr" / "0", mode="r")[:]
        for name in ("whole", "out")
    )
    assert np.array_equal(one, two)


def run_simulated(
    client: Any, folder: Path, jobs: list[SimulatedJob], **keywords: Any
) -> Iterator[tuple[Any, Book]]:
    """Run simulated jobs; each event with the book."""
    by_name = {job.name: job for job in jobs}
    tasks = [
        Task(folder / j.name, j.output, j.name, BatchOptions(naive="median"))
        for j in jobs
    ]
    with Journal(folder) as journal:
        book = Book(journal, Opener(journal, lambda task, _: by_name[task.name]))
        for task in tasks:
            book.queue(task)
        engine = ClusterEngine(client, **keywords)
        for event in engine.iter_run(iter(tasks), book):
            yield event, book


@pytest.mark.skipif(sys.platform == "win32", reason="other signals")
def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    jobs = [
        SimulatedJob(f"volume {k}", tmp_path / f"volume {k}", 60, seconds=0.01)
        for k in range(2)
    ]
    jobs += [
        SimulatedJob(f"file {k}", tmp_path / f"file {k}", 1, seconds=0.01)
        for k in range(10)
    ]
    with connect(None, 2) as cluster:
        first = set(cluster.run(os.getpid).values())
        processes = list(first)
        done = set()
        for event, _ in run_simulated(cluster, tmp_path, jobs):
            if 0 < event.done < event.total and len(processes) == 2:
                os.kill(processes.pop(), signal.SIGKILL)
            if event.state == "done":
                done.add(event.path.name)
            assert event.state != "failed", event.message
        assert done == {job.name for job in jobs}
        assert len(processes) == 1
        # its nanny starts another; a starved machine takes its time
        patience = time.monotonic() + 300
        while not set(cluster.run(os.getpid).values()) - first:
            assert time.monotonic() < patience, "nobody took its place"
            time.sleep(0.2)
    for job in jobs:
        names = job.output.read_text().split()
        assert names == [f"block-{k}" for k in range(job.count)]


@pytest.mark.skipif(sys.platform == "win32", reason="other signals")
def test_a_worker_that_dies_in_a_volume_leaves_no_trace(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    stack = rng.poisson(99, (14, 60, 61)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "v.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    layout = {"chunks": {"Z": 1, "Y": 32, "X": 32}, "num_levels": 2}
    options = {"naive": "median", "format": "ome-zarr", "zarr": layout}
    api.denoise_files(tmp_path / "v.tif", tmp_path / "in", **options)
    source = tmp_path / "in" / "v.ome.zarr"
    api.denoise_files(source, tmp_path / "here", naive="median", workers=1)
    with connect(None, 2) as cluster:
        processes = list(cluster.run(os.getpid).values())

        def kill(event: Any) -> None:
            if 0 < event.done < event.total and len(processes) == 2:
                os.kill(processes.pop(), signal.SIGKILL)

        report = api.denoise_files(
            source,
            tmp_path / "there",
            naive="median",
            scheduler=cluster,
            on_event=kill,
        )
    assert len(processes) == 1
    assert not report.failed, report.failed
    made, whole = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and "gradnet-" not in path.name
        }
        for folder in (tmp_path / "there", tmp_path / "here")
    )
    assert sum(name.startswith("v.ome.zarr/0/c/") for name in whole) == 14 * 2 * 2
    assert made == whole


def test_few_tasks_are_with_the_scheduler_at_a_time(
    client: Any, tmp_path: Path
) -> None:
    job = SimulatedJob("volume", tmp_path / "volume", 100, seconds=0.0)

    def count_tasks(dask_scheduler: Any) -> int:
        return len(dask_scheduler.tasks)

    most = 0
    for event, _ in run_simulated(client, tmp_path, [job], ahead=3):
        if event.state == "progress":
            most = max(most, client.run_on_scheduler(count_tasks))
    assert job.output.read_text().count("block") == 100
    assert (
        0 < most <= 3 * 2 + 2 * 3
    )  # those that wait, and finished ones not yet let go


def test_what_cannot_be_reached(tmp_path: Path, inputs: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        api.denoise_files(inputs, tmp_path, scheduler="tcp://x:1", local_cluster=1)
    with pytest.raises(InputError, match="at least 1 worker process"):
        api.denoise_files(inputs, tmp_path, local_cluster=0)


def count_loaded_models() -> int:
    from napari_gradnet.inference import models

    return models._open.cache_info().misses


def test_each_worker_loads_a_model_once(
    client: Any, inputs: Path, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path, "grey")
    before = client.run(count_loaded_models)
    api.denoise_files(inputs, tmp_path / "there", model=model, scheduler=client)
    after = client.run(count_loaded_models)
    assert {after[worker] - before[worker] for worker in after} <= {0, 1}
    assert sum(after.values()) > sum(before.values())
    api.denoise_files(inputs, tmp_path / "here", model=model, workers=1)
    assert images(tmp_path / "there") == images(tmp_path / "here")

"""Denoise files on a Slurm cluster: ``python on_slurm.py 'raw/**/*.tif' denoised``.

Runs on a login node or in a small job of its own; it asks Slurm for workers as long as
there is work, and keeps the journal. Needs ``napari-gradnet[cluster]`` and
``dask-jobqueue`` in one environment that all nodes see, and paths that are the same on
all of them.
"""

from __future__ import annotations

import argparse
import sys

from dask_jobqueue import SLURMCluster
from distributed import Client

from napari_gradnet import api


def make_cluster(arguments: argparse.Namespace) -> SLURMCluster:
    """Describe one job of Slurm: a worker that computes one unit at a time."""
    gpu = arguments.device.startswith("cuda")
    return SLURMCluster(
        queue=arguments.partition,
        account=arguments.account,
        walltime=f"{arguments.minutes // 60:02}:{arguments.minutes % 60:02}:00",
        cores=1,  # threads of dask: units at a time
        processes=1,
        job_cpu=arguments.cpus,  # cores of Slurm, for torch
        memory=arguments.memory,
        python=sys.executable,
        # it leaves before Slurm kills it, which would count as a failure of its units
        worker_extra_args=["--lifetime", f"{arguments.minutes - 5}m"],
        job_extra_directives=["--gres=gpu:1"] if gpu else [],
        job_script_prologue=[f"export OMP_NUM_THREADS={arguments.cpus}"],
    )


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("output")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=20, help="at most")
    parser.add_argument("--partition")
    parser.add_argument("--account")
    parser.add_argument("--minutes", type=int, default=60, help="of one Slurm job")
    parser.add_argument("--cpus", type=int, default=4, help="cores of a worker")
    parser.add_argument("--memory", default="8GB", help="of a worker")
    return parser.parse_args(words)


def tell(event: api.FileEvent) -> None:
    """Print what is over."""
    if event.state in ("done", "failed"):
        words = [str(event.finished), "of", str(event.count), event.state]
        sys.stdout.write(f"{' '.join(words)} {event.path} {event.message}\n")
        sys.stdout.flush()


def main() -> int:
    """Run the batch; the same command again goes on where it was."""
    arguments = parse()
    with make_cluster(arguments) as cluster, Client(cluster) as client:
        cluster.adapt(minimum_jobs=1, maximum_jobs=arguments.workers)
        report = api.denoise_files(
            arguments.inputs,
            arguments.output,
            model=arguments.model,
            device=arguments.device,
            # nodes may differ: the same arithmetic everywhere
            precision="float32",
            scheduler=client,
            on_event=tell,
        )
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())

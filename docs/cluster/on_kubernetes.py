"""Denoise files on Kubernetes: ``python on_kubernetes.py /data/raw /data/denoised``.

Runs in a pod of the cluster (see ``leader.yaml``), or anywhere that sees the volume
under the same path. Needs the Dask operator in the cluster and ``dask-kubernetes``
beside ``napari-gradnet[cluster]`` in the image.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dask_kubernetes.operator import KubeCluster, make_cluster_spec
from distributed import Client

from napari_gradnet import api


def make_spec(arguments: argparse.Namespace) -> dict[str, Any]:
    """Describe the scheduler and the workers, with the volume that holds the images."""
    spec = make_cluster_spec(
        name=arguments.name,
        image=arguments.image,
        n_workers=1,
        env={"OMP_NUM_THREADS": str(arguments.cpus)},
        # one unit at a time in each pod
        worker_command=["dask", "worker", "--nthreads", "1"],
    )
    claim = {"claimName": arguments.claim}
    for part in ("worker", "scheduler"):
        pod = spec["spec"][part]["spec"]
        pod["volumes"] = [{"name": "images", "persistentVolumeClaim": claim}]
        mount = {"name": "images", "mountPath": arguments.mount}
        for container in pod["containers"]:
            container["volumeMounts"] = [mount]
    (worker,) = spec["spec"]["worker"]["spec"]["containers"]
    limits = {"memory": arguments.memory}
    if arguments.device.startswith("cuda"):
        limits["nvidia.com/gpu"] = "1"
    worker["resources"] = {
        "requests": {"cpu": str(arguments.cpus), "memory": arguments.memory},
        "limits": limits,
    }
    return spec


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("output")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=20, help="at most")
    parser.add_argument("--name", default="gradnet")
    parser.add_argument("--image", default="gradnet-cluster:latest")
    parser.add_argument("--claim", default="images", help="PersistentVolumeClaim, RWX")
    parser.add_argument("--mount", default="/data", help="where it is seen")
    parser.add_argument("--cpus", type=int, default=2, help="cores of a worker")
    parser.add_argument("--memory", default="4Gi", help="of a worker")
    return parser.parse_args(words)


def main() -> int:
    """Run the batch; the same command again goes on where it was."""
    arguments = parse()
    spec = make_spec(arguments)
    with KubeCluster(custom_cluster_spec=spec) as cluster, Client(cluster) as client:
        cluster.adapt(minimum=1, maximum=arguments.workers)
        report = api.denoise_files(
            arguments.inputs,
            arguments.output,
            model=arguments.model,
            device=arguments.device,
            # nodes may differ: the same arithmetic everywhere
            precision="float32",
            scheduler=client,
        )
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())

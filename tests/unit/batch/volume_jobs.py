"""Volumes as jobs: made, run and looked into."""

from __future__ import annotations

import pickle
import random
from typing import TYPE_CHECKING, Any

from napari_gradnet.batch.network import NetworkOperation
from napari_gradnet.inference.options import StackOptions
from napari_gradnet.io import open_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.batch.job import Job

#: Tiny grey models that go by blocks.
MODELS = ("grey", "grey-unshuffle", "grey-attention", "noisy-guide", "attention-guide")


def network(path: Path, **options: Any) -> NetworkOperation:
    """Denoise on the CPU with a model."""
    return NetworkOperation(path, device="cpu", options=StackOptions(**options))


def units_of(job: Job) -> list[str]:
    """The units of all stages, in order."""
    return [unit for stage in job.stages for unit in stage]


def run(job: Job) -> str:
    """What an engine does, with every unit on a copy that was sent elsewhere."""
    job.prepare()
    helper = pickle.loads(pickle.dumps(job))
    helper.open()
    for stage in job.stages:
        units = list(stage)
        random.Random(0).shuffle(units)
        for unit in units:
            helper.run(unit)
    helper.close()
    return job.finish()


def everything(path: Path) -> NDArray[Any]:
    """All values of an image."""
    with open_image(path) as image:
        return image.read_region(tuple(slice(0, n) for n in image.shape))


def contents(path: Path) -> dict[str, bytes]:
    """The files below a folder, by name."""
    files = (p for p in path.rglob("*") if p.is_file())
    return {str(p.relative_to(path)): p.read_bytes() for p in files}

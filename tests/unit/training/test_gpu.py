"""Training on a GPU, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gradnet.events import drain
from napari_gradnet.training.benchmark import benchmark_training
from napari_gradnet.training.events import StepDone, Validated

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gpu

MIXED = {
    "kind": "mixed",
    "parts": [
        {"kind": "gaussian", "sigma": [20, 60]},
        {"kind": "poisson-gaussian", "peak": [10, 60]},
        {"kind": "jpeg", "quality": [20, 60]},
    ],
}


@pytest.fixture
def device() -> str:
    """The GPU's name."""
    return "cuda" if torch.cuda.is_available() else "mps"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_run_and_its_resumption(
    precision: str,
    device: str,
    config: Callable[..., dict[str, Any]],
    start: Callable[..., Any],
) -> None:
    values = config(
        training={
            "device": device,
            "precision": precision,
            "num_epochs": 6,
            "ema": 0.9,
            "clip_gradient": 1.0,
        }
    )
    values["data"]["train"][0]["noise"] = MIXED
    trainer = start(values)
    assert next(trainer.pipeline.parameters()).device.type == device
    events: list[Any] = []
    for event in (work := trainer.run()):
        events.append(event)
        if isinstance(event, StepDone) and event.step == 7:
            work.close()
            break
    drain(start(values, resume=True).run(), events.append)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [e.step for e in steps] == list(range(1, 19))
    assert steps[-1].loss < steps[0].loss
    psnrs = [e.psnr for e in events if isinstance(e, Validated)]
    assert psnrs[-1] > psnrs[0]


def test_images_lie_on_the_device(
    device: str,
    config: Callable[..., dict[str, Any]],
    photos: list[Any],
) -> None:
    from napari_gradnet.data.sources import load_data
    from napari_gradnet.training.run import load_experiment

    experiment = load_experiment(config())
    data = load_data(experiment.data, 1, 16, {"photos": photos})
    size = {"seed": 0, "epoch": 0, "batch_size": 8, "patch_size": 16}
    here = next(data.iter_epoch(**size)).clean
    data.to(torch.device(device))
    assert data.sources[0].clean.flat.device.type == device
    there = next(data.iter_epoch(**size))
    assert there.noisy.device.type == device
    assert torch.equal(there.clean.cpu(), here)


def test_fraction_of_the_matrix_rate(device: str) -> None:
    if device != "cuda":
        pytest.skip("measured on CUDA")
    options = {"device": device, "batch_size": 16, "patch_size": 64, "seconds": 1.0}
    (row,) = benchmark_training(
        ["dncnn"], precisions=["bfloat16"], workers=0, **options
    )
    assert row.matrix_fraction is not None
    assert 0 < row.matrix_fraction < 1

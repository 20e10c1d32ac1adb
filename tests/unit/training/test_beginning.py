"""Trainings that begin from a model: frozen layers, other and deeper networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gradnet.bundle import load_model, save_model
from napari_gradnet.errors import ConfigError, TrainingError
from napari_gradnet.events import drain
from napari_gradnet.training.run import load_experiment
from napari_gradnet.training.stages import plan_stages
from napari_gradnet.training.weights import first_weights, inherit, model_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]


def test_fine_tuning_with_frozen_layers(
    config: Config, start: Start, tmp_path: Path
) -> None:
    drain(start(config(training={"num_epochs": 1}), "first").run())
    model = tmp_path / "first/tiny.safetensors"
    values = config(
        training={"num_epochs": 1, "freeze": ["network.head"]}, init=str(model)
    )
    first = load_model(model)[0].state_dict()
    names = [n for n in first if n.startswith("network.")]
    layer = names[0].rpartition(".")[0]
    values["training"]["freeze"] = [layer]
    trainer = start(values, "second")
    start_state = trainer.pipeline.state_dict()
    assert all(
        torch.equal(start_state[k], v) for k, v in first.items() if "num_" not in k
    )
    drain(trainer.run())
    for key, value in trainer.pipeline.state_dict().items():
        if key.startswith(layer):
            assert torch.equal(value, first[key])
        elif key.endswith("weight"):
            assert not torch.equal(value, first[key])


@pytest.mark.parametrize(
    ("patterns", "message"),
    [(["no.such.layer"], "names no layer; there are network"), (["*"], "no layer to")],
)
def test_freezing_what_cannot_be(
    patterns: list[str], message: str, config: Config, start: Start
) -> None:
    with pytest.raises(ConfigError, match=message):
        start(config(training={"freeze": patterns}))


def test_model_of_another_network_cannot_be_the_start(
    config: Config, start: Start, tmp_path: Path
) -> None:
    drain(start(config(training={"num_epochs": 1}), "first").run())
    model = str(tmp_path / "first/tiny.safetensors")
    network = {"name": "dncnn", "in_channels": 1, "num_features": 8, "depth": 4}
    with pytest.raises(TrainingError, match="holds another network"):
        start(config(network=network, init=model), "second")


def test_a_deeper_network_begins_where_a_shallower_one_ended(
    config: Config, start: Start, tmp_path: Path
) -> None:
    network = {
        "name": "gradnet",
        "in_channels": 1,
        "num_features": 8,
        "num_modules": 2,
        "num_units": 1,
        "batch_norm": False,
    }
    values = config(
        network=network, guide={"kind": "noisy"}, training={"num_epochs": 1}
    )
    drain(start(values, "first").run())
    model = str(tmp_path / "first/tiny.safetensors")
    deeper = {**values, "network": {**network, "num_units": 3}, "init": model}
    trainer = start(deeper, "second")
    image = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = load_model(tmp_path / "first/tiny.safetensors")[0].network.eval()(
            image, image
        )
        after = trainer.pipeline.network.eval()(image, image)
    torch.testing.assert_close(after, before)
    drain(trainer.run())
    ends = [
        value
        for key, value in trainer.pipeline.state_dict().items()
        if ".units.2.conv2.weight" in key
    ]
    assert len(ends) == 2
    assert all(bool(end.any()) for end in ends)  # they learn
    wider = {**values, "network": {**network, "num_features": 9}, "init": model}
    with pytest.raises(TrainingError, match="holds another network"):
        start(wider, "third")


def test_a_model_to_start_from_beside_a_guide_trained_first(
    config: Config, start: Start, tmp_path: Path
) -> None:
    network = {"name": "gradnet", "in_channels": 1, "num_features": 4}
    network |= {"num_modules": 1, "num_units": 1}
    guide = {"name": "dncnn", "in_channels": 1, "num_features": 4, "depth": 3}
    values = config(network=network, guide={"kind": "network", "network": guide})
    experiment = load_experiment(values)
    before = first_weights(experiment)
    with torch.no_grad():
        for weight in before.parameters():
            weight.fill_(0.125)
    model = tmp_path / "before.safetensors"
    save_model(model, before, model_header(experiment))
    values = {**values, "init": str(model)}
    values["guide"] = {**values["guide"], "training": "first", "num_epochs": 1}
    stages = plan_stages(load_experiment(values))
    assert [stage.name for stage in stages] == ["guide", "main"]
    main = first_weights(stages[1].experiment, stage=1)
    assert all(bool((w == 0.125).all()) for w in main.network.parameters())
    # the guide of the stage before is not lost
    alone = first_weights(stages[0].experiment)
    inherit(alone, main, torch.Generator())
    for key, value in alone.network.state_dict().items():
        assert torch.equal(value, main.guide.state_dict()[key])

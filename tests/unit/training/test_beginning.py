"""Trainings that begin from a model: frozen layers, other and deeper networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gradnet.bundle import load_model, save_model
from napari_gradnet.errors import ConfigError, TrainingError
from napari_gradnet.events import drain
from napari_gradnet.training.run import finish_training, load_experiment
from napari_gradnet.training.stages import plan_stages
from napari_gradnet.training.weights import first_weights, inherit, model_header

if TYPE_CHECKING:
    from collections.abc import Callable

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
    network = {"name": "dncnn", "in_channels": 1, "num_features": 2, "depth": 4}
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
    narrower = {**values, "network": {**network, "num_features": 7}, "init": model}
    with pytest.raises(TrainingError, match="holds another network"):
        start(narrower, "third")


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


def dn_resnet(**options: Any) -> dict[str, Any]:
    return {"name": "dn-resnet", "in_channels": 1, "depth": 5, **options}


def saved(values: dict[str, Any], path: Path, value: float = 0.125) -> str:
    """A model file whose weights are all of one value."""
    experiment = load_experiment(values)
    pipeline = first_weights(experiment)
    with torch.no_grad():
        for weight in pipeline.parameters():
            weight.fill_(value)
    save_model(path, pipeline, model_header(experiment))
    return str(path)


def test_a_model_with_another_option_cannot_be_the_start(
    config: Config, tmp_path: Path
) -> None:
    """The weights would fit, and the images be garbage."""
    skip = config(network=dn_resnet(global_skip=True))
    model = saved(skip, tmp_path / "skip.safetensors")
    first_weights(load_experiment({**skip, "init": model}))
    message = (
        r"its global_skip is true, here it is false; write network\.global_skip: true"
    )
    plain = config(network=dn_resnet(), init=model)
    with pytest.raises(TrainingError, match=message):
        first_weights(load_experiment(plain))
    staged = {**plain, "stages": {"kind": "cascade", "first_depth": 5}}
    with pytest.raises(TrainingError, match=message):
        first_weights(plan_stages(load_experiment(staged))[0].experiment)


def test_a_guide_with_another_option_is_refused(config: Config, tmp_path: Path) -> None:
    network = {"name": "gradnet", "in_channels": 1, "num_features": 4}
    network |= {"num_modules": 1, "num_units": 1}
    guide = {"name": "skdncnn", "in_channels": 1, "num_features": 4, "depth": 3}
    alone = config(network={**guide, "global_skip": True})
    model = saved(alone, tmp_path / "guide.safetensors")
    given = {"kind": "network", "network": guide, "model": model}
    message = r"write guide\.network\.global_skip: true"
    with pytest.raises(TrainingError, match=message):
        first_weights(load_experiment(config(network=network, guide=given)))
    # the one beside the network that is the start
    skip = {"kind": "network", "network": {**guide, "global_skip": True}}
    both = saved(config(network=network, guide=skip), tmp_path / "both.safetensors")
    first_weights(load_experiment(config(network=network, guide=skip, init=both)))
    plain = {"kind": "network", "network": guide}
    with pytest.raises(TrainingError, match=message):
        first_weights(load_experiment(config(network=network, guide=plain, init=both)))


def test_stages_that_would_lose_blocks(config: Config, tmp_path: Path) -> None:
    deep = saved(config(network=dn_resnet(depth=9)), tmp_path / "deep.safetensors")
    cascade = {"kind": "cascade", "first_depth": 5}
    values = config(network=dn_resnet(depth=9), stages=cascade, init=deep)
    stage = plan_stages(load_experiment(values))[0].experiment
    with pytest.raises(TrainingError, match=r"of depth 9, .*5 and would lose blocks"):
        first_weights(stage)
    network = dn_resnet(depth=7, name="ds-dn-resnet")
    light = saved(config(network=network), tmp_path / "light.safetensors")
    values = config(network=network, stages={"kind": "evolution"}, init=light)
    stage = plan_stages(load_experiment(values))[0].experiment
    with pytest.raises(TrainingError, match="separable blocks that this stage would"):
        first_weights(stage)


def test_a_named_guide_goes_before_that_of_the_first_model(
    config: Config, start: Start, tmp_path: Path
) -> None:
    network = {"name": "gradnet", "in_channels": 1, "num_features": 4}
    network |= {"num_modules": 1, "num_units": 1}
    guide = {"name": "dncnn", "in_channels": 1, "num_features": 4, "depth": 3}
    values = config(network=network, guide={"kind": "network", "network": guide})
    values["training"]["num_epochs"] = 1
    init = saved(values, tmp_path / "init.safetensors")
    naive = saved(config(network=guide), tmp_path / "naive.safetensors", 0.25)
    values = {**values, "init": init, "guide": {**values["guide"], "model": naive}}
    begun = first_weights(load_experiment(values))
    assert all(bool((w == 0.25).all()) for w in begun.guide.parameters())
    assert all(bool((w == 0.125).all()) for w in begun.network.parameters())
    # a run goes on, and is finished, without the files
    work = start(values).run()
    next(work)
    work.close()
    for path in (init, naive):
        Path(path).unlink()
    finish_training(tmp_path / "run")
    drain(start(values, resume=True).run())

"""Cascade training and evolution: who inherits what, and when the next one joins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_gradnet.bundle import build_pipeline, load_model
from napari_gradnet.config.stages import CascadeConfig
from napari_gradnet.errors import ConfigError, TrainingError
from napari_gradnet.events import drain
from napari_gradnet.networks.dn_resnet import ResBlock, SeparableBlock
from napari_gradnet.networks.registry import count_parameters
from napari_gradnet.training.events import StageStarted, StepDone
from napari_gradnet.training.run import load_experiment
from napari_gradnet.training.stages import is_stage_over, plan_stages
from napari_gradnet.training.weights import inherit, model_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]

DN = {"name": "dn-resnet", "in_channels": 1, "depth": 9}
DS = {**DN, "name": "ds-dn-resnet"}


def pipelines(values: dict[str, Any]) -> list[Any]:
    """A pipeline a stage, with the paper's first weights."""
    stages = plan_stages(load_experiment(values))
    built = [build_pipeline(model_header(s.experiment)) for s in stages]
    for number, pipeline in enumerate(built):
        pipeline.initialise(torch.Generator().manual_seed(number))
    return built


def test_cascade_of_the_paper(config: Config) -> None:
    values = config(network={**DN, "depth": 13}, stages={"kind": "cascade"})
    counts = [count_parameters(p) for p in pipelines(values)]
    assert counts == [57_184, 75_616, 94_048, 112_480, 130_912, 149_344]


def test_new_block_joins_before_the_last_layer(config: Config) -> None:
    # Kaiming's weights are larger: the new block's are the paper's nevertheless
    network = {**DN, "init": "kaiming"}
    values = config(network=network, stages={"kind": "cascade"})
    before, after, *_ = pipelines(values)[1:]
    generator = torch.Generator().manual_seed(9)
    inherit(before, after, generator)
    old, new = before.network, after.network
    for name in ("head", "shrink", "tail"):
        assert torch.equal(getattr(old, name).weight, getattr(new, name).weight)
    assert len(new.blocks) == len(old.blocks) + 1
    for one, two in zip(old.blocks, new.blocks, strict=False):
        assert torch.equal(one.conv1.weight, two.conv1.weight)
    fresh = new.blocks[-1].conv2.weight.detach()
    assert float(fresh.std()) == pytest.approx(0.001, rel=0.05)
    assert float(fresh.mean()) == pytest.approx(0, abs=5e-5)


def test_a_new_block_hardly_changes_the_image(config: Config) -> None:
    before, after, *_ = pipelines(config(network=DN, stages={"kind": "cascade"}))
    generator = torch.Generator().manual_seed(0)
    for name in ("head", "shrink", "tail"):
        weight = getattr(before.network, name).weight
        torch.nn.init.normal_(weight, std=0.1, generator=generator)
    inherit(before, after, generator)
    image = torch.rand(1, 1, 20, 20, generator=generator)
    with torch.no_grad():
        one, two = before(image), after(image)
    assert float(one.std()) > 0.01
    torch.testing.assert_close(two, one, atol=1e-3, rtol=1e-2)


def test_evolution_replaces_from_the_tail(config: Config) -> None:
    values = config(network=DS, stages={"kind": "evolution", "epochs_per_block": 10})
    built = pipelines(values)
    kinds = [[type(b) for b in p.network.blocks] for p in built]
    assert kinds == [
        [ResBlock, ResBlock, ResBlock],
        [ResBlock, ResBlock, SeparableBlock],
        [ResBlock, SeparableBlock, SeparableBlock],
        [SeparableBlock, SeparableBlock, SeparableBlock],
    ]
    first, second = built[1:3]
    inherit(first, second, torch.Generator().manual_seed(0))
    assert torch.equal(
        first.network.blocks[2].pointwise.weight,
        second.network.blocks[2].pointwise.weight,
    )
    assert torch.equal(
        first.network.blocks[0].conv1.weight, second.network.blocks[0].conv1.weight
    )
    fresh = second.network.blocks[1].pointwise.weight.detach()
    assert float(fresh.std()) == pytest.approx(0.001, rel=0.1)


def test_evolution_stages_and_their_length(config: Config) -> None:
    stages = {"kind": "evolution", "epochs_per_block": 10}
    values = config(network=DS, stages=stages, training={"num_epochs": 7})
    plan = plan_stages(load_experiment(values))
    assert [(s.name, s.last_epoch(0)) for s in plan] == [
        ("depth-9", 7),
        ("separable-1", 10),
        ("separable-2", 10),
        ("separable-3", 10),
    ]
    values["stages"]["one_shot"] = True
    plan = plan_stages(load_experiment(values))
    assert [(s.name, s.last_epoch(0)) for s in plan] == [
        ("depth-9", 7),
        ("separable-3", 30),
    ]
    values["stages"]["cascade"] = {"max_epochs": 2}
    names = [s.name for s in plan_stages(load_experiment(values))]
    assert names == ["depth-3", "depth-5", "depth-7", "depth-9", "separable-3"]


def test_evolution_of_a_trained_network(
    config: Config, start: Start, tmp_path: Path
) -> None:
    training = {"num_epochs": 1, "patch_size": 8}
    drain(start(config(network=DN, training=training), "dn").run())
    model = tmp_path / "dn/tiny.safetensors"
    values = config(
        network=DS,
        training=training,
        init=str(model),
        stages={"kind": "evolution", "epochs_per_block": 1},
    )
    trainer = start(values, "ds")
    assert [s.name for s in trainer.stages] == [f"separable-{n}" for n in (1, 2, 3)]
    kept = load_model(model)[0].network
    assert torch.equal(trainer.pipeline.network.head.weight, kept.head.weight)
    events: list[Any] = []
    drain(trainer.run(), events.append)
    assert events[-1].path == tmp_path / "ds/tiny.safetensors"
    assert count_parameters(load_model(events[-1].path)[0]) == 57_184 + 3 * 1312
    assert (tmp_path / "ds/tiny-separable-2.safetensors").exists()


def test_three_per_cent_of_the_paper() -> None:
    config = CascadeConfig(criterion="paper", min_gain=0.03, patience=3)
    assert not is_stage_over(config, [0.1, 0.098], previous=0.1)
    assert is_stage_over(config, [0.1, 0.097], previous=0.1)
    # the first stage has none before it: patience
    assert not is_stage_over(config, [0.5, 0.4, 0.3, 0.2], previous=None)
    assert is_stage_over(config, [0.5, 0.2, 0.2, 0.2, 0.2], previous=None)


def test_patience() -> None:
    config = CascadeConfig(criterion="patience", patience=2, tolerance=0.01)
    losses = [1.0, 0.8, 0.795, 0.794]
    over = [is_stage_over(config, losses[:n], previous=10.0) for n in range(1, 5)]
    assert over == [False, False, False, True]  # less than 1 % in two epochs
    assert not is_stage_over(config, [1.0, 0.8, 0.795, 0.7], previous=10.0)


def test_a_guide_trained_first_is_not_frozen(config: Config) -> None:
    guide = {"name": "dncnn", "in_channels": 1, "num_features": 4, "depth": 3}
    values = config(
        network={"name": "gradnet", "in_channels": 1},
        guide={"kind": "network", "network": guide, "training": "first"},
        training={"freeze": ["network.head"]},
    )
    stages = plan_stages(load_experiment(values))
    frozen = [stage.experiment.training.freeze for stage in stages]
    assert frozen == [(), ("network.head",)]


def test_losses_below_zero() -> None:
    """Such as log-l2, whose gains make it more negative."""
    paper = CascadeConfig(criterion="paper", min_gain=0.03)
    losses = [-5.9, -6.0, -6.17, -6.19]
    over = [is_stage_over(paper, [loss], previous=-6.0) for loss in losses]
    assert over == [False, False, False, True]
    patience = CascadeConfig(criterion="patience", patience=2, tolerance=0.01)
    assert is_stage_over(patience, [-6.0, -6.0, -6.01], previous=None)
    assert not is_stage_over(patience, [-6.0, -6.1, -6.2], previous=None)


def test_epochs_alone() -> None:
    config = CascadeConfig(criterion="epochs", patience=1)
    assert not is_stage_over(config, [1.0] * 50, previous=2.0)


def test_cascade_takes_as_many_steps_as_one_shot(config: Config, start: Start) -> None:
    training = {"num_epochs": 8, "patch_size": 8}
    one_shot: list[Any] = []
    drain(start(config(network=DN, training=training), "a").run(), one_shot.append)
    stages = {"kind": "cascade", "criterion": "epochs", "max_epochs": 1}
    values = config(network=DN, training=training, stages=stages)
    cascade: list[Any] = []
    drain(start(values, "b").run(), cascade.append)
    counts = [
        [e.step for e in events if isinstance(e, StepDone)][-1]
        for events in (one_shot, cascade)
    ]
    assert counts[0] == counts[1] == 24
    begun = [e.name for e in cascade if isinstance(e, StageStarted)]
    assert begun == ["depth-3", "depth-5", "depth-7", "depth-9"]
    progress = [e.progress for e in cascade if isinstance(e, StepDone)]
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(1)


def test_guide_first_is_trained_alone_and_then_kept(
    config: Config, start: Start, tmp_path: Path
) -> None:
    guide = {"name": "dncnn", "in_channels": 1, "num_features": 4, "depth": 3}
    main = {"name": "gradnet", "in_channels": 1, "num_features": 4}
    values = config(
        network={**main, "num_modules": 1, "num_units": 1},
        guide={"kind": "network", "network": guide, "training": "first"},
        training={"num_epochs": 2},
    )
    events: list[Any] = []
    drain(start(values).run(), events.append)
    begun = [e.name for e in events if isinstance(e, StageStarted)]
    assert begun == ["guide", "main"]
    alone = load_model(tmp_path / "run/tiny-guide.safetensors")[0].network
    whole = load_model(tmp_path / "run/tiny.safetensors")[0].guide
    for key, value in alone.state_dict().items():
        assert torch.equal(value, whole.state_dict()[key])


@pytest.mark.parametrize(
    ("network", "stages", "message"),
    [
        (DN, {"kind": "evolution"}, "makes a ds-dn-resnet, not a dn-resnet"),
        (DS, {"kind": "cascade"}, "makes a dn-resnet, not a ds-dn-resnet"),
        (DN, {"kind": "cascade", "first_depth": 11}, "first_depth=11 is above the"),
        (DN, {"kind": "cascade", "first_depth": 4}, "must be odd"),
        (DN, {"kind": "cascade", "max_epochs": 99}, "leaves none for it: raise that"),
        ({**DS, "num_separable": 0}, {"kind": "evolution"}, "no block to replace"),
        ({**DS, "depth": 3}, {"kind": "evolution"}, "no block to replace"),
    ],
)
def test_stages_that_do_not_fit(
    network: dict[str, Any], stages: dict[str, Any], message: str, config: Config
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(config(network=network, stages=stages))


def test_weights_of_a_stranger(config: Config) -> None:
    (grey,) = pipelines(config(network={**DN, "depth": 3}))
    (colour,) = pipelines(config(network={**DN, "in_channels": 3}))
    with pytest.raises(TrainingError, match="belong to another network"):
        inherit(grey, colour, torch.Generator())

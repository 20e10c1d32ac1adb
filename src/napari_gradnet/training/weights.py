"""First weights: fresh, from a model file, or inherited from the stage before."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from napari_gradnet.bundle import (
    FORMAT_VERSION,
    GuideHeader,
    ModelHeader,
    build_pipeline,
    find_model,
    load_model,
)
from napari_gradnet.config.noise import describe_noise_config
from napari_gradnet.config.training import NetworkGuide
from napari_gradnet.errors import ConfigError, TrainingError
from napari_gradnet.networks.dn_resnet import DnResNet, SeparableBlock, init_gaussian
from napari_gradnet.noise.add import noise_generator
from napari_gradnet.training.growing import grown_weights

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_gradnet.config.network import NetworkConfig
    from napari_gradnet.config.training import Experiment
    from napari_gradnet.networks.pipeline import Pipeline

__all__ = ["first_weights", "freeze_layers", "inherit", "model_header"]

#: Options of networks that shapes and names of weights do not tell.
_WITHOUT_WEIGHTS = ("in_channels", "unshuffle", "global_skip")


def model_header(experiment: Experiment) -> ModelHeader:
    """What an experiment's model file says about itself."""
    guide = None
    if experiment.guide is not None:
        network = (
            experiment.guide.network
            if isinstance(experiment.guide, NetworkGuide)
            else None
        )
        guide = GuideHeader(kind=experiment.guide.kind, network=network)
    noises = [describe_noise_config(s.noise) for s in experiment.data.train if s.noise]
    return ModelHeader(
        format_version=FORMAT_VERSION,
        name=experiment.name,
        description=experiment.description,
        network=experiment.network,
        guide=guide,
        noise="; ".join(dict.fromkeys(noises)) or "that of its training pairs",
        stabilise=experiment.stabilise,
        ensemble=experiment.ensemble,
        patch_size=experiment.training.patch_size,
        licence=experiment.licence,
    )


def first_weights(
    experiment: Experiment, *, stage: int = 0, drawn: bool = False
) -> Pipeline:
    """Build a pipeline with drawn weights, and those of model files where named.

    Parameters
    ----------
    experiment : Experiment
        Of the stage.
    stage : int
        Its number, from 0.
    drawn : bool
        Read no model file: a checkpoint replaces all weights.

    Raises
    ------
    TrainingError
        A model file is of another network.
    """
    pipeline = build_pipeline(model_header(experiment))
    generator = noise_generator(experiment.training.seed, stage)
    pipeline.initialise(generator)
    if drawn:
        return pipeline
    guide = experiment.guide
    # the main network after a guide that is trained first has nothing to inherit
    first = isinstance(guide, NetworkGuide) and guide.training == "first"
    if experiment.init and (stage == 0 or first):
        before, header = load_model(find_model(experiment.init))
        _check_start(header, experiment, experiment.init)
        if experiment.stages is not None:
            inherit(before, pipeline, generator)
        else:
            _grow(before, pipeline, experiment.init)
    # after it: a guide that is named goes before the one beside the first network
    if isinstance(guide, NetworkGuide) and guide.model and pipeline.guide is not None:
        naive, header = load_model(find_model(guide.model))
        _check_options(header.network, guide.network, guide.model, "guide.network")
        _copy(naive.network, pipeline.guide, guide.model)
    return pipeline


def _check_start(header: ModelHeader, experiment: Experiment, name: str) -> None:
    _check_options(header.network, experiment.network, name)
    old, new = header.guide, experiment.guide
    if old is None or old.network is None or not isinstance(new, NetworkGuide):
        return
    # one that is named, or trained before, takes its place
    if not new.model and new.training != "first":
        _check_options(old.network, new.network, name, "guide.network")


def _check_options(
    old: NetworkConfig, new: NetworkConfig, name: str, where: str = "network"
) -> None:
    """Refuse weights of a network that computes something else with them."""
    for option in _WITHOUT_WEIGHTS:
        was, wanted = getattr(old, option, None), getattr(new, option, None)
        if was is None or wanted is None or was == wanted:
            continue
        was, wanted = (str(value).lower() for value in (was, wanted))
        msg = (
            f"{name} holds another network than the configuration asks for: its "
            f"{option} is {was}, here it is {wanted}; write {where}.{option}: {was}, "
            "or start from another model"
        )
        raise TrainingError(msg)


def _grow(before: Pipeline, after: Pipeline, name: str) -> None:
    """Copy weights; what only the new networks have changes nothing yet."""
    _load(after.network, grown_weights(before.network, after.network), name)
    if (before.guide is None) != (after.guide is None):
        _copy(before, after, name)  # says which layers are missing or too many
    if before.guide is not None and after.guide is not None:
        _load(after.guide, grown_weights(before.guide, after.guide), name)


def _copy(source: nn.Module, target: nn.Module, name: str) -> None:
    _load(target, source.state_dict(), name)


def _load(target: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    try:
        target.load_state_dict(state)
    except RuntimeError as error:
        msg = f"{name} holds another network than the configuration asks for: {error}"
        raise TrainingError(msg) from error


def inherit(before: Pipeline, after: Pipeline, generator: torch.Generator) -> None:
    """Hand a trained stage's weights to the next one.

    A guide trained alone becomes the guide. DN-ResNets keep every layer that both
    have; blocks that are new get weights from N(0, 0.001).

    Raises
    ------
    TrainingError
        The two networks have nothing to do with each other, or trained blocks
        would be lost.
    """
    if after.guide is not None and before.guide is None:
        _copy(before.network, after.guide, "the guide's stage")
        return
    old, new = before.network, after.network
    if not (isinstance(old, DnResNet) and isinstance(new, DnResNet)):
        _copy(before, after, "the stage before")
        return
    _check_blocks(old, new)
    known = old.state_dict()
    for number, block in enumerate(new.blocks):
        names = (f"blocks.{number}.{key}" for key in block.state_dict())
        if not all(name in known for name in names):
            init_gaussian(block, generator=generator)
    fitting = {k: v for k, v in known.items() if k in new.state_dict()}
    try:
        new.load_state_dict(fitting, strict=False)
    except RuntimeError as error:
        msg = f"the weights to go on from belong to another network: {error}"
        raise TrainingError(msg) from error


def _check_blocks(old: DnResNet, new: DnResNet) -> None:
    """Refuse a network with fewer blocks, or with plain ones for separable ones."""
    if len(old.blocks) > len(new.blocks):
        depths = [3 + 2 * len(network.blocks) for network in (old, new)]
        msg = (
            f"the weights to go on from are of depth {depths[0]}, this stage is of "
            f"depth {depths[1]} and would lose blocks: give network.depth and "
            f"stages.first_depth of at least {depths[0]}, or remove init"
        )
        raise TrainingError(msg)
    for one, two in zip(old.blocks, new.blocks, strict=False):
        if isinstance(one, SeparableBlock) and not isinstance(two, SeparableBlock):
            msg = (
                "the weights to go on from have separable blocks that this stage would "
                "lose: start from a DN-ResNet, or remove init"
            )
            raise TrainingError(msg)


def freeze_layers(pipeline: Pipeline, patterns: tuple[str, ...]) -> None:
    """Stop training the layers that patterns name.

    Raises
    ------
    ConfigError
        A pattern names no layer, or nothing is left to train.
    """
    names = [name for name, _ in pipeline.named_parameters()]
    for pattern in patterns:
        found = [n for n in names if fnmatch(n, pattern) or n.startswith(f"{pattern}.")]
        if not found:
            layers = sorted({n.rpartition(".")[0] for n in names})
            msg = f"freeze={pattern!r} names no layer; there are {', '.join(layers)}"
            raise ConfigError(msg)
        for name in found:
            pipeline.get_parameter(name).requires_grad = False
    if not any(p.requires_grad for p in pipeline.parameters()):
        msg = "freeze leaves no layer to train: name fewer"
        raise ConfigError(msg)

"""Train several cases on the same data and put their figures side by side."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_gradnet.bundle import load_model, read_header
from napari_gradnet.config.training import Experiment
from napari_gradnet.data.files import expand_paths
from napari_gradnet.errors import ConfigError
from napari_gradnet.networks.registry import count_parameters
from napari_gradnet.training.loop import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_gradnet.events import Event

__all__ = [
    "Case",
    "Claim",
    "Comparison",
    "Result",
    "check_claims",
    "choose_cases",
    "iter_comparison",
]

#: A network of a few thousand weights, to try a comparison out.
_TINY = {"num_features": 4, "num_modules": 1, "num_units": 1, "depth": 5}


@dataclass(frozen=True)
class Case:
    """One training of a comparison.

    Parameters
    ----------
    name : str
    network : mapping
        As in a configuration.
    guide : mapping, optional
    stages : callable, optional
        The number of epochs to the ``stages`` of a configuration.
    """

    name: str
    network: Mapping[str, Any]
    guide: Mapping[str, Any] | None = None
    stages: Callable[[int], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Claim:
    """What a paper says: case `better` has a higher PSNR than case `worse`."""

    better: str
    worse: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """Cases on the same images, noise, loss and number of patches."""

    name: str
    title: str
    cases: tuple[Case, ...]
    claims: tuple[Claim, ...]
    noise: Mapping[str, Any]
    loss: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def experiment(
        self,
        case: Case,
        images: str,
        *,
        patches: int,
        crops_per_image: int,
        num_images: int,
        overrides: Mapping[str, Any] | None = None,
        tiny: bool = False,
    ) -> Experiment:
        """Configuration of a case.

        Parameters
        ----------
        case : Case
            One of `cases`.
        images : str
            Folder of clean images.
        patches : int
            Patches to train on in all (a guide trained first has as many).
        crops_per_image : int
            An epoch's.
        num_images : int
            Images that are trained on.
        overrides : mapping, optional
            Of the section ``training``.
        tiny : bool
            With a network of a few thousand weights.
        """
        training = {
            "batch_size": 16,
            "ema": 0.99,
            "clip_gradient": 1.0,
            **self.training,
            **(overrides or {}),
        }
        # an epoch has whole batches only
        size = int(training["batch_size"])
        steps = max(1, num_images * crops_per_image // size)
        epochs = max(1, round(patches / (steps * size)))
        shrink = _shrink if tiny else dict[str, Any]
        guide = dict(case.guide) if case.guide else None
        if guide and "network" in guide:
            guide["network"] = shrink(guide["network"])
        values = {
            "name": f"{self.name}-{case.name}",
            "description": self.title,
            "network": shrink(case.network),
            "guide": guide,
            "data": {
                "train": [
                    {
                        "clean": images,
                        "noise": dict(self.noise),
                        "crops_per_image": crops_per_image,
                    }
                ],
                "validation": {"noises": [dict(self.noise)], "crop": 256},
            },
            "loss": dict(self.loss),
            "stages": case.stages(epochs) if case.stages else None,
            "training": {"num_epochs": epochs, **training},
        }
        return Experiment.parse(values)


def choose_cases(comparison: Comparison, names: Sequence[str]) -> Comparison:
    """Keep only some cases of a comparison; all when none is named.

    Raises
    ------
    ConfigError
        It has no such case.
    """
    known = [case.name for case in comparison.cases]
    unknown = sorted(set(names) - set(known))
    if unknown:
        msg = f"no case {', '.join(unknown)} in {comparison.name}: {', '.join(known)}"
        raise ConfigError(msg)
    kept = tuple(c for c in comparison.cases if not names or c.name in names)
    return replace(comparison, cases=kept)


def _shrink(network: Mapping[str, Any]) -> dict[str, Any]:
    return {**network, **{k: v for k, v in _TINY.items() if k in network}}


@dataclass(frozen=True)
class Result:
    """What a case reached.

    Parameters
    ----------
    case : str
    parameters : int
        Trained and frozen values, the guide's included.
    steps : int
    psnr : float
        dB, best validation.
    seconds : float
    """

    case: str
    parameters: int
    steps: int
    psnr: float
    seconds: float


def iter_comparison(
    comparison: Comparison,
    images: str,
    folder: Path,
    *,
    patches: int = 20_000,
    crops_per_image: int = 1,
    overrides: Mapping[str, Any] | None = None,
    tiny: bool = False,
) -> Iterator[Event | Result]:
    """Run a comparison; cases that are done are read, one that broke off goes on.

    Parameters
    ----------
    comparison : Comparison
        What to compare.
    images : str
        Folder of clean images; some are held out for validation.
    folder : Path
        A run folder for each case, and ``table.csv``.
    patches, crops_per_image, overrides, tiny
        See `Comparison.experiment`.

    Yields
    ------
    Event or Result
        The events of each training, then its result.
    """
    results = []
    for case in comparison.cases:
        experiment = comparison.experiment(
            case,
            images,
            patches=patches,
            crops_per_image=crops_per_image,
            num_images=_count(images),
            overrides=overrides,
            tiny=tiny,
        )
        run = folder / case.name
        model = run / f"{experiment.name}.safetensors"
        if model.exists():
            _check_same(experiment, model)
        else:
            resume = (run / "last.pt").exists()
            yield from Trainer(experiment, run, resume=resume).run()
        result = _result(case, model)
        results.append(result)
        yield result
    _write_table(folder / "table.csv", results)


def _check_same(experiment: Experiment, model: Path) -> None:
    """Take an old result for that of the same training only."""
    config = read_header(model).training["config"]
    machine = {"device", "num_threads"}
    old, new = (
        e.model_dump(mode="json", exclude={"training": machine})
        for e in (Experiment.parse(config), experiment)
    )
    changed = [key for key in new if old[key] != new[key]]
    if changed:
        msg = (
            f"{model} was trained with another configuration (it differs in "
            f"{', '.join(changed)}): give another folder or remove {model.parent}"
        )
        raise ConfigError(msg)


def _count(images: str) -> int:
    """Images left for training once some are held out."""
    number = len(expand_paths([images]))
    return number - min(24, number // 4)


def _result(case: Case, model: Path) -> Result:
    record = read_header(model).training
    pipeline, _ = load_model(model)
    psnr = record["validation_psnr"]
    return Result(
        case.name,
        count_parameters(pipeline),
        int(record["steps"]),
        float("nan") if psnr is None else float(psnr),
        float(record["seconds"]),
    )


def _write_table(path: Path, results: Sequence[Result]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("case", "parameters", "steps", "psnr", "seconds"))
        writer.writerows(
            (r.case, r.parameters, r.steps, r.psnr, r.seconds) for r in results
        )


def check_claims(
    comparison: Comparison, results: Mapping[str, Result]
) -> Iterator[tuple[Claim, float]]:
    """Say by how many dB each claim holds; negative where it does not."""
    for claim in comparison.claims:
        if claim.better in results and claim.worse in results:
            gain = results[claim.better].psnr - results[claim.worse].psnr
            yield claim, gain

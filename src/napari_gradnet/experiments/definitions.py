"""What is compared: networks of about 0.15 M parameters, sigma 50.

References
----------
GradNet, sec. 3.2 and table 3 (gradient in the network), fig. 3 (clean guide).
DN-ResNet, sec. 3.1 (cascade training), table 3 (evolution against one shot).
"""

from __future__ import annotations

from typing import Any

from napari_gradnet.experiments.comparison import Case, Claim, Comparison

__all__ = ["COMPARISONS"]

_SIGMA = {"kind": "gaussian", "sigma": 50.0}
_DN = {"name": "dn-resnet", "in_channels": 1, "depth": 13}
_DS = {**_DN, "name": "ds-dn-resnet"}
#: Without BatchNorm, as the supplement of GradNet writes its units: such networks start
#: from the noisy image and need fewer steps.
_PLAIN = {"in_channels": 3, "batch_norm": False}
_BACKBONE = {**_PLAIN, "num_modules": 4, "num_units": 4}
#: The gradient's 3 channels widen every layer: 18 + 3 features make a main branch about
#: as large as the backbone alone with 20.
_GRADNET = {"name": "gradnet", "num_features": 18, **_BACKBONE}
_NAIVE = {"name": "dncnn", "num_features": 32, "depth": 10, **_PLAIN}


def _cascade(num_epochs: int) -> dict[str, Any]:
    """Five stages of an eighth each, the rest for the whole network."""
    longest = max(1, num_epochs // 8)
    return {"kind": "cascade", "criterion": "paper", "max_epochs": longest}


def _evolution(num_epochs: int) -> dict[str, Any]:
    """After the DN-ResNet's own training as many epochs again, for all five blocks."""
    return {"kind": "evolution", "epochs_per_block": max(1, num_epochs // 5)}


GROWTH = Comparison(
    name="growth",
    title="DN-ResNet-13: cascade against one shot, as many steps",
    noise=_SIGMA,
    training={"patch_size": 33, "schedule": "constant"},
    loss={"pixel": "l2", "gradient_weight": 0.0},
    cases=(
        Case("one-shot", _DN),
        Case("cascade", _DN, stages=_cascade),
        Case(
            "cascade-patience",
            _DN,
            stages=lambda n: {**_cascade(n), "criterion": "patience", "patience": 2},
        ),
    ),
    claims=(
        Claim("cascade", "one-shot", "the cascade beats one-shot training"),
        Claim("cascade-patience", "one-shot", "so does a cascade by patience"),
    ),
)

EVOLUTION = Comparison(
    name="evolution",
    title="DS-DN-ResNet-13: blocks replaced one at a time against all at once",
    noise=_SIGMA,
    training={"patch_size": 33, "schedule": "constant"},
    loss={"pixel": "l2", "gradient_weight": 0.0},
    cases=(
        Case("one-shot", _DS, stages=lambda n: {**_evolution(n), "one_shot": True}),
        Case("incremental", _DS, stages=_evolution),
    ),
    claims=(Claim("incremental", "one-shot", "evolution beats one-shot replacement"),),
)

GUIDES = Comparison(
    name="guides",
    title="GradNet-II: guides against the backbone without one",
    noise=_SIGMA,
    training={"patch_size": 40, "schedule": "cosine", "warmup_steps": 50},
    loss={"pixel": "l1", "gradient_weight": 0.0},
    cases=(
        Case("mskresnet", {"name": "mskresnet", "num_features": 20, **_BACKBONE}),
        Case("noisy", _GRADNET, guide={"kind": "noisy"}),
        Case(
            "naive",
            _GRADNET,
            guide={"kind": "network", "network": _NAIVE, "training": "first"},
        ),
        Case("oracle", _GRADNET, guide={"kind": "clean"}),
    ),
    claims=(
        Claim("naive", "mskresnet", "a naive guide beats no guide"),
        Claim("oracle", "mskresnet", "the oracle beats no guide"),
        Claim("oracle", "naive", "the oracle beats the naive guide"),
    ),
)

COMPARISONS = {c.name: c for c in (GROWTH, EVOLUTION, GUIDES)}

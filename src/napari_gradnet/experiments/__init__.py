"""The papers' comparisons as runnable definitions.

``python -m napari_gradnet.experiments --help`` lists and runs them.
"""

from __future__ import annotations

from napari_gradnet.experiments.comparison import (
    Case,
    Claim,
    Comparison,
    Result,
    iter_comparison,
)
from napari_gradnet.experiments.definitions import COMPARISONS

__all__ = [
    "COMPARISONS",
    "Case",
    "Claim",
    "Comparison",
    "Result",
    "iter_comparison",
]

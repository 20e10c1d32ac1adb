"""What a denoiser removed, and what it should have left."""

from __future__ import annotations

from napari_gradnet.residual.report import (
    Finding,
    ResidualReport,
    analyze_residual,
    iter_analyze_residual,
)

__all__ = ["Finding", "ResidualReport", "analyze_residual", "iter_analyze_residual"]

"""What the metadata of an output says about how it was made; no torch here."""

from __future__ import annotations

from typing import Any

from napari_gradnet import __version__

__all__ = ["processing_record"]

SOFTWARE = "napari-gradnet"


def processing_record(**what: Any) -> dict[str, Any]:
    """Say with what and how a file was made, for its metadata."""
    return {"software": SOFTWARE, "version": __version__, **what}

"""OME-Zarr volumes: read by regions, written by blocks.

Kept apart from `napari_gradnet.io`, since importing zarr takes a while.
"""

from __future__ import annotations

from napari_gradnet.io._zarr_array import CheckedArray, open_checked
from napari_gradnet.io._zarr_copy import check_rest, copy_rest, remove_leftovers
from napari_gradnet.io._zarr_layout import Compression, ZarrLayout
from napari_gradnet.io._zarr_plan import (
    LevelPlan,
    VolumePlan,
    plan_empty,
    plan_volume,
)
from napari_gradnet.io._zarr_read import ZarrSource, is_zarr
from napari_gradnet.io._zarr_store import MAX_CHUNK_BYTES
from napari_gradnet.io._zarr_write import (
    ZarrVolume,
    check_output,
    create_volume,
    halve,
    make_folder,
    partial_folder,
    publish_folder,
    remove_replaced,
)

__all__ = [
    "MAX_CHUNK_BYTES",
    "CheckedArray",
    "Compression",
    "LevelPlan",
    "VolumePlan",
    "ZarrLayout",
    "ZarrSource",
    "ZarrVolume",
    "check_output",
    "check_rest",
    "copy_rest",
    "create_volume",
    "halve",
    "is_zarr",
    "make_folder",
    "open_checked",
    "partial_folder",
    "plan_empty",
    "plan_volume",
    "publish_folder",
    "remove_leftovers",
    "remove_replaced",
]

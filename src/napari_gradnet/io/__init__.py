"""Image files: TIFF (ImageJ, OME, BigTIFF and plain), PNG and JPEG, plane by plane.

Pixels are read and written one plane at a time, so that memory does not grow with the
stack, and a file that is written keeps what the file that was read says about itself.
"""

from __future__ import annotations

from napari_gradnet.io._base import ImageSource, join_messages
from napari_gradnet.io._create import (
    PlaneWriter,
    check_like,
    create_like,
    write_like,
)
from napari_gradnet.io._open import open_image
from napari_gradnet.io._partial import (
    PartialFile,
    explain_write_error,
    short_name,
    temporary_path,
)
from napari_gradnet.io._target import OUTPUT_SUFFIXES

__all__ = [
    "OUTPUT_SUFFIXES",
    "ImageSource",
    "PartialFile",
    "PlaneWriter",
    "check_like",
    "create_like",
    "explain_write_error",
    "join_messages",
    "open_image",
    "short_name",
    "temporary_path",
    "write_like",
]

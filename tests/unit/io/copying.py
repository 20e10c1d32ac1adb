"""Files sent through the reader and the writer."""

from __future__ import annotations

from napari_gradnet.io import open_image, write_like

#: What the copies tell about their making.
RECORD = {"software": "napari-gradnet", "version": "1.2.3", "options": {"tile": 64}}


def copy(path, out, function=lambda plane: plane, dtype=None, axes=None):
    """Send a file through the reader and the writer."""
    with open_image(path, axes=axes) as source:
        planes = (function(plane) for plane in source.iter_planes())
        return source.message, write_like(
            source, out, planes, dtype=dtype, record=RECORD
        )

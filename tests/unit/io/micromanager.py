"""A file as Micro-Manager writes it."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_SHORT, _LONG, _RATIO, _ASCII = 3, 4, 5, 2
_PLANE = b'{"a":1}\0'


def write_mmstack(path: Path, data: NDArray[np.uint16]) -> None:
    """Write a stack of slices: an ImageJ text, an index, and words on each plane.

    As in Micro-Manager's files, all pages but the first have 13 tags: tifffile counts
    on it.
    """
    count, height, width = data.shape
    text = f"ImageJ=1.52p\nimages={count}\nslices={count}\nunit=um\n".encode() + b"\0"
    about = {"MicroManagerVersion": "2.0", "Frames": 1, "Slices": count, "Channels": 1}
    about |= {"Positions": 1, "Prefix": "", "TimeFirst": True, "SlicesFirst": True}
    summary = json.dumps(about).encode()
    index = (54773648, 0, 483765892, 0, 99384722, 0, 2355492, len(summary))
    out = bytearray(struct.pack("<2sHI8I", b"II", 42, 0, *index) + summary)
    places, link = [], 4
    for number in range(count):
        out += bytes(len(out) % 2)
        places.append(len(out))
        struct.pack_into("<I", out, link, len(out))
        size, entries = 2 * height * width, 14 if number == 0 else 13
        pixels = len(out) + 2 + 12 * entries + 4
        ratio, plane = pixels + size, pixels + size + 8
        tags = [
            (256, _LONG, 1, width),
            (257, _LONG, 1, height),
            (258, _SHORT, 1, 16),
            (259, _SHORT, 1, 1),
            (262, _SHORT, 1, 1),
            (270, _ASCII, len(text), plane + len(_PLANE)),
            (273, _LONG, 1, pixels),
            (277, _SHORT, 1, 1),
            (278, _SHORT, 1, height),
            (279, _LONG, 1, size),
            (282, _RATIO, 1, ratio),
            (283, _RATIO, 1, ratio),
            (296, _SHORT, 1, 1),
            (51123, _ASCII, len(_PLANE), plane),
        ]
        out += struct.pack("<H", entries)
        for tag in tags:
            if number == 0 or tag[0] != 270:
                out += struct.pack("<HHII", *tag)
        link = len(out)
        out += bytes(4) + data[number].astype("<u2").tobytes()
        out += struct.pack("<2I", 1, 1) + _PLANE + (text if number == 0 else b"")
    struct.pack_into("<II", out, 8, 54773648, len(out))
    out += struct.pack("<II", 3453623, count)
    for number, place in enumerate(places):
        out += struct.pack("<5I", 0, number, 0, 0, place)
    path.write_bytes(out)

"""How a picture is to be turned on showing it, as EXIF says it.

References
----------
.. [1] Exif 3.0, CIPA DC-008-2023, 4.6.5, tag 274 (the same as in TIFF).
"""

from __future__ import annotations

import struct

__all__ = ["ORIENTATION", "orientation_exif", "read_orientation"]

#: The tag, in EXIF and TIFF.
ORIENTATION = 274
_SHORT = 3


def read_orientation(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from EXIF data; 1 (upright) if there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, place)
            if (tag, kind) == (ORIENTATION, _SHORT):
                return value if 1 <= value <= 8 else 1
    except struct.error:  # cut off: nothing else depends on it
        pass
    return 1


def orientation_exif(orientation: int) -> bytes:
    """Make EXIF data that tell nothing but the orientation."""
    entry = struct.pack("<HHIHH", ORIENTATION, _SHORT, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)

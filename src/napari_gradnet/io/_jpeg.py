"""JPEG files of 8 bits, with EXIF, colour profile, XMP, IPTC and comments kept.

The orientation that EXIF tells stays as it is, since pixels are not turned.

References
----------
.. [1] ITU-T T.81, Digital compression and coding of continuous-tone still images, B.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._base import check_expansion
from napari_gradnet.io._exif import orientation_exif, read_orientation
from napari_gradnet.io._raster import RasterSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SIGNATURE", "JpegSource", "encode_jpeg", "orientation_segment"]

SIGNATURE = b"\xff\xd8\xff"
#: JPEG quality on writing, with colours at full resolution.
QUALITY = 95
APP0, APP1, APP2, APP13, COMMENT, START_OF_SCAN = 0xE0, 0xE1, 0xE2, 0xED, 0xFE, 0xDA
#: Start of frame: all of 0xC0..0xCF but the tables DHT, JPG and DAC.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF = b"Exif\0\0"
_ICC = b"ICC_PROFILE\0"
#: The longest content of one segment.
_MAX_SEGMENT = 65533


def _iter_segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, content and end of each segment up to the first scan."""
    position, marker = 2, 0
    while marker != START_OF_SCAN:
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        head = data[position : position + 4]
        if len(head) < 4 or head[0] != 0xFF:
            msg = f"there is no segment at byte {position:,} of {len(data):,}"
            raise ValueError(msg)
        marker, length = head[1], int.from_bytes(head[2:], "big")
        end = position + 2 + length
        if length < 2 or end > len(data):
            msg = f"it is cut off: {len(data):,} bytes of at least {end:,}"
            raise ValueError(msg)
        yield marker, data[position + 4 : end], end
        position = end


def _is_kept(marker: int, content: bytes) -> bool:
    if marker == APP2:  # other uses (several pictures) hold offsets into the file
        return content.startswith(_ICC)
    return marker in (APP0, APP1, APP13, COMMENT)


class JpegSource(RasterSource):
    """A JPEG picture, grey or colour.

    Raises
    ------
    FileFormatError
        The file is damaged, has other than 8 bits, or is CMYK.
    """

    kind = "jpeg"

    def __init__(self, path: Path, axes: str | None = None) -> None:
        data = path.read_bytes()
        try:
            segments = list(_iter_segments(data))
            frame = next(content for m, content, _ in segments if m in _FRAMES)
            bits, components = frame[0], frame[5]
        except (ValueError, StopIteration, IndexError) as error:
            msg = f"{path} is no whole JPEG: {str(error) or 'it has no picture'}"
            raise FileFormatError(msg) from error
        scan = segments[-1][2]
        # inside a scan 0xFF is always followed by 0 or a restart marker
        if data.find(b"\xff\xd9", scan) < 0:
            msg = f"{path} is cut off: its end is missing after {len(data):,} bytes"
            raise FileFormatError(msg)
        if bits != 8 or components not in (1, 3):
            msg = (
                f"{path} has {components} colour components of {bits} bits: grey or "
                "RGB of 8 bits is needed (convert CMYK to RGB)"
            )
            raise FileFormatError(msg)
        height, width = (int.from_bytes(frame[k : k + 2], "big") for k in (1, 3))
        shape = (height, width) if components == 1 else (height, width, 3)
        claimed = height * width * components
        check_expansion(path, "its header", claimed, len(data) - scan)
        super().__init__(path, shape, np.dtype(np.uint8), axes)
        self.segments = [(m, c) for m, c, _ in segments if _is_kept(m, c)]
        for marker, content in self.segments:
            if marker == APP1 and content.startswith(_EXIF):
                self.orientation = read_orientation(content[len(_EXIF) :])

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says about itself."""
        return {
            "kind": self.kind,
            "exif": any(m == APP1 and c[:4] == b"Exif" for m, c in self.segments),
        }

    @property
    def icc(self) -> bytes | None:
        """Colour profile, joined from its numbered segments."""
        skip = len(_ICC) + 2
        parts = [c for m, c in self.segments if m == APP2 and len(c) > skip]
        parts.sort(key=lambda content: content[len(_ICC)])
        return b"".join(part[skip:] for part in parts) or None

    def _decode(self) -> NDArray[Any]:
        return np.asarray(imagecodecs.jpeg8_decode(self.path.read_bytes()))


def _segment(marker: int, content: bytes) -> bytes:
    content = content[:_MAX_SEGMENT]
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def _icc_segments(icc: bytes) -> list[tuple[int, bytes]]:
    size = _MAX_SEGMENT - len(_ICC) - 2
    parts = [icc[k : k + size] for k in range(0, len(icc), size)]
    return [
        (APP2, _ICC + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, start=1)
    ]


def orientation_segment(orientation: int) -> tuple[int, bytes]:
    """Make a segment that tells nothing but the orientation."""
    return APP1, _EXIF + orientation_exif(orientation)


def encode_jpeg(
    picture: NDArray[Any],
    kept: list[tuple[int, bytes]],
    icc: bytes | None,
    comment: str,
) -> bytes:
    """Encode a picture as JPEG of quality 95, colours at full resolution (4:4:4).

    Parameters
    ----------
    picture : ndarray, shape (Y, X) or (Y, X, 3), dtype uint8
        Pixels.
    kept : list of (marker, content)
        Segments of the picture that was read.
    icc : bytes or None
        Colour profile, where no segment among `kept` holds it.
    comment : str
        ASCII text to add.
    """
    options: dict[str, Any] = {"subsampling": "444"} if picture.ndim == 3 else {}
    data = bytes(
        imagecodecs.jpeg8_encode(
            np.ascontiguousarray(picture), level=QUALITY, **options
        )
    )
    segments = list(kept)
    if icc is not None and all(marker != APP2 for marker, _ in kept):
        segments += _icc_segments(icc)
    # the encoder's own APP0 (density unknown) gives way to the one that was read
    start = 2
    if any(marker == APP0 for marker, _ in kept):
        start = next((end for m, _, end in _iter_segments(data) if m == APP0), 2)
    elif data[3] == APP0:
        start = 2 + 2 + int.from_bytes(data[4:6], "big")
        segments.insert(0, (APP0, data[6:start]))
    segments.append((COMMENT, comment.encode("ascii")))
    # JFIF must be the first segment, EXIF the next
    segments.sort(key=lambda item: item[0] != APP0)
    extra = b"".join(_segment(marker, content) for marker, content in segments)
    return data[:2] + extra + data[start:]

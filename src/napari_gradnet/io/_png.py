"""PNG files of 8 and 16 bits, with the chunks that describe the picture kept.

References
----------
.. [1] Portable Network Graphics (PNG) Specification (Third Edition), W3C,
   https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io._base import check_expansion, join_messages
from napari_gradnet.io._exif import read_orientation
from napari_gradnet.io._raster import RasterSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SIGNATURE", "PngSource", "encode_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, INDEXED, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
#: Chunks that stay true whatever is done to the pixels.
_KEPT = {b"gAMA", b"cHRM", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"pHYs"}
_KEPT |= {b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"}
#: A colour profile of more bytes than this is not believed.
_MAX_PROFILE = 16 * 2**20


def _iter_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk; ``ValueError`` where the file is cut."""
    position = len(SIGNATURE)
    name = b""
    while name != b"IEND":
        if position + 12 > len(data):
            msg = f"it is cut off after {len(data):,} bytes"
            raise ValueError(msg)
        length, name = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            msg = f"it is cut off: {len(data):,} bytes of at least {end:,}"
            raise ValueError(msg)
        yield name, data[position + 8 : end - 4]
        position = end


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


class PngSource(RasterSource):
    """A PNG picture: grey, RGB or RGBA; a palette is read as RGB(A).

    Raises
    ------
    FileFormatError
        The file is damaged, has one bit per pixel, or grey with alpha.
    """

    kind = "png"

    def __init__(self, path: Path, axes: str | None = None) -> None:
        data = path.read_bytes()
        try:
            chunks = list(_iter_chunks(data))
            header = struct.unpack(">IIBBBBB", chunks[0][1])
        except (ValueError, struct.error) as error:
            msg = f"{path} is no whole PNG: {error}"
            raise FileFormatError(msg) from error
        self.chunks = [(n, content) for n, content in chunks if n in _KEPT]
        self.orientation = read_orientation(dict(chunks).get(b"eXIf", b""))
        self.names = names = {name for name, _ in chunks}
        width, height, bits, colour = header[:4]
        has_key = b"tRNS" in names
        if bits == 1 and colour == GREY:
            msg = f"{path} has one bit per pixel: save it with 8 bits"
            raise FileFormatError(msg)
        if colour == GREY_ALPHA or (colour == GREY and has_key):
            msg = f"{path} is grey with alpha: save it as RGBA or without alpha"
            raise FileFormatError(msg)
        samples = 4 if colour == COLOUR_ALPHA or has_key else 3
        shape = (height, width) if colour == GREY else (height, width, samples)
        dtype = np.dtype(np.uint16 if bits == 16 else np.uint8)
        stored = sum(len(content) for name, content in chunks if name == b"IDAT")
        claimed = height * width * samples * dtype.itemsize
        check_expansion(path, f"its header ({width} x {height})", claimed, stored)
        super().__init__(path, shape, dtype, axes)
        self.message = join_messages(
            "palette colours are read and written as RGB" if colour == INDEXED else "",
            f"{bits}-bit grey is written with 8 bits"
            if bits < 8 and colour == GREY
            else "",
            "only the first picture of the animation is read"
            if b"acTL" in names
            else "",
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says about itself."""
        return {"kind": self.kind, "chunks": sorted(n.decode() for n in self.names)}

    @property
    def icc(self) -> bytes | None:
        """Colour profile, uncompressed."""
        for name, content in self.chunks:
            if name == b"iCCP" and b"\0" in content:
                packed = content[content.index(b"\0") + 2 :]
                try:
                    return zlib.decompressobj().decompress(packed, _MAX_PROFILE)
                except zlib.error:
                    return None
        return None

    def _decode(self) -> NDArray[Any]:
        return np.asarray(imagecodecs.png_decode(self.path.read_bytes()))


def _text(keyword: str, text: str) -> tuple[bytes, bytes]:
    return b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1")


def encode_png(
    picture: NDArray[Any],
    kept: list[tuple[bytes, bytes]],
    icc: bytes | None,
    texts: Mapping[str, str],
) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    picture : ndarray, shape (Y, X) or (Y, X, S), dtype uint8 or uint16
        Pixels.
    kept : list of (name, content)
        Chunks of the picture that was read.
    icc : bytes or None
        Colour profile, where no chunk among `kept` holds it.
    texts : mapping of str to str
        Keywords and Latin-1 texts to add.
    """
    chunks = list(kept)
    if icc is not None and all(name != b"iCCP" for name, _ in kept):
        chunks.append((b"iCCP", b"profile\0\0" + zlib.compress(icc)))
    chunks += [_text(keyword, text) for keyword, text in texts.items()]
    data = imagecodecs.png_encode(np.ascontiguousarray(picture))
    start = len(SIGNATURE) + 12 + 13  # behind the header, before the pixels
    extra = b"".join(_chunk(name, content) for name, content in chunks)
    return bytes(data[:start]) + extra + bytes(data[start:])

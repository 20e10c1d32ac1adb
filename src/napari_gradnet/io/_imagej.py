"""ImageJ's own metadata: its description text and its binary tag, kept and extended.

Everything that is not understood is carried over byte by byte.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gradnet.axes import ImageAxes

__all__ = [
    "SIGNED_OFFSET",
    "extend_tag",
    "is_signed",
    "patch_description",
    "rename_stack",
]

#: ImageJ stores signed 16-bit pixels as unsigned, with a calibration of
#: ``value = -32768 + 1 * stored``.
SIGNED_OFFSET = 32768
_CALIBRATION = ("cf", "c0", "c1", "vunit")


def _items(description: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in description.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def is_signed(description: str) -> bool:
    """Whether unsigned 16-bit pixels stand for signed ones."""
    items = _items(description)
    try:
        return (
            int(items["cf"]) == 0
            and float(items["c0"]) == -SIGNED_OFFSET
            and float(items["c1"]) == 1
        )
    except (KeyError, ValueError):
        return False


def patch_description(
    description: str, num_images: int, *, signed_before: bool, signed_after: bool
) -> str:
    """Fit the description to the pixels that are written.

    Parameters
    ----------
    description : str
        The ``ImageJ=...`` text.
    num_images : int
        Number of 2-D images, which ImageJ needs to find them without a directory each.
    signed_before, signed_after : bool
        Whether the calibration of signed 16-bit pixels is there and is wanted.

    Returns
    -------
    str
        The text, with all other lines as they were.
    """
    lines = description.splitlines()
    if signed_before and not signed_after:
        lines = [x for x in lines if x.split("=", 1)[0].strip() not in _CALIBRATION]
    elif signed_after and not signed_before:
        lines += ["cf=0", f"c0=-{SIGNED_OFFSET}", "c1=1", "vunit=Gray Value"]
    if num_images > 1 and "images" not in _items(description):
        lines.insert(1, f"images={num_images}")
    return "\n".join(lines) + "\n"


def rename_stack(description: str, axes: ImageAxes) -> str | None:
    """Say which dimensions of a stack are frames, slices and channels.

    Parameters
    ----------
    description : str
        The ``ImageJ=...`` text.
    axes : ImageAxes
        Of the stack; letters of ``TZC`` before those of the plane.

    Returns
    -------
    str or None
        The text, with all other lines as they were; None where the dimensions are not
        in ImageJ's order.
    """
    if [x for x in "TZC" if x in axes.stack_axes] != list(axes.stack_axes):
        return None
    names = {"C": "channels", "Z": "slices", "T": "frames"}
    lines = [
        line
        for line in description.splitlines()
        if line.split("=", 1)[0].strip() not in (*names.values(), "hyperstack", "order")
    ]
    new = [f"{names[x]}={axes.length(x)}" for x in "CZT" if x in axes.stack_axes]
    if len(new) > 1:
        new.append("hyperstack=true")
    at = next((k for k, x in enumerate(lines) if x.startswith("images=")), 0) + 1
    lines[at:at] = new
    return "\n".join(lines) + "\n"


def _parse(
    data: bytes, counts: Sequence[int], byteorder: str
) -> list[tuple[bytes, list[bytes]]]:
    """Split the tag into its entries; ``ValueError`` when it is not well formed."""
    if data[:4] not in (b"IJIJ", b"JIJI") or not counts or counts[0] % 8 != 4:
        msg = "not ImageJ metadata"
        raise ValueError(msg)
    entries: list[tuple[bytes, list[bytes]]] = []
    position, blob = counts[0], 1
    if sum(counts) > len(data):
        msg = "ImageJ metadata is cut off"
        raise ValueError(msg)
    for start in range(4, counts[0], 8):
        (number,) = struct.unpack(byteorder + "I", data[start + 4 : start + 8])
        if blob + number > len(counts):
            msg = "ImageJ metadata counts are too few"
            raise ValueError(msg)
        blobs = []
        for size in counts[blob : blob + number]:
            blobs.append(data[position : position + size])
            position += size
        blob += number
        entries.append((data[start : start + 4], blobs))
    return entries


def extend_tag(
    data: bytes,
    counts: Sequence[int],
    byteorder: str,
    info: str,
    luts: Sequence[bytes] = (),
) -> tuple[bytes, bytes]:
    """Append a text to ``Info`` and, where there are none, lookup tables.

    Parameters
    ----------
    data, counts : bytes and sequence of int
        Tags 50839 and 50838; empty when the file has none.
    byteorder : str
        ``"<"`` or ``">"``, of the file.
    info : str
        What is appended, as a paragraph of its own.
    luts : sequence of bytes
        Tables of 3 x 256 bytes.

    Returns
    -------
    data, counts : bytes
        The new values of the tags, packed in `byteorder`.

    Raises
    ------
    ValueError
        The tag is not well formed.
    """
    entries = _parse(data, counts, byteorder) if data else []
    codec = "utf-16-be" if byteorder == ">" else "utf-16-le"

    def name(letters: bytes) -> bytes:
        return letters if byteorder == ">" else letters[::-1]

    for letters, blobs in entries:
        if letters == name(b"info") and blobs:
            before = blobs[0].decode(codec, errors="replace").rstrip("\n")
            blobs[0] = f"{before}\n\n{info}\n".encode(codec)
            break
    else:
        entries.insert(0, (name(b"info"), [f"{info}\n".encode(codec)]))
    if luts and not any(letters == name(b"luts") for letters, _ in entries):
        entries.append((name(b"luts"), list(luts)))
    header = name(b"IJIJ") + b"".join(
        letters + struct.pack(byteorder + "I", len(blobs)) for letters, blobs in entries
    )
    body = [blob for _, blobs in entries for blob in blobs]
    sizes = [len(header), *map(len, body)]
    return header + b"".join(body), struct.pack(f"{byteorder}{len(sizes)}I", *sizes)

"""OME-XML: the description of an OME-TIFF, fitted to what is written.

The text is edited in place rather than made anew, so that all that is not understood
(instruments, regions, annotations, time of each plane) stays.

References
----------
.. [1] OME data model, schema 2016-06,
   https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.dom import minidom

from napari_gradnet.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from xml.dom.minidom import Document, Element

    import numpy as np

    from napari_gradnet.axes import ImageAxes

__all__ = ["find_image", "patch_ome_xml", "pixel_type"]

_TYPES = {
    "int8": "int8",
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int32",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
}
#: Elements that come after StructuredAnnotations in the schema.
_AFTER_ANNOTATIONS = ("ROI", "BinaryOnly")
_NAMESPACE = "napari-gradnet/processing"


def pixel_type(path: Path, dtype: np.dtype[np.generic]) -> str:
    """Name of `dtype` in OME-XML.

    Raises
    ------
    FileFormatError
        OME-TIFF has no such pixels.
    """
    try:
        return _TYPES[dtype.name]
    except KeyError:
        msg = (
            f"{path}: OME-TIFF has no pixels of type {dtype.name}: "
            f"use one of {', '.join(_TYPES)}"
        )
        raise FileFormatError(msg) from None


def _children(parent: Element, name: str) -> list[Element]:
    return [
        node
        for node in parent.childNodes
        if node.nodeType == node.ELEMENT_NODE and node.localName == name
    ]


def _new(document: Document, parent: Element, name: str) -> Element:
    """Make an element in the namespace and with the prefix of `parent`."""
    prefix = f"{parent.prefix}:" if parent.prefix else ""
    return document.createElementNS(parent.namespaceURI, prefix + name)


def find_image(
    root: Element, *, size: tuple[int, int], page: int, file: str
) -> Element:
    """Find the image that a page belongs to.

    Parameters
    ----------
    root : Element
        Of the OME-XML.
    size : (int, int)
        Rows and columns of the image.
    page : int
        Number of one of its pages in the file.
    file : str
        The file's name.

    Raises
    ------
    ValueError
        There is no image of this size.
    """
    found = []
    for image in _children(root, "Image"):
        for pixels in _children(image, "Pixels"):
            width, height = (pixels.getAttribute(k) for k in ("SizeX", "SizeY"))
            if (height, width) == (str(size[0]), str(size[1])):
                found.append((_has_page(root, pixels, page, file), image))
    if not found:
        msg = f"no Image has {size[1]} x {size[0]} pixels"
        raise ValueError(msg)
    # several images may be of one size, some of them without a page in this file
    return max(found, key=lambda item: item[0])[1]


def _has_page(root: Element, pixels: Element, page: int, file: str) -> bool:
    for data in _children(pixels, "TiffData"):
        elsewhere = any(
            uuid.getAttribute("FileName").lower() != file.lower()
            and _text(uuid) != root.getAttribute("UUID")
            for uuid in _children(data, "UUID")
        )
        first = int(data.getAttribute("IFD") or 0)
        default = "1" if data.hasAttribute("IFD") else "0"  # 0: all that there are
        count = data.getAttribute("PlaneCount") or data.getAttribute("NumPlanes")
        number = int(count or default)
        if not elsewhere and first <= page and (not number or page < first + number):
            return True
    return False


def _text(element: Element) -> str:
    return "".join(n.data for n in element.childNodes if n.nodeType == n.TEXT_NODE)


def _fit_pixels(
    document: Document, pixels: Element, type_name: str, pages: int
) -> None:
    if pixels.getAttribute("Type") != type_name:
        pixels.setAttribute("Type", type_name)
        if pixels.hasAttribute("SignificantBits"):
            pixels.removeAttribute("SignificantBits")
    for old in _children(pixels, "TiffData"):
        pixels.removeChild(old)
    # in the schema TiffData comes after Channel and before Plane
    before = next(iter(_children(pixels, "Plane")), None)
    data = _new(document, pixels, "TiffData")
    data.setAttribute("IFD", "0")
    data.setAttribute("PlaneCount", str(pages))
    pixels.insertBefore(data, before)


def _rename_stack(document: Document, pixels: Element, axes: ImageAxes) -> bool:
    """Say which dimensions are which; False, and nothing changed, where it is unsafe.

    What is said of single planes, and of channels that come or go, would be wrong.
    """
    channels = _children(pixels, "Channel")
    samples = int(channels[0].getAttribute("SamplesPerPixel") or 1) if channels else 1
    count = axes.length("C")
    same = len(channels) == count
    if _children(pixels, "Plane") or not (same or _are_plain(channels)):
        return False
    for letter in "TCZ":
        length = axes.length(letter) * (samples if letter == "C" else 1)
        pixels.setAttribute(f"Size{letter}", str(length))
    fast = axes.stack_axes[::-1]
    order = "XY" + fast + "".join(x for x in "CZT" if x not in fast)
    pixels.setAttribute("DimensionOrder", order)
    if not same:
        for number, node in enumerate(channels):
            if number >= count:
                pixels.removeChild(node)
        for number in range(len(channels), count if channels else 0):
            node = _new(document, pixels, "Channel")
            node.setAttribute("ID", f"{channels[0].getAttribute('ID')}-{number}")
            node.setAttribute("SamplesPerPixel", str(samples))
            pixels.insertBefore(node, _children(pixels, "TiffData")[0])
    return True


def _are_plain(channels: Sequence[Element]) -> bool:
    """Whether channels tell nothing that would be lost."""
    told = {k for node in channels for k in dict(node.attributes.items())}
    elements = [
        sub
        for node in channels
        for sub in node.childNodes
        if sub.nodeType == sub.ELEMENT_NODE
    ]
    empty = not any(sub.attributes.length or sub.childNodes for sub in elements)
    return told <= {"ID", "SamplesPerPixel"} and empty


def _annotate(
    document: Document, root: Element, image: Element, record: Mapping[str, str]
) -> None:
    holders = _children(root, "StructuredAnnotations")
    if holders:
        holder = holders[0]
    else:
        holder = _new(document, root, "StructuredAnnotations")
        later = [n for name in _AFTER_ANNOTATIONS for n in _children(root, name)]
        root.insertBefore(holder, later[0] if later else None)
    taken = {
        node.getAttribute("ID")
        for node in holder.childNodes
        if node.nodeType == node.ELEMENT_NODE
    }
    number = 0
    while (name := f"Annotation:napari-gradnet:{number}") in taken:
        number += 1
    annotation = _new(document, holder, "MapAnnotation")
    annotation.setAttribute("ID", name)
    annotation.setAttribute("Namespace", _NAMESPACE)
    value = _new(document, holder, "Value")
    for key, text in record.items():
        entry = _new(document, holder, "M")
        entry.setAttribute("K", key)
        entry.appendChild(document.createTextNode(text))
        value.appendChild(entry)
    annotation.appendChild(value)
    holder.appendChild(annotation)
    reference = _new(document, image, "AnnotationRef")
    reference.setAttribute("ID", name)
    image.appendChild(reference)


def patch_ome_xml(
    xml: str,
    *,
    type_name: str,
    size: tuple[int, int],
    page: int,
    file: str,
    pages: int,
    record: Mapping[str, str],
    axes: ImageAxes | None = None,
) -> tuple[bytes, bool]:
    """Fit OME-XML to the one image that is written.

    Parameters
    ----------
    xml : str
        The description of the file that was read.
    type_name : str
        Pixel type, see `pixel_type`.
    size, page, file
        Of the image that is kept: see `find_image`.
    pages : int
        Number of TIFF pages, in the order of the image's ``DimensionOrder``.
    record : mapping of str to str
        Stored as a ``MapAnnotation`` of the image.
    axes : ImageAxes, optional
        Where those of the file are wrong.

    Returns
    -------
    bytes
        The new description, UTF-8.
    bool
        Whether it says `axes`.

    Raises
    ------
    ValueError
        The text is not OME-XML with such an image.
    """
    # as text: the encoding that it declares is the file's, and no longer applies
    document = minidom.parseString(xml)
    root = document.documentElement
    if root is None:
        msg = "the text holds no element"
        raise ValueError(msg)
    image = find_image(root, size=size, page=page, file=file)
    for other in _children(root, "Image"):
        if other is not image:
            root.removeChild(other)
    (pixels,) = _children(image, "Pixels")
    if root.hasAttribute("UUID"):  # it names the file that was read
        root.removeAttribute("UUID")
    _fit_pixels(document, pixels, type_name, pages)
    renamed = axes is None or _rename_stack(document, pixels, axes)
    _annotate(document, root, image, record)
    return document.toxml(encoding="UTF-8"), renamed

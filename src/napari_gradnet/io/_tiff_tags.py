"""Tags of TIFF pages: descriptions kept and the processing recorded in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import _imagej, _ome
from napari_gradnet.io._tiff_axes import is_stack_of
from napari_gradnet.io._tiff_check import palette_bytes
from napari_gradnet.io._tiff_write import PageTags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import tifffile

    from napari_gradnet.io._tiff_read import TiffSource

__all__ = ["TagWriter", "record_text", "software_name"]

#: Tags that stay true whatever is done to the pixels: document name, make, model,
#: orientation, page name, positions, page number, date, artist, host, ink names,
#: XMP, copyright, GeoTIFF and GDAL, IPTC, Micro-Manager.
_KEPT_TAGS = {269, 271, 272, 274, 285, 286, 287, 297, 306, 315, 316, 333, 700}
_KEPT_TAGS |= {33432, 33550, 33723, 33922, 34264, 34735, 34736, 34737}
_KEPT_TAGS |= {42112, 42113, 51123}
#: Places of further tags in the file: EXIF and GPS.
_EXIF_TAGS = (34665, 34853)


def record_text(record: Mapping[str, Any]) -> str:
    """Write the record as one line of ASCII JSON."""
    return json.dumps(dict(record), default=str)


def software_name(record: Mapping[str, Any]) -> str:
    """Name and version of the program, for the tag Software."""
    words = (str(record.get("software", "napari-gradnet")), record.get("version", ""))
    return " ".join(str(word) for word in words if word)


class TagWriter:
    """Makes the tags of the pages that are written.

    Parameters
    ----------
    source : TiffSource
        What was read.
    path : Path
        The output, for messages.
    kind : str
        Kind of TIFF that is written.
    dtype : numpy.dtype
        Of the pixels as stored.
    signed_after : bool
        Whether unsigned pixels stand for signed ones (ImageJ).
    num_pages : int
        Number of pages that are written.
    record : mapping
        What was done.

    Attributes
    ----------
    notes : list of str
        What could not be kept.
    """

    def __init__(
        self,
        source: TiffSource,
        path: Path,
        *,
        kind: str,
        dtype: np.dtype[Any],
        signed_after: bool,
        num_pages: int,
        record: Mapping[str, Any],
    ) -> None:
        self.source = source
        self.path = path
        self.kind = kind
        self.dtype = dtype
        self.signed_after = signed_after
        self.num_pages = num_pages
        self.record = record
        self.notes: list[str] = []

    def page(self, number: int) -> PageTags:
        """Tags of a page behind the first."""
        series = self.source.series
        page = series[number] if self.num_pages == len(series) else None
        if page is None:
            return PageTags()
        full = page.aspage()
        description = None if self.kind == "ome" else self._raw(full, 270)
        return PageTags(description, self._raw(full, 305) or False, self._kept(full))

    def _raw(self, page: tifffile.TiffPage, code: int) -> bytes | None:
        """The bytes of a tag as they are in the file."""
        tag = page.tags.get(code)
        if tag is None:
            return None
        handle = self.source.file.filehandle
        handle.seek(tag.valueoffset)
        data = bytes(handle.read(tag.valuebytecount))
        return data.rstrip(b"\0") if tag.dtype == 2 else data

    def _kept(
        self, page: tifffile.TiffPage
    ) -> list[tuple[int, int, int | None, bytes, bool]]:
        kept: list[tuple[int, int, int | None, bytes, bool]] = []
        for tag in page.tags:
            data = self._raw(page, tag.code) if tag.code in _KEPT_TAGS else None
            if data is not None:
                kept.append((tag.code, int(tag.dtype), None, data, True))
        return kept

    def first_page(self) -> PageTags:
        """Tags of the first page, the record among them."""
        extra = self._kept(self.source.keyframe)
        if any(code in self.source.keyframe.tags for code in _EXIF_TAGS):
            self.notes.append("the EXIF data of the TIFF are not kept")
        raw = self._raw(self.source.keyframe, 305) or b""
        before = raw.decode("utf-8", "replace")
        now = software_name(self.record)
        software = f"{before}; {now}" if before and now not in before else now
        description: bytes | None
        if self.kind == "imagej":
            description = self._imagej_description()
            extra += self._imagej_tags()
        elif self.kind == "ome":
            description = self._ome_description()
        elif self.kind == "shaped":
            description = self._shaped_description()
        else:
            description, software = self._plain_description(software)
        return PageTags(description, software.encode(), extra)

    def _imagej_description(self) -> bytes:
        text = self.source.description
        if self.source.is_renamed:
            renamed = None
            if self._is_stack("TZC"):
                renamed = _imagej.rename_stack(text, self.source.axes)
            text = renamed or text
            self._tell_axes(written=renamed is not None)
        text = _imagej.patch_description(
            text,
            self.num_pages,
            signed_before=self.source.signed,
            signed_after=self.signed_after,
        )
        return text.encode()

    def _is_stack(self, letters: str) -> bool:
        axes = self.source.axes
        # other samples of a pixel may pass for channels
        colours = self.source.keyframe.samplesperpixel == 1 or axes.is_rgb
        return colours and is_stack_of(axes, self.source.own_axes, letters)

    def _tell_axes(self, *, written: bool) -> None:
        if not written:
            self.notes.append(
                f"the axes {self.source.axes.axes} are not written, as the metadata of "
                f"the file do not allow it: give them again where it is read (it says "
                f"{self.source.own_axes})"
            )

    def _imagej_tags(self) -> list[tuple[int, int, int | None, bytes, bool]]:
        order = self.source.file.byteorder
        data = self._raw(self.source.keyframe, 50839) or b""
        packed = self._raw(self.source.keyframe, 50838) or b""
        counts = np.frombuffer(packed, order + "u4").tolist()
        luts: list[bytes] = []
        colormap = self.source.keyframe.colormap
        if colormap is not None and self.dtype != self.source.stored_dtype:
            luts = [palette_bytes(colormap).tobytes()]
        info = f"napari-gradnet: {record_text(self.record)}"
        try:
            new = _imagej.extend_tag(data, counts, order, info, luts)
        except ValueError as error:
            self.notes.append(f"damaged ImageJ metadata is left out ({error})")
            new = _imagej.extend_tag(b"", (), order, info, luts)
        return [(50838, 4, None, new[1], True), (50839, 1, None, new[0], True)]

    def _ome_description(self) -> bytes:
        page = self.source.keyframe
        record = {
            key: value if isinstance(value, str) else json.dumps(value, default=str)
            for key, value in self.record.items()
        }
        axes = self.source.axes if self.source.is_renamed else None
        safe = set(self.source.own_axes) <= set("TCZYXS") and self._is_stack("TCZ")
        try:
            xml, renamed = _ome.patch_ome_xml(
                self.source.description,
                type_name=_ome.pixel_type(self.path, self.dtype),
                size=(page.imagelength, page.imagewidth),
                page=self.source.first_page,
                file=self.source.file.filename,
                pages=self.num_pages,
                record=record,
                axes=axes if safe else None,
            )
        except FileFormatError:
            raise
        except Exception as error:
            msg = f"{self.source.path}: its OME-XML cannot be carried over ({error})"
            raise FileFormatError(msg) from error
        self._tell_axes(written=axes is None or (safe and renamed))
        return xml

    def _shaped_description(self) -> bytes:
        source = self.source
        content: dict[str, Any] = {}
        if source.series.kind == "shaped":
            content = self._shaped_content()
            content.pop("truncated", None)
            if source.palette is not None or source.is_renamed:
                content["shape"] = list(source.shape)
            if source.is_renamed:
                content["axes"] = source.axes.axes
        else:
            content = {"shape": list(source.shape), "axes": source.axes.axes}
            if source.description:
                content["description"] = source.description
        content["napari-gradnet"] = dict(self.record)
        return json.dumps(content, default=str).encode()

    def _shaped_content(self) -> dict[str, Any]:
        """What tifffile wrote about the file, with the user's text."""
        first = self.source.description
        second = str(self.source.keyframe.description1)
        # behind a text of the user's, tifffile puts its own into a second tag
        own = first.startswith("shape=") or (first[:1] == "{" and '"shape":' in first)
        text = first if own or not second else second
        # its old versions wrote no JSON, but "shape=(3, 40, 50)"
        shape = {"shape": list(self.source.series.shape)}
        content: dict[str, Any] = json.loads(text) if text[:1] == "{" else shape
        if first not in ("", text):
            taken = "description" in content
            content["ImageDescription" if taken else "description"] = first
        return content

    def _plain_description(self, software: str) -> tuple[bytes | None, str]:
        """Add the record to free text; anything structured is left as it is."""
        self._tell_axes(written=not self.source.is_renamed)
        before = self._raw(self.source.keyframe, 270) or b""
        record = f"napari-gradnet: {record_text(self.record)}"
        if before.lstrip()[:1] in (b"<", b"{"):
            return before, f"{software}; {record}"
        text = before.rstrip()
        return (text + b"\n" if text else b"") + record.encode(), software

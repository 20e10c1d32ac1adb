"""How what was read is laid out again as a TIFF file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import FileFormatError
from napari_gradnet.io import _ome
from napari_gradnet.io._base import join_messages
from napari_gradnet.io._exif import ORIENTATION
from napari_gradnet.io._target import picture_axes
from napari_gradnet.io._tiff_check import PALETTE, RGB, YCBCR, enum_name
from napari_gradnet.io._tiff_tags import TagWriter, record_text, software_name
from napari_gradnet.io._tiff_write import CLASSIC_LIMIT, PageTags, TiffPlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_gradnet.io._base import ImageSource
    from napari_gradnet.io._tiff_read import TiffSource

__all__ = ["plan_like", "plan_new"]

#: Lossless compressions that are written again; others become deflate.
_SAME_COMPRESSION = {1: 1, 5: 5, 8: 8, 32946: 8, 32773: 32773}
_SAME_COMPRESSION |= {34925: 34925, 50000: 50000, 34926: 50000}
_DEFLATE = 8
#: ResolutionUnit: none, inch, centimetre, millimetre, micrometre.
_UNITS = {1, 2, 3, 4, 5}
#: Bytes of a directory besides texts and tags that are kept, at most, with the entries
#: of those.
_MAX_FIXED_TAGS = 4096
_WITH_PREDICTOR = {5, 8, 34925, 50000}


def plan_new(
    source: ImageSource,
    dtype: np.dtype[Any],
    record: Mapping[str, Any],
    icc: bytes | None,
    message: str,
) -> TiffPlan:
    """Lay out a plain TIFF for an image that was no TIFF.

    Parameters
    ----------
    source : ImageSource
        A picture.
    dtype : numpy.dtype
        Of the pixels.
    record : mapping
        What was done.
    icc : bytes or None
        Colour profile.
    message : str
        What was left out.
    """
    axes = picture_axes(source)
    options: dict[str, Any] = {
        "photometric": RGB if len(axes.shape) == 3 else 1,
        "compression": _DEFLATE,
        "predictor": True,
        "iccprofile": icc,
    }
    if len(axes.shape) == 3:
        options["planarconfig"] = 1
        if axes.shape[-1] == 4:
            options["extrasamples"] = (2,)  # unassociated alpha
    tags = PageTags(record_text(record).encode(), software_name(record).encode())
    if source.orientation != 1:
        value = source.orientation.to_bytes(2, "little")
        tags.extra.append((ORIENTATION, 3, 1, value, True))
    return TiffPlan(
        block_axes=axes,
        page_shape=axes.shape,
        num_pages=1,
        dtype=dtype,
        byteorder="<",
        bigtiff=False,
        contiguous=False,
        single_directory=False,
        signed_offset=False,
        options=options,
        tags=lambda _: tags,
        message=message,
    )


def plan_like(
    source: TiffSource, path: Path, dtype: np.dtype[Any], record: Mapping[str, Any]
) -> TiffPlan:
    """Lay out a TIFF of the same kind as `source`.

    Parameters
    ----------
    source : TiffSource
        What was read.
    path : Path
        The output, for messages.
    dtype : numpy.dtype
        Of the new pixels.
    record : mapping
        What was done.

    Raises
    ------
    FileFormatError
        The kind of TIFF does not hold such pixels.
    """
    return _Planner(source, path, dtype, record).plan()


def _directory_size(tags: PageTags, options: dict[str, Any]) -> int:
    """Bytes of a page besides its pixels, rather too many than too few."""
    texts = [tags.description, tags.software or None, options["iccprofile"]]
    texts += [entry[3] for entry in tags.extra]
    return _MAX_FIXED_TAGS + sum(len(text) for text in texts if isinstance(text, bytes))


class _Planner:
    def __init__(
        self,
        source: TiffSource,
        path: Path,
        dtype: np.dtype[Any],
        record: Mapping[str, Any],
    ) -> None:
        self.source = source
        self.path = path
        self.dtype = dtype
        self.record = record
        self.kind = source.kind
        self.page = source.keyframe
        self.notes: list[str] = []
        self.signed_offset = False
        self._check_kind()

    def _check_kind(self) -> None:
        if self.kind == "ome":
            _ome.pixel_type(self.path, self.dtype)
        elif self.kind == "imagej":
            self._check_imagej()
        elif self.kind == "plain" and self.source.is_renamed:
            # only tifffile's own kind has a place for letters; other words stay
            self.kind = "plain" if self.source.description else "shaped"

    def _check_imagej(self) -> None:
        name = self.dtype.name
        if self.source.axes.is_rgb and name != "uint8":
            self.kind = "shaped"
            self.notes.append(
                f"ImageJ has RGB of 8 bits only: {name} is written as a plain TIFF"
            )
        elif name == "int16":
            self.signed_offset = True
            self.dtype = np.dtype("u2")
        elif name not in ("uint8", "uint16", "float32"):
            msg = (
                f"{self.path}: ImageJ has no pixels of type {name}: "
                "use float32, uint16 or uint8"
            )
            raise FileFormatError(msg)

    # -------------------------------------------------------------------- layout
    def plan(self) -> TiffPlan:
        source = self.source
        block_axes, page_shape = self._shapes()
        num_pages = math.prod(source.shape) // math.prod(page_shape)
        options = self._options()
        tags = TagWriter(
            source,
            self.path,
            kind=self.kind,
            dtype=self.dtype,
            signed_after=self.signed_offset,
            num_pages=num_pages,
            record=self.record,
        )
        first = tags.first_page()
        contiguous = self._is_contiguous(options, tags, first, page_shape)
        nbytes = math.prod(source.shape) * self.dtype.itemsize
        bigtiff = source.file.is_bigtiff
        single = contiguous and self.kind == "imagej" and not bigtiff
        single = single and nbytes > CLASSIC_LIMIT
        if nbytes > CLASSIC_LIMIT and not (bigtiff or single):
            bigtiff = True
            self.notes.append("more than 4 GB: written as BigTIFF")
        return TiffPlan(
            block_axes=block_axes,
            page_shape=page_shape,
            num_pages=num_pages,
            dtype=self.dtype,
            byteorder=source.file.byteorder,
            bigtiff=bigtiff,
            contiguous=contiguous,
            single_directory=single,
            signed_offset=self.signed_offset,
            options=options,
            tags=lambda number: first if number == 0 else tags.page(number),
            message=join_messages(*self.notes, *tags.notes),
        )

    def _is_contiguous(
        self,
        options: dict[str, Any],
        tags: TagWriter,
        first: PageTags,
        page_shape: tuple[int, ...],
    ) -> bool:
        """Whether the pixels of all pages must lie one after the other.

        ImageJ needs it. Of a file of its own kind tifffile takes it for granted where
        the second directory lies further behind the first than all pixels need, which
        long metadata bring about if the pages are small.
        """
        if options["compression"] != 1 or self.kind not in ("imagej", "shaped"):
            return False
        if self.kind == "imagej":
            return True
        later = (tags.num_pages - 1) * math.prod(page_shape) * self.dtype.itemsize
        if not later or later > _directory_size(first, options):
            return False
        width = options.get("tile", (0, self.page.imagewidth))[1]
        if width != self.page.imagewidth:
            return False
        options.pop("tile", None)  # tiles as wide as the page are no more than strips
        if any(tags.page(number) != PageTags() for number in range(1, tags.num_pages)):
            self.notes.append("tags of the pages behind the first are not kept")
        return True

    def _shapes(self) -> tuple[Any, tuple[int, ...]]:
        """Block axes and page shape, both with the colours of a palette."""
        block_axes = self.source.block_axes
        page_shape = tuple(int(k) for k in self.page.shape)
        if self.source.palette is not None:
            block_axes = type(block_axes)(block_axes.axes + "S", (*block_axes.shape, 3))
            page_shape = (*page_shape, 3)
        elif len(page_shape) > 2 and self.page.samplesperpixel == 1:
            # a page that is a volume (or has more dimensions) becomes ordinary pages
            page_shape = page_shape[-2:]
            self.notes.append("volumes stored in one page are written as one page each")
        return block_axes, page_shape

    def _options(self) -> dict[str, Any]:
        page = self.page
        options: dict[str, Any] = {
            "photometric": int(page.photometric),
            "subfiletype": int(page.subfiletype),
            "compression": self._compression(),
            "iccprofile": page.tags.valueof(34675),
        }
        if page.samplesperpixel > 1:
            options["planarconfig"] = int(page.planarconfig)
            options["extrasamples"] = tuple(int(k) for k in page.extrasamples) or None
        if options["photometric"] == YCBCR:
            options["photometric"] = RGB
        if options["photometric"] == PALETTE:
            self._palette(options)
        if self.source.resolution is not None:
            options["resolution"] = self.source.resolution
            unit = int(page.resolutionunit)
            options["resolutionunit"] = unit if unit in _UNITS else 1
        packed = options["compression"] != 1
        if self.kind == "imagej" and not packed:
            return options  # one piece
        if packed:
            self._predictor(options)
        if page.is_tiled and page.tilewidth % 16 == 0 and page.tilelength % 16 == 0:
            options["tile"] = (page.tilelength, page.tilewidth)
        elif packed and 0 < page.rowsperstrip < page.imagelength:
            options["rowsperstrip"] = page.rowsperstrip
        return options

    def _compression(self) -> int:
        before = int(self.page.compression)
        after = _SAME_COMPRESSION.get(before, _DEFLATE)
        if before not in _SAME_COMPRESSION:
            name = enum_name(self.page.compression)
            self.notes.append(f"{name} compression is written as lossless deflate")
        return after

    def _predictor(self, options: dict[str, Any]) -> None:
        fits = self.dtype.kind == "f" or self.dtype.itemsize <= 4
        if (
            self.page.predictor != 1
            or int(self.page.compression) != options["compression"]
        ):
            options["predictor"] = fits and options["compression"] in _WITH_PREDICTOR

    def _palette(self, options: dict[str, Any]) -> None:
        if self.source.palette is not None:
            options["photometric"] = RGB
            options["planarconfig"] = 1
        elif self.dtype == self.source.stored_dtype:
            options["colormap"] = self.page.colormap
        else:  # the lookup table goes into ImageJ's own tag: see _imagej_tags
            options["photometric"] = 1

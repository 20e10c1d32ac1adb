"""Pictures beside each other under their titles, as one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.io import explain_write_error
from napari_gradnet.values import cast_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["check_picture_name", "write_sheet"]

_MARGIN, _TITLE = 8, 24


def check_picture_name(path: Path) -> None:
    """Refuse names that do not end as those of PNG or JPEG files do.

    Raises
    ------
    InputError
        The name ends otherwise.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        msg = f"{path} must end in .png or .jpg: it will be a picture to look at"
        raise InputError(msg)


def write_sheet(path: Path, rows: Sequence[Mapping[str, NDArray[np.floating]]]) -> None:
    """Write rows of pictures; an older file is replaced at once and whole.

    Parameters
    ----------
    path : Path
        PNG, or JPEG where its name ends so.
    rows : sequence of mapping of str to ndarray, shape (Y, X) or (Y, X, 3)
        Titles and their pictures in [0, 1]; all of one size.

    Raises
    ------
    FileFormatError
        The file cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = next(iter(rows[0].values())).shape[:2]
    step, line = width + _MARGIN, height + _TITLE + _MARGIN
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (_MARGIN + step * columns, line * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for down, row in enumerate(rows):
        for across, (title, picture) in enumerate(row.items()):
            corner = _MARGIN + step * across, line * down
            levels = cast_values(picture * 255.0, np.dtype(np.uint8))
            sheet.paste(Image.fromarray(levels), (corner[0], corner[1] + _TITLE))
            draw.text((corner[0], corner[1] + 3), title, fill="black", font=font)
    kind = "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else "PNG"
    temporary = path.with_name(f".{path.name}.part")
    try:
        with explain_write_error(path):
            sheet.save(temporary, format=kind, optimize=True, quality=85)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

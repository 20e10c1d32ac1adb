"""Tags of TIFF files that say where the pixels are."""

from __future__ import annotations

import numpy as np
import tifffile
from PIL import Image
from tests.unit.io.copying import copy

#: ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory, GeoDoubleParams
#: and GeoAsciiParams.
GEO = {
    33550: ("d", [0.5, 0.5, 0.0]),
    33922: ("d", [0.0, 0.0, 0.0, 4e5, 5e6, 0.0]),
    34264: ("d", [0.5, 0, 0, 4e5, 0, -0.5, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1.0]),
    34735: ("H", [1, 1, 0, 1, 1024, 0, 1, 1]),
    34736: ("d", [298.25]),
    34737: ("s", "WGS 84|"),
}


def test_geotiff_stays_where_it_is(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tags = [
        (code, kind, None if kind == "s" else len(value), value, True)
        for code, (kind, value) in GEO.items()
    ]
    tifffile.imwrite(path, np.zeros((8, 9), "u1"), metadata=None, extratags=tags)
    copy(path, out)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(out) as new:
        for code in GEO:
            value = old.pages[0].tags.valueof(code)
            assert value is not None
            assert new.pages[0].tags.valueof(code) == value


def test_lost_exif_is_told(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    exif = Image.Exif()
    exif[271] = "maker"
    exif.get_ifd(0x8769)[36867] = "2024:01:01 00:00:00"
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(path, exif=exif.tobytes())
    _, message = copy(path, out)
    assert message == "the EXIF data of the TIFF are not kept"

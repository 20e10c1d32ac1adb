"""PNG and JPEG files, and conversions between formats."""

from __future__ import annotations

import io
import json
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from tests.unit.io.copying import RECORD, copy

from napari_gradnet.errors import AxesError, FileFormatError
from napari_gradnet.io import create_like, open_image

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png_bytes(picture, **options):
    """Make a PNG with Pillow, 16-bit RGB with tifffile's codec."""
    if picture.dtype == np.uint16 and picture.ndim == 3:
        import imagecodecs

        return imagecodecs.png_encode(picture)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("samples", [(), (3,), (4,)])
def test_png_pixels(tmp_path, rng, dtype, samples):
    data = rng.integers(0, np.iinfo(dtype).max, (13, 17, *samples), dtype=dtype)
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    path.write_bytes(png_bytes(data))
    with open_image(path) as source:
        assert source.kind == "png"
        assert source.axes.axes == ("YXS" if samples else "YX")
        assert (source.shape, source.dtype) == (data.shape, dtype)
    assert copy(path, out, lambda plane: ~plane) == ("", "")
    with open_image(out) as source:
        np.testing.assert_array_equal(source.read_plane(0), ~data)


def test_png_keeps_its_words(tmp_path, rng):
    data = rng.integers(0, 255, (13, 17, 3), dtype=np.uint8)
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a title")
    info.add_itxt("Author", "Jürgen 名", lang="de")
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    path.write_bytes(
        png_bytes(
            data,
            pnginfo=info,
            icc_profile=PROFILE,
            dpi=(300, 300),
            exif=exif,
        )
    )
    copy(path, out)
    with Image.open(path) as old, Image.open(out) as new:
        np.testing.assert_array_equal(np.asarray(new), data)
        texts = dict(new.text)
        assert json.loads(texts.pop("Processing")) == RECORD
        assert texts == dict(old.text)
        assert new.info["icc_profile"] == PROFILE
        assert new.info["gamma"] == pytest.approx(0.45455)
        assert new.info["dpi"] == old.info["dpi"]
        assert new.getexif()[0x010F] == "Maker"


def test_png_palette_and_key_colour(tmp_path, rng):
    data = rng.integers(0, 255, (13, 17), dtype=np.uint8)
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    picture = Image.fromarray(data, "L").convert("P")
    picture.putpalette([*range(256), *range(255, -1, -1), *[7] * 256][:768])
    picture.save(path)
    expected = np.asarray(picture.convert("RGB"))
    message, _ = copy(path, out)
    assert "palette colours are read and written as RGB" in message
    with Image.open(out) as new:
        np.testing.assert_array_equal(np.asarray(new), expected)
    Image.fromarray(expected).save(path, transparency=tuple(expected[0, 0].tolist()))
    with open_image(path) as source:
        plane = source.read_plane(0)
    assert plane.shape == (13, 17, 4)
    assert plane[0, 0, 3] == 0
    np.testing.assert_array_equal(plane[..., :3], expected)


@pytest.mark.parametrize(
    ("mode", "match"),
    [("1", "one bit per pixel"), ("LA", "grey with alpha: save it as RGBA")],
)
def test_png_refused(tmp_path, mode, match):
    path = tmp_path / "in.png"
    Image.new(mode, (8, 9)).save(path)
    with pytest.raises(FileFormatError, match=match):
        open_image(path)


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.02])
def test_cut_off(tmp_path, rng, keep):
    data = rng.integers(0, 255, (43, 57, 3), dtype=np.uint8)
    for name in ("in.png", "in.jpg"):
        path = tmp_path / name
        Image.fromarray(data).save(path, exif=Image.Exif())
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
        with pytest.raises(FileFormatError, match=name):
            open_image(path)


def test_damaged_pixels(tmp_path, rng):
    path = tmp_path / "in.png"
    path.write_bytes(png_bytes(rng.integers(0, 255, (43, 57), dtype=np.uint8)))
    content = bytearray(path.read_bytes())
    content[300:340] = bytes(40)
    path.write_bytes(content)
    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match=r"in\.png cannot be read"),
    ):
        source.read_plane(0)


def test_png_that_lies_about_its_size(tmp_path):
    path = tmp_path / "in.png"
    content = bytearray(png_bytes(np.zeros((9, 9), np.uint8)))
    content[16:24] = (1_000_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"1000000 x 1000000.*header is wrong"):
        open_image(path)


@pytest.fixture
def photo(tmp_path):
    """A smooth colour picture with all that a camera may say about it."""
    ramp = np.add.outer(np.arange(40), 2 * np.arange(64))[..., None]
    data = (ramp + np.array([0, 30, 70])).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x0110] = "Camera X"
    exif.get_ifd(0x8769)[0x8827] = 6400
    path = tmp_path / "in.jpg"
    Image.fromarray(data).save(
        path,
        quality=97,
        subsampling=0,
        exif=exif,
        icc_profile=PROFILE * 200,
        comment=b"by hand",
        dpi=(240, 240),
    )
    return path


def test_jpeg_keeps_its_words(photo, tmp_path):
    out = tmp_path / "out.jpeg"
    with Image.open(photo) as old:
        pixels = np.asarray(old)
    with open_image(photo) as source:
        assert (source.kind, source.axes.axes) == ("jpeg", "YXS")
        np.testing.assert_array_equal(source.read_plane(0), pixels)
    assert copy(photo, out) == ("", "")
    with Image.open(photo) as old, Image.open(out) as new:
        assert new.getexif()[0x0112] == 6
        assert new.getexif()[0x0110] == "Camera X"
        assert new.getexif().get_ifd(0x8769)[0x8827] == 6400
        assert new.info["icc_profile"] == PROFILE * 200
        assert new.info["dpi"] == (240, 240)
        assert new.layer == old.layer  # colours at full resolution
        difference = np.asarray(new).astype(int) - pixels
        assert np.abs(difference).max() <= 4
    content = out.read_bytes()
    assert b"by hand" in content
    assert json.dumps(RECORD).encode() in content


def test_grey_jpeg(tmp_path, rng):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    data = np.add.outer(np.arange(40), 2 * np.arange(64)).astype(np.uint8)
    Image.fromarray(data).save(path, quality=97)
    with open_image(path) as source:
        before = source.read_plane(0)
    assert before.shape == (40, 64)
    copy(path, out)
    with Image.open(out) as new:
        assert new.mode == "L"
        assert np.abs(np.asarray(new).astype(int) - before).max() <= 4


def test_cmyk_is_refused(tmp_path):
    path = tmp_path / "in.jpg"
    Image.new("CMYK", (8, 9)).save(path)
    with pytest.raises(FileFormatError, match=r"4 colour components.*CMYK to RGB"):
        open_image(path)


def test_content_decides_and_not_the_name(photo, tmp_path):
    path = tmp_path / "misnamed.tif"
    path.write_bytes(photo.read_bytes())
    with open_image(path) as source:
        assert source.kind == "jpeg"


def test_photo_becomes_tiff_and_png(photo, tmp_path):
    with open_image(photo) as source:
        pixels = source.read_plane(0)
    for name in ("out.tif", "out.png"):
        _, message = copy(photo, tmp_path / name)
        assert "only pixels, colour profile and orientation are kept" in message
    with tifffile.TiffFile(tmp_path / "out.tif") as new:
        np.testing.assert_array_equal(new.asarray(), pixels)
        assert new.pages[0].iccprofile == PROFILE * 200
        assert new.pages[0].compression.name == "ADOBE_DEFLATE"
        assert json.loads(new.pages[0].description) == RECORD
    with Image.open(tmp_path / "out.png") as new:
        np.testing.assert_array_equal(np.asarray(new), pixels)
        assert new.info["icc_profile"] == PROFILE * 200
    # and the profile goes on from the TIFF and the PNG
    for name in ("out.tif", "out.png"):
        copy(tmp_path / name, tmp_path / f"{name}.jpg")
        with Image.open(tmp_path / f"{name}.jpg") as new:
            assert new.info["icc_profile"] == PROFILE * 200
            assert new.format == "JPEG"


def test_float_result_of_a_photo(photo, tmp_path):
    out = tmp_path / "out.tif"
    copy(photo, out, lambda plane: plane / np.float32(255), dtype="f4")
    result = tifffile.imread(out)
    assert result.dtype == np.float32
    assert result.shape == (40, 64, 3)


def test_channels_one_by_one(photo, tmp_path):
    """With axes="YXC" a photo has three grey planes; it stays a colour photo."""
    with open_image(photo) as source:
        pixels = source.read_plane(0)
    for name in ("out.png", "out.tif"):
        copy(photo, tmp_path / name, lambda plane: 255 - plane, axes="YXC")
        with open_image(tmp_path / name) as source:
            assert source.axes.axes == "YXS"
            np.testing.assert_array_equal(source.read_plane(0), 255 - pixels)


def test_axes_that_do_not_fit(photo):
    with pytest.raises(AxesError, match=r"in\.jpg: axes='ZYXS' names 4"):
        open_image(photo, axes="zyxs")


@pytest.mark.parametrize(
    ("data", "dtype", "name", "match"),
    [
        (np.zeros((4, 8, 9), "u1"), None, "o.png", "PNG holds one plane, not 4"),
        (np.zeros((8, 9), "u1"), "f4", "o.png", "uint8 and uint16, not float32"),
        (np.zeros((8, 9), "i2"), None, "o.png", "uint8 and uint16, not int16"),
        (np.zeros((8, 9), "u2"), None, "o.jpg", r"not uint16: use \.tif \(or \.png"),
        (np.zeros((8, 9, 4), "u1"), None, "o.jpg", "JPEG holds no alpha"),
        (np.zeros((8, 9), "u1"), None, "o.bmp", r"'\.bmp' names no format.*\.tif"),
        (np.zeros((8, 9), "u1"), None, "o", "'' names no format"),
    ],
)
def test_what_a_format_does_not_hold(tmp_path, data, dtype, name, match):
    path = tmp_path / "in.tif"
    photometric = "rgb" if data.shape[-1] == 4 else "minisblack"
    tifffile.imwrite(path, data, photometric=photometric, metadata=None)
    with open_image(path) as source, pytest.raises(FileFormatError, match=match):
        create_like(source, tmp_path / name, dtype=dtype, record=RECORD)
    assert list(tmp_path.iterdir()) == [path]


def test_16_bit_tiff_becomes_png(tmp_path, rng):
    data = rng.integers(0, 65535, (1, 8, 9), dtype=np.uint16)
    path, out = tmp_path / "in.tif", tmp_path / "out.png"
    tifffile.imwrite(path, data, imagej=True)
    copy(path, out)
    with open_image(out) as source:
        np.testing.assert_array_equal(source.read_plane(0), data[0])

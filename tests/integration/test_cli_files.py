"""``gradnet denoise`` on files: formats, metadata, names, exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.integration.command_line import counts, names, run

from napari_gradnet import bundle
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.io import open_image

if TYPE_CHECKING:
    from pathlib import Path


def hyperstack(path: Path) -> np.ndarray:
    """A 16-bit ImageJ hyperstack with everything that ImageJ keeps."""
    image = counts((2, 3, 2, 24, 28))
    lut = np.zeros((2, 3, 256), np.uint8)
    lut[0, 1] = lut[1, 0] = np.arange(256)
    tifffile.imwrite(
        path,
        image,
        imagej=True,
        resolution=(1 / 0.1083, 1 / 0.1083),
        metadata={
            "axes": "TZCYX",
            "unit": "um",
            "spacing": 0.35,
            "finterval": 1.5,
            "mode": "composite",
            "Ranges": (100.0, 900.0, 120.0, 800.0),
            "LUTs": list(lut),
            "Labels": [f"c:{1 + i % 2}" for i in range(12)],
        },
    )
    return image


def test_imagej_hyperstack_there_and_back(tmp_path: Path, grey: str) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    image = hyperstack(path)
    assert run("denoise", path, "-o", out, "--model", grey, "--tile", 16) == 0
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        series = after.series[0]
        assert after.is_imagej
        assert (series.axes, series.shape) == ("TZCYX", image.shape)
        assert series.dtype == np.uint16
        old, new = before.imagej_metadata, after.imagej_metadata
        for key in ("unit", "spacing", "finterval", "mode", "Ranges", "Labels"):
            assert new[key] == old[key]
        assert np.array_equal(new["LUTs"], old["LUTs"])
        for tag in ("XResolution", "YResolution", "ResolutionUnit"):
            assert after.pages[0].tags[tag].value == before.pages[0].tags[tag].value
        found = after.asarray()
    # what Python makes of the array, up to which planes settle the scaling
    expected = denoise(image, grey, axes="TZCYX")
    assert np.array_equal(found, expected)
    assert abs(found.astype(int) - image).max() > 20


def test_the_processing_is_recorded(tmp_path: Path, grey: str, models: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, counts((24, 28)))
    arguments = (
        "--model",
        grey,
        "--vst",
        "off",
        "--range",
        50,
        1000,
        "--device",
        "cpu",
    )
    assert run("denoise", path, "-o", out, *arguments) == 0
    text = out.read_bytes().decode("latin-1")
    sha256 = bundle.file_sha256(models / "grey.safetensors")
    for part in ("napari-gradnet", "grey", sha256, "float32", "50.0", "1000.0"):
        assert part in text


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "model"),
    [
        ("rgb.png", (20, 24, 3), "uint8", "gradnet"),
        ("rgba.png", (20, 24, 4), "uint8", "gradnet"),
        ("grey.png", (20, 24), "uint8", "grey-gradnet"),
        ("grey16.png", (20, 24), "uint16", "grey"),
        ("rgb.tif", (20, 24, 3), "uint8", "color"),
        ("float.tif", (20, 24), "float32", "grey"),
        ("stack.tif", (3, 20, 24), "uint16", "grey"),
    ],
)
def test_formats(
    tmp_path: Path,
    models: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    model: str,
) -> None:
    import imagecodecs

    image = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    path, out = tmp_path / name, tmp_path / f"out-{name}"
    if name.endswith("png"):
        path.write_bytes(imagecodecs.png_encode(image))
    else:
        photometric = "rgb" if shape[-1] == 3 else "minisblack"
        tifffile.imwrite(path, image, photometric=photometric)
    file = models / f"{model}.safetensors"
    assert run("denoise", path, "-o", out, "--model", file) == 0
    with open_image(out) as source:
        planes = np.stack(list(source.iter_planes()))
        found = planes.reshape(image.shape)
        axes = source.axes.axes
    assert found.dtype == dtype
    assert axes.endswith("YXS" if "rgb" in name else "YX")
    expected = denoise(image, file, axes={4: "YXS"}.get(shape[-1], axes))
    assert np.array_equal(found, expected)
    assert not np.array_equal(found, image)


def test_jpeg(tmp_path: Path, color: str, photo: np.ndarray) -> None:
    import imagecodecs

    image = (photo[100:148, 100:164] * 255).round().astype(np.uint8)
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    path.write_bytes(imagecodecs.jpeg_encode(image, 95))
    assert run("denoise", path, "-o", out, "--model", color) == 0
    found = imagecodecs.jpeg_decode(out.read_bytes()).astype(int)
    decoded = imagecodecs.jpeg_decode(path.read_bytes())
    expected = denoise(decoded, color, axes="YXS").astype(int)
    assert found.shape == image.shape
    assert abs(found - expected).mean() < 6  # JPEG loses a little


def test_float_output(tmp_path: Path, grey: str) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    image = counts((24, 28))
    tifffile.imwrite(path, image)
    assert run("denoise", path, "-o", out, "--model", grey, "--dtype", "float32") == 0
    found = tifffile.imread(out)
    assert found.dtype == np.float32
    assert np.array_equal(found, denoise(image, grey, dtype="float32"))


def test_axes_by_hand(tmp_path: Path, grey: str) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, counts((2, 3, 20, 24)), photometric="minisblack")
    arguments = ("denoise", path, "-o", out, "--model", grey)
    assert run(*arguments, "--axes", "YX") == 1
    assert run(*arguments, "--axes", "TCYX") == 0
    with tifffile.TiffFile(out) as file:
        assert file.series[0].shape == (2, 3, 20, 24)


# ------------------------------------------------------------- exit codes


def test_existing_output_is_refused(
    tmp_path: Path, grey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, counts((24, 28)))
    out.write_text("precious")
    arguments = ("denoise", path, "-o", out, "--model", grey)
    assert run(*arguments) == 1
    assert out.read_text() == "precious"
    assert f"{out} already exists: choose another name" in capsys.readouterr().err
    assert run(*arguments, "--overwrite") == 0
    assert tifffile.imread(out).shape == (24, 28)
    assert names(tmp_path) == ["in.tif", "out.tif"]


def test_the_input_is_never_replaced(tmp_path: Path, grey: str) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, counts((24, 28)))
    before = path.read_bytes()
    for out in (path, tmp_path):
        code = run("denoise", path, "-o", out, "--model", grey, "--overwrite")
        assert code == 1
    assert path.read_bytes() == before


def test_another_input_is_never_replaced(
    tmp_path: Path, grey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, out = (tmp_path / n for n in ("a.tif", "b.tif", "out"))
    for path in (first, second):
        tifffile.imwrite(path, counts((24, 28)))
    out.mkdir()
    (out / "a.tif").symlink_to(second)
    before = second.read_bytes()
    assert run("denoise", first, second, "-o", out, "--model", grey, "--overwrite") == 1
    assert f"{out / 'a.tif'} is the input {second} as well" in capsys.readouterr().err
    assert second.read_bytes() == before
    assert names(out) == ["a.tif", "b.tif"]


def test_many_files_one_of_them_bad(
    tmp_path: Path, grey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{n}.tif" for n in ("a", "bad", "nan", "z")]
    tifffile.imwrite(paths[0], counts((24, 28)))
    paths[1].write_bytes(paths[0].read_bytes()[:100])
    tifffile.imwrite(paths[2], np.full((24, 28), np.nan, np.float32))
    tifffile.imwrite(paths[3], counts((2, 24, 28)))
    out = tmp_path / "out"
    assert run("denoise", *paths, "-o", out, "--model", grey) == 1
    assert names(out) == ["a.tif", "z.tif"]
    assert tifffile.imread(out / "z.tif").shape == (2, 24, 28)
    stdout, stderr = capsys.readouterr()
    assert [line.split(" -> ")[0] for line in stdout.splitlines()] == [
        str(paths[0]),
        str(paths[3]),
    ]
    assert f"Error: {paths[1]}: " in stderr
    assert "672 of 672 values are NaN" in stderr
    assert "2 of 4 files failed" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["denoise"], "Missing argument 'IN...'"),
        (["denoise", "{in}"], "Missing option '-o'"),
        (["denoise", "{in}", "-o", "{out}", "--tile", "0"], "0 is not in the range"),
        (["denoise", "{in}", "-o", "{out}", "--tile", "big"], "not a valid integer"),
        (["denoise", "{in}", "-o", "{out}", "--nan", "x"], "'x' is not one of"),
        (["denoise", "{in}", "-o", "{out}", "--range", "1"], "requires 2 arguments"),
        (["denoise", "none.tif", "-o", "{out}"], "'none.tif' does not exist"),
        (["denoise", ".", "-o", "{out}"], "'.' is a folder: this command takes image"),
        (["naive", ".", "-o", "{out}"], "for folders and OME-Zarr use 'gradnet batch'"),
        (["denoise", "{in}", "{in}", "-o", "{out}"], "cannot all be written to"),
        (["denoise", "{in}", "{in}", "-o", "dir"], "several inputs are called"),
        (["gradient", "{in}", "-o", "{out}", "--kind", "up"], "'up' is not one of"),
        (["noise"], "Missing argument 'IN...'"),
    ],
)
def test_wrong_use(
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("in.tif", counts((24, 28)))
    assert (
        run(*(a.format(**{"in": "in.tif", "out": "out.tif"}) for a in arguments)) == 2
    )
    assert message in capsys.readouterr().err
    assert names(tmp_path) == ["in.tif"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "no-such-model"], "neither a packaged model"),
        (["--model", "in.tif"], "is no safetensors file"),
        (["--model", "{color}"], "wants 3 channels"),
        (["--device", "abacus"], "device 'abacus' is not on this machine"),
        (["--dtype", "float7"], "dtype='float7' is unknown"),
        (["--dtype", "bool"], "bool image is a mask"),
        (["--axes", "ZYX"], "names 3 dimensions"),
        (["--range", "9", "1"], "give black first"),
        (["-o", "out.npy"], "'.npy' names no format that can be written"),
        (["-o", "none/out.tif"], "the folder"),
        (["-o", "out.jpg"], "JPEG holds uint8, not uint16"),
    ],
)
def test_failures(
    tmp_path: Path,
    grey: str,
    color: str,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("in.tif", counts((24, 28)))
    extra = [o.format(color=color) for o in options]
    assert run("denoise", "in.tif", "-o", "out.tif", "--model", grey, *extra) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: in.tif: ")
    assert message in err
    assert "Traceback" not in err
    assert names(tmp_path) == ["in.tif"]


def test_an_interrupt_leaves_nothing(
    tmp_path: Path,
    grey: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_gradnet.inference.plane import PlaneDenoiser

    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, counts((3, 24, 28)), photometric="minisblack")
    forward, calls = PlaneDenoiser.run_network, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward(*arguments)

    monkeypatch.setattr(PlaneDenoiser, "run_network", interrupted)
    assert run("denoise", path, path, "-o", out, "--model", grey) == 2
    assert run("denoise", path, "-o", out, "--model", grey) == 130
    assert names(tmp_path) == ["in.tif"]
    assert "Interrupted." in capsys.readouterr().err

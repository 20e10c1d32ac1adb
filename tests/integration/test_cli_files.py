"""``gradnet`` on files: exit codes, names, formats, metadata."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tests.tiny_models import write_tiny_model

from napari_gradnet import api, bundle
from napari_gradnet.cli import main
from napari_gradnet.errors import InputError
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.inference.denoise import denoise
from napari_gradnet.io import open_image
from napari_gradnet.naive import naive_denoise

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("grey", "color", "gradnet", "grey-gradnet"):
        write_tiny_model(folder, name)
    return folder


@pytest.fixture
def grey(models: Path) -> str:
    return str(models / "grey.safetensors")


@pytest.fixture
def color(models: Path) -> str:
    return str(models / "gradnet.safetensors")


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def counts(shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(5, 300, shape[-1]), shape)
    return (100 + 3 * generator.poisson(ramp)).astype(np.uint16)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


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


# ------------------------------------------------------------- other commands


def test_gradient(tmp_path: Path) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out"
    image = counts((2, 24, 28))
    tifffile.imwrite(path, image)
    for kind in ("magnitude", "horizontal", "vertical", "orientation"):
        assert run("gradient", path, "-o", out / f"{kind}.tif", "--kind", kind) == 1
        out.mkdir(exist_ok=True)
        assert run("gradient", path, "-o", out / f"{kind}.tif", "--kind", kind) == 0
        found = tifffile.imread(out / f"{kind}.tif")
        assert found.dtype == np.float32
        exact = sobel_gradient(image.astype(np.float64), kind)
        assert np.allclose(found, exact, rtol=1e-5, atol=1e-5)
        shutil.rmtree(out)


def test_gradients_of_many_pictures_are_tiffs(tmp_path: Path) -> None:
    import imagecodecs

    image = counts((24, 28))
    tifffile.imwrite(tmp_path / "a.tif", image)
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(image))
    out = tmp_path / "out"
    assert run("gradient", tmp_path / "a.tif", tmp_path / "b.png", "-o", out) == 0
    assert names(out) == ["a.tif", "b.tif"]
    expected = sobel_gradient(image)
    assert np.allclose(tifffile.imread(out / "b.tif"), expected, atol=1e-3)


@pytest.mark.parametrize("method", ["gaussian", "tv"])
def test_naive(tmp_path: Path, method: str) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    image = counts((2, 40, 44))
    tifffile.imwrite(path, image)
    options = ("--method", method, "--sigma", 20, "--vst", "off")
    assert run("naive", path, "-o", out, *options) == 0
    expected = naive_denoise(image, method, sigma=20, vst=False, axes="ZYX")
    assert np.array_equal(tifffile.imread(out), expected)
    assert not np.array_equal(expected, image)


def test_naive_with_an_unknown_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, counts((40, 44)))
    code = run("naive", path, "-o", tmp_path / "out.tif", "--method", "magic")
    assert code in (1, 2)
    err = capsys.readouterr().err
    assert "magic" in err
    assert "bm3d" in err
    assert names(tmp_path) == ["in.tif"]


def test_noise_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "a.tif", tmp_path / "bad.tif", tmp_path / "rgb.tif"]
    tifffile.imwrite(paths[0], counts((96, 128)))
    paths[1].write_bytes(b"II*\0")
    flat = np.random.default_rng(0).normal(100, [5, 10, 20], (96, 96, 3))
    tifffile.imwrite(paths[2], flat.round().astype(np.uint8), photometric="rgb")
    assert run("noise", "--json", *paths) == 1
    out, err = capsys.readouterr()
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["file"] == str(paths[0])
    assert first["gain"] == pytest.approx(3, rel=0.15)
    assert first["offset"] == pytest.approx(100, abs=30)
    assert second["channel_sigmas"] == pytest.approx([5, 10, 20], rel=0.1)
    assert set(first) == {
        *("file", "sigma", "channel_sigmas", "gain", "offset", "read_noise"),
        "confidence",
    }
    assert f"Error: {paths[1]}: " in err


def test_noise_of_each_channel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.tif"
    rng = np.random.default_rng(0)
    levels = np.array([5, 40])[:, None, None]
    stack = rng.normal(1000, levels, (5, 2, 96, 96)).astype(np.float32)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    assert run("noise", "--json", path) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["channel_sigmas"] == pytest.approx([5, 40], rel=0.1)
    with pytest.raises(InputError, match="num_planes=0 must be at least 1"):
        api.describe_noise(path, num_planes=0)


def test_noise_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    flat = np.random.default_rng(0).normal(1000, 30, (96, 96))
    tifffile.imwrite(path, flat.astype(np.float32))
    assert run("noise", path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(path)
    name, value = lines[1].split()
    assert name == "sigma"
    assert float(value) == pytest.approx(30, rel=0.05)


def test_models(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundle, "packaged_model_folder", lambda: models)
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["color", "colour"],
        ["gradnet", "colour"],
        ["grey", "grey"],
        ["grey-gradnet", "grey"],
    ]
    assert run("models", "grey") == 0
    out = capsys.readouterr().out
    assert bundle.file_sha256(models / "grey.safetensors") in out
    assert json.loads(out[out.index("{") :])["network"]["name"] == "dn-resnet"
    assert run("models", "none") == 1
    assert "there are color, gradnet, grey" in capsys.readouterr().err


def test_demo(tmp_path: Path, color: str, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    out = tmp_path / "demo.png"
    assert run("demo", "-o", out, "--model", color, "--sigma", 15) == 0
    text = capsys.readouterr().out
    assert "noise    sigma 15 of 255" in text
    assert "PSNR     24.6" in text  # 20 log10(255 / 15) = 24.61
    with Image.open(out) as picture:
        assert picture.size == (4 * 456 + 8, 300 + 24 + 8)
    assert names(tmp_path) == ["demo.png"]


def test_naive_estimates_noise_once_for_a_stack(tmp_path: Path) -> None:
    """A flat plane and a textured one get the same strength, as in the array call."""
    rng = np.random.default_rng(3)
    stack = rng.normal(1000, 20, (5, 40, 44)) + 300 * rng.random((5, 1, 1))
    stack[1] += 400 * np.sin(np.arange(44) * 2.5)
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, stack.astype(np.uint16), metadata={"axes": "ZYX"})
    assert main(["naive", str(source), "-o", str(target), "--method", "gaussian"]) == 0
    expected = naive_denoise(stack.astype(np.uint16), "gaussian", axes="ZYX")
    np.testing.assert_array_equal(tifffile.imread(target), expected)

"""The other commands on files: gradient, naive, noise, models and demo."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.integration.command_line import counts, names, run

from napari_gradnet import api, bundle
from napari_gradnet.cli import main
from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.gradient import sobel_gradient
from napari_gradnet.naive import naive_denoise

if TYPE_CHECKING:
    from pathlib import Path


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
        *("confidence", "channels"),
    }
    assert first["channels"] == []
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


def test_each_channel_has_its_own_law(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.tif"
    rng = np.random.default_rng(0)
    scene = np.outer(np.linspace(20, 180, 96), np.ones(96))
    gains = np.array([1, 2, 20])
    stack = rng.poisson(scene, (2, 3, 96, 96)) * gains[:, None, None]
    tifffile.imwrite(
        path, stack.astype(np.float32), imagej=True, metadata={"axes": "ZCYX"}
    )
    noise = api.describe_noise(path)
    assert noise.channel_sigmas == pytest.approx(10 * gains, rel=0.1)
    assert noise.sigma == pytest.approx(10 * np.sqrt(np.mean(gains**2)), rel=0.1)
    assert [one.gain for one in noise.channels] == pytest.approx(gains, rel=0.2)
    assert noise.gain in [one.gain for one in noise.channels]
    assert run("noise", "--json", path) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["gain"] for one in found["channels"]] == pytest.approx(gains, rel=0.2)
    assert run("noise", path) == 0
    lines = dict(k.split(None, 1) for k in capsys.readouterr().out.splitlines()[1:])
    assert [float(v) for v in lines["gain"].split()] == pytest.approx(gains, rel=0.2)
    plane = tmp_path / "plane.tif"
    tifffile.imwrite(plane, stack[0, 0].astype(np.float32))
    assert api.describe_noise(plane).channels == ()


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


def test_demo_tells_at_once_what_cannot_be_written(
    tmp_path: Path, color: str, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no" / "a.png"
    assert run("demo", "-o", missing, "--model", "no such model") == 1
    assert "does not exist: create it first" in capsys.readouterr().err
    with pytest.raises(FileFormatError, match="is a folder: name a file in it"):
        api.demo(tmp_path, model="no such model")
    with pytest.raises(InputError, match="sigma=-3 must be at least 0"):
        api.demo(tmp_path / "a.png", model=color, sigma=-3)
    assert names(tmp_path) == []


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


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["demo", "--sigma", "-5"], 2, "Invalid value for '--sigma'"),
        (["demo", "--sigma", "inf"], 1, "sigma=inf must be a finite number"),
        (["demo", "--sigma", "nan"], 1, "sigma=nan must be at least 0"),
        (["demo", "-o", "demo.tif"], 1, "demo.tif must end in .png or .jpg"),
        (["benchmark", "accuracy", ".", "--sigma", "-5"], 2, "Invalid value"),
        (["benchmark", "accuracy", ".", "--seed", "-1"], 2, "Invalid value"),
        (["benchmark", "tiles", ".", "--seed", str(2**63)], 2, "Invalid value"),
        (["benchmark", "card", "dncnn-gray", ".", "--crop", "a=²"], 2, "is no FOLDER="),
        (["benchmark", "batch", "--planes", "-1"], 2, "Invalid value"),
        (["benchmark", "batch", "--distributed", "-1"], 2, "Invalid value"),
        (["benchmark", "inference", "--repeats", "0"], 2, "Invalid value"),
        (["benchmark", "card", "dncnn-gray", "."], 1, "dncnn-gray is for grey images"),
    ],
)
def test_wrong_use_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("photo.tif", np.zeros((40, 40, 3), np.uint8), photometric="rgb")
    assert main(words) == code
    assert told in capsys.readouterr().err


def test_a_part_without_pixels_has_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((40, 40), 90, np.uint8))
    words = ["--grey", "--naive", "gaussian", "--sigma", "25", "--split", "50"]
    words += ["--model", "dncnn-gray"]
    assert run("benchmark", "accuracy", tmp_path, *words) == 0
    printed = capsys.readouterr().out
    assert printed.count("gradient above 50: textured none, smooth ") == 3

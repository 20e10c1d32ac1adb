"""What becomes of a source's description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_gradnet.config.data import DataConfig, SourceConfig
from napari_gradnet.data.held_out import source_label
from napari_gradnet.data.load import load_images
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GAUSS = {"kind": "gaussian", "sigma": 10}


def source(**values: Any) -> SourceConfig:
    return SourceConfig.parse(values, "source")


def save(path: Path, image: NDArray[Any]) -> str:
    import tifffile
    from PIL import Image

    if path.suffix == ".tif":
        tifffile.imwrite(path, image, photometric="minisblack")
    else:
        Image.fromarray(image).save(path)
    return str(path)


def test_planes_of_a_tiff_stack(tmp_path: Path, rng: np.random.Generator) -> None:
    stack = rng.integers(0, 65535, (5, 20, 24), dtype=np.uint16)
    loaded = load_images(source(clean=save(tmp_path / "s.tif", stack)), 1, 16)
    assert len(loaded.clean) == 5
    assert np.array_equal(np.concatenate(loaded.clean), stack)
    assert loaded.names[3].endswith("s.tif[3]")
    assert loaded.files == [tmp_path / "s.tif"]


def test_arrays_of_many_forms(rng: np.random.Generator) -> None:
    arrays = {
        "stack": rng.random((3, 20, 24)),
        "list": [rng.random((20, 30)), rng.random((18, 16, 3))],
    }
    loaded = load_images(source(clean=["array:stack", "array:list"]), 3, 16, arrays)
    assert [i.shape for i in loaded.clean] == [
        *[(3, 20, 24)] * 3,
        (3, 20, 30),
        (3, 18, 16),
    ]
    assert np.array_equal(loaded.clean[1][2], arrays["stack"][1])
    assert np.array_equal(loaded.clean[4][2], arrays["list"][1][..., 2])


def test_array_that_was_not_handed_over() -> None:
    with pytest.raises(ConfigError, match=r"'array:b' is not among .* \(a\)"):
        load_images(source(clean="array:b"), 1, 16, {"a": np.zeros((20, 20))})


def test_pairs_from_a_csv_file(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    save(tmp_path / "good.png", grey)
    save(tmp_path / "grainy.png", np.roll(grey[::-1], 1, 0))
    (tmp_path / "p.csv").write_text("id,clean,noisy\n1,good.png,grainy.png\n")
    given = source(pairs=str(tmp_path / "p.csv"), check_alignment=False)
    assert source_label(given) == str(tmp_path / "p.csv")
    loaded = load_images(given, 1, 16)
    assert np.array_equal(loaded.clean[0][0], grey)
    assert np.array_equal(loaded.noisy[0][0], np.roll(grey[::-1], 1, 0))


def test_pairs_as_a_list(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    one, two = save(tmp_path / "a.png", grey), save(tmp_path / "b.png", 255 - grey)
    loaded = load_images(source(pairs=[[two, one]], check_alignment=False), 1, 16)
    assert np.array_equal(loaded.noisy[0][0], 255 - grey)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"has the columns a, b: its first line must name noisy"),
        ("noisy,clean\n", "there is no pair"),
        ("noisy,clean\na.png,b.png\nc.png\n", "line 3 lacks a name"),
    ],
)
def test_bad_lists_of_pairs(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_images(source(pairs=str(path)), 1, 16)
    with pytest.raises(ConfigError, match="cannot read the list of pairs"):
        load_images(source(pairs=str(tmp_path / "none.csv")), 1, 16)


def test_pairs_in_the_layout_of_sidd(tmp_path: Path, rng: np.random.Generator) -> None:
    """Data/SCENE/SCENE_{NOISY,GT}_SRGB_NUMBER.PNG, two pairs a scene."""
    expected = []
    for scene in ("0001_001_S6_00100_N", "0002_001_S6_00800_L"):
        folder = tmp_path / "Data" / f"{scene[:-2]}_{scene[-1]}"
        folder.mkdir(parents=True)
        for number in ("010", "011"):
            clean = rng.integers(0, 200, (40, 48, 3), dtype=np.uint8)
            save(folder / f"{scene[:4]}_GT_SRGB_{number}.PNG", clean)
            save(folder / f"{scene[:4]}_NOISY_SRGB_{number}.PNG", clean + 30)
            expected.append(clean)
    data = f"{tmp_path}/Data/*"
    loaded = load_images(
        source(
            noisy=f"{data}/*_NOISY_SRGB_*.PNG",
            clean=f"{data}/*_GT_SRGB_*.PNG",
            check_alignment=False,
        ),
        3,
        16,
    )
    assert len(loaded.clean) == 4
    for clean, noisy, truth in zip(loaded.clean, loaded.noisy, expected, strict=True):
        assert np.array_equal(clean, truth.transpose(2, 0, 1))
        assert np.array_equal(noisy, clean + 30)


def test_what_cannot_be_used_is_listed(tmp_path: Path, grey: NDArray[np.uint8]) -> None:
    save(tmp_path / "good.png", grey)
    save(tmp_path / "small.png", grey[:10])
    (tmp_path / "torn.png").write_bytes((tmp_path / "good.png").read_bytes()[:200])
    (tmp_path / "text.tif").write_text("no picture")
    save(tmp_path / "nan.tif", np.full((32, 32), np.nan, np.float32))
    loaded = load_images(source(clean=str(tmp_path)), 1, 16)
    assert len(loaded.clean) == 1
    reasons = {path.name: reason for path, reason in loaded.skipped}
    assert reasons.keys() == {"small.png", "torn.png", "text.tif", "nan.tif"}
    assert reasons["small.png"] == "128 x 10 pixels, less than 16"
    assert "NaN" in reasons["nan.tif"]


def test_nothing_left_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"none")
    config = DataConfig.parse({"train": [{"clean": str(tmp_path), "noise": GAUSS}]})
    with pytest.raises(ConfigError, match=r"no usable image of at least 16.*\n.*torn"):
        load_data(config, 1, 16)


def test_source_without_noise_or_partners() -> None:
    config = DataConfig.parse({"train": [{"clean": "array:a"}]})
    with pytest.raises(ConfigError, match=r"neither noisy partners nor a noise model"):
        load_data(config, 1, 16, {"a": np.zeros((32, 32))})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give either clean"),
        ({"clean": "a", "pairs": "b.csv"}, "give either clean"),
        ({"noisy": "a", "pairs": "b.csv"}, "remove noisy"),
    ],
)
def test_contradictions(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source(**values)


def test_pairs_of_other_shapes_are_left_out(
    tmp_path: Path, grey: NDArray[np.uint8]
) -> None:
    for name in ("clean", "noisy"):
        (tmp_path / name).mkdir()
        for number in range(2):
            cut = 100 if (name, number) == ("noisy", 1) else 128
            save(tmp_path / name / f"{number}.png", grey[:cut])
    folders = {k: str(tmp_path / k) for k in ("clean", "noisy")}
    loaded = load_images(source(**folders), 1, 16)
    assert len(loaded.clean) == len(loaded.noisy) == 1
    assert "its shape" in loaded.skipped[0][1]
    (tmp_path / "noisy/1.png").unlink()
    with pytest.raises(ConfigError, match="2 clean and 1 noisy files"):
        load_images(source(**folders), 1, 16)


def test_shifted_pairs_are_told(
    grey: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    noisy = np.roll(grey, (3, -2), (0, 1)) + rng.normal(0, 25, grey.shape)
    arrays = {"clean": grey / 255, "noisy": noisy / 255}
    config = source(clean="array:clean", noisy="array:noisy")
    loaded = load_images(config, 1, 16, arrays)
    (warning,) = loaded.warnings
    assert "shifted by +3" in warning or "shifted by +2.9" in warning
    quiet = source(clean="array:clean", noisy="array:noisy", check_alignment=False)
    assert load_images(quiet, 1, 16, arrays).warnings == []
    straight = {"clean": grey / 255, "noisy": grey / 255}
    assert load_images(config, 1, 16, straight).warnings == []


def test_percentiles_of_the_noisy_image_scale_both() -> None:
    ramp = np.linspace(100, 1100, 64 * 64).reshape(64, 64)
    arrays = {"clean": ramp.astype(np.uint16), "noisy": (ramp + 50).astype(np.uint16)}
    config = source(clean="array:clean", noisy="array:noisy", intensity="percentile")
    loaded = load_images(config, 1, 16, arrays)
    low, high = np.percentile(arrays["noisy"], (0.1, 99.9))
    expected = (arrays["clean"] - low) / (high - low)
    assert loaded.clean[0][0] == pytest.approx(expected, abs=5e-4)
    assert loaded.noisy[0].min() == pytest.approx(-0.001, abs=1e-3)


def test_sixteen_bit_images_keep_their_values(rng: np.random.Generator) -> None:
    """Above 32767 too: the pixels are stored with a sign."""
    image = rng.integers(0, 65536, (32, 32), dtype=np.uint16)
    values = {"train": [{"clean": "array:a", "noise": GAUSS}]}
    data = load_data(DataConfig.parse(values), 1, 32, {"a": image})
    assert torch.equal(
        data.sources[0].clean.image(0)[0],
        torch.from_numpy(image.astype(np.float32)) / 65535,
    )
    batch = next(data.iter_epoch(seed=0, epoch=0, batch_size=4, patch_size=32))
    ours = batch.clean[0].flatten().sort().values
    theirs = torch.from_numpy(np.sort(image.ravel()).astype(np.float32)) / 65535
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("intensity", ["dtype", "percentile"])
def test_clean_images_of_another_scale_are_fitted(
    grey: NDArray[np.uint8], rng: np.random.Generator, intensity: str
) -> None:
    true = 20 + grey.astype(float) * 0.4
    noisy = np.rint(true + rng.normal(0, 5, grey.shape)).clip(0, 255).astype(np.uint8)
    arrays = {"noisy": noisy, "clean": grey}
    options = {"noisy": "array:noisy", "clean": "array:clean", "intensity": intensity}
    loaded = load_images(source(**options, fit_clean=True), 1, 16, arrays)
    error = loaded.noisy[0] - loaded.clean[0]
    assert abs(error.mean()) < 1e-6
    # nothing but the noise is left between the two
    low, high = (0, 255) if intensity == "dtype" else np.percentile(noisy, [0.1, 99.9])
    assert error.std() * (high - low) == pytest.approx(5, rel=0.03)
    fitted = loaded.clean[0] * (high - low) + low
    assert np.abs(fitted - true).max() < 0.4
    plain = load_images(source(**options), 1, 16, arrays)
    assert np.abs(plain.noisy[0].astype(float) - plain.clean[0]).mean() > 0.1


def test_fitting_needs_partners() -> None:
    with pytest.raises(ConfigError, match="give noisy partners or remove it"):
        source(clean="a", noise=GAUSS, fit_clean=True)


def test_pairs_are_aligned_where_asked(grey: NDArray[np.uint8]) -> None:
    arrays = {"clean": grey, "noisy": np.roll(grey, (2, -1), (0, 1))}
    config = source(clean="array:clean", noisy="array:noisy", align=True)
    loaded = load_images(config, 1, 16, arrays)
    assert loaded.warnings == []
    assert loaded.clean[0].shape == (1, 124, 124)
    error = loaded.clean[0].astype(int) - loaded.noisy[0]
    assert np.abs(error).max() <= 1
    small = load_images(config, 1, 126, arrays)
    assert "less than 126 pixels when aligned" in small.skipped[0][1]
    with pytest.raises(ConfigError, match="align is for pairs"):
        source(clean="array:clean", noise=GAUSS, align=True)


def test_slow_changes_of_light_are_matched(
    grey: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    rows, columns = np.mgrid[:128, :128] / 128
    light = 0.03 * np.stack([1 + columns, -rows, np.full_like(rows, -0.5)], -1)
    clean = 0.2 + 0.5 * np.repeat(grey[..., None], 3, 2) / 255
    noise = rng.normal(0, 0.05, clean.shape)
    arrays = {"clean": clean, "noisy": clean + light + noise}
    config = source(clean="array:clean", noisy="array:noisy", fit_lighting=12)
    loaded = load_images(config, 3, 16, arrays)
    left = np.moveaxis(clean + light, 2, 0) - loaded.clean[0]
    assert np.abs(left).max() < 0.01  # of the drift; the noise is 0.05
    error = loaded.noisy[0] - loaded.clean[0]
    assert error.std() == pytest.approx(0.05, rel=0.03)
    with pytest.raises(ConfigError, match="fit_lighting is for pairs"):
        source(clean="array:clean", noise=GAUSS, fit_lighting=12)

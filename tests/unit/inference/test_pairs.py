"""The benchmark on pairs, against the metrics themselves."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from imageio.v3 import imwrite
from skimage import data

from napari_gradnet.bundle import load_model, save_model
from napari_gradnet.errors import InputError, ModelError
from napari_gradnet.inference.pairs import iter_pairs
from napari_gradnet.metrics import psnr, ssim
from napari_gradnet.naive import naive_denoise


@pytest.fixture
def folders(tmp_path, rng):
    """Three pairs; the noisy ones are half as bright."""
    pairs = []
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
    for number, corner in enumerate((100, 200, 300)):
        clean = data.camera()[corner : corner + 64, 100:180]
        noisy = clean / 2 + 20 + rng.normal(0, 8, clean.shape)
        noisy = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        imwrite(tmp_path / "clean" / f"{number}.png", clean)
        imwrite(tmp_path / "noisy" / f"{number}.png", noisy)
        pairs.append((noisy, clean))
    return [str(tmp_path / "noisy")], [str(tmp_path / "clean")], pairs


def test_rows_are_means_of_the_metrics(folders):
    noisy, clean, pairs = folders
    rows = list(iter_pairs(noisy, clean, naive=["gaussian"], vst=[False, True]))
    assert [(r.method, r.vst) for r in rows] == [
        ("noisy", False),
        ("gaussian", False),
        ("gaussian", True),
    ]
    before = np.array([psnr(y, x, 255) for y, x in pairs])
    assert rows[0].psnr == pytest.approx(before.mean())
    assert rows[0].worst_gain == 0
    results = [
        naive_denoise(y, "gaussian", vst=False, dtype="float32") for y, _ in pairs
    ]
    after = np.array(
        [psnr(z, x, 255) for z, (_, x) in zip(results, pairs, strict=True)]
    )
    similar = [ssim(z, x, 255) for z, (_, x) in zip(results, pairs, strict=True)]
    assert rows[1].psnr == pytest.approx(after.mean())
    assert rows[1].ssim == pytest.approx(np.mean(similar))
    assert rows[1].worst_gain == pytest.approx((after - before).min())
    assert rows[1].num_pairs == 3


def test_affine_takes_brightness_out(folders):
    noisy, clean, _ = folders
    plain = next(iter_pairs(noisy, clean))
    fitted = next(iter_pairs(noisy, clean, affine=True))
    assert fitted.psnr > plain.psnr + 3


@pytest.mark.parametrize(
    ("dtype", "black"), [("uint16", 1000), ("int16", -20000), ("float32", -0.5)]
)
def test_black_and_white_are_the_targets_own(tmp_path, rng, dtype, black):
    span = 1 if dtype == "float32" else 30000
    clean = np.linspace(black, black + span, 64 * 64).reshape(64, 64).astype(dtype)
    noise = rng.normal(0, span / 100, clean.shape)
    tifffile.imwrite(tmp_path / "clean.tif", clean)
    tifffile.imwrite(tmp_path / "noisy.tif", (clean + noise).astype(dtype))
    (row,) = iter_pairs([str(tmp_path / "noisy.tif")], [str(tmp_path / "clean.tif")])
    assert row.psnr == pytest.approx(40, abs=0.2)
    shifted = clean.astype(float) - clean.min()
    assert row.ssim == pytest.approx(ssim(shifted + noise, shifted, span), abs=1e-3)


def test_every_other_pair(folders):
    noisy, clean, _ = folders
    rows = list(iter_pairs(noisy, clean, every=2, models=["dn-resnet-13-gray"]))
    assert [r.method for r in rows] == ["noisy", "dn-resnet-13-gray"]
    assert {r.num_pairs for r in rows} == {2}


def test_a_model_that_is_named_must_fit(folders):
    noisy, clean, _ = folders
    with pytest.raises(ModelError, match=r"fast-color is for colour .* are grey"):
        list(iter_pairs(noisy, clean, models=["gradnet-fast-color"]))


def test_what_is_no_pair_is_refused(folders, tmp_path):
    noisy, clean, _ = folders
    with pytest.raises(InputError, match="3 noisy images and 1 clean"):
        next(iter_pairs(noisy, [f"{clean[0]}/0.png"]))
    with pytest.raises(InputError, match="every=0"):
        next(iter_pairs(noisy, clean, every=0))
    imwrite(tmp_path / "small.png", data.camera()[:9, :9])
    with pytest.raises(InputError, match="a pair shows the same pixels"):
        next(iter_pairs([f"{noisy[0]}/0.png"], [str(tmp_path / "small.png")]))


def pair(tmp_path, noisy, clean):
    names = []
    for name, pixels in {"noisy": noisy, "clean": clean}.items():
        (tmp_path / name).mkdir(exist_ok=True)
        kind = "rgb" if pixels.shape[-1] == 3 else "minisblack"
        tifffile.imwrite(tmp_path / name / "a.tif", pixels, photometric=kind)
        names.append([str(tmp_path / name)])
    return names


def test_all_planes_of_stacks_are_measured(tmp_path, rng):
    clean = rng.integers(0, 255, (3, 40, 40)).astype(np.uint8)
    noisy = clean.copy()
    noisy[1:] = 255 - noisy[1:]
    (row,) = iter_pairs(*pair(tmp_path, noisy, clean))
    assert row.num_pairs == 3
    assert np.isinf(row.psnr)
    assert row.worst_gain == 0
    with pytest.raises(InputError, match=r"holds 3 planes .* 2 planes"):
        next(iter_pairs(*pair(tmp_path, noisy, clean[:2])))


def test_one_grey_file_among_colours(tmp_path, rng):
    clean = np.repeat(rng.integers(0, 255, (40, 40, 1)).astype(np.uint8), 3, 2)
    noisy = clean.copy()
    noisy[0, 0, 0] ^= 1
    (row,) = iter_pairs(*pair(tmp_path, noisy, clean))
    assert row.psnr > 70


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "holds NaN"), (3.0, "a constant plane")]
)
def test_what_cannot_be_measured_is_named(tmp_path, rng, value, message):
    noisy = rng.random((40, 40)).astype(np.float32)
    clean = np.full((40, 40), value, np.float32)
    with pytest.raises(InputError, match=rf"clean/a\.tif .*{message}"):
        next(iter_pairs(*pair(tmp_path, noisy, clean)))


def test_nothing_is_fitted_to_a_constant(tmp_path, rng):
    noisy = rng.integers(0, 255, (40, 40)).astype(np.uint8)
    names = pair(tmp_path, noisy, np.zeros_like(noisy))
    (row,) = iter_pairs(*names)
    assert np.isfinite(row.psnr)
    with pytest.raises(InputError, match=r"clean/a\.tif has a constant plane"):
        next(iter_pairs(*names, affine=True))


def test_a_model_named_as_a_method_is_told_apart(folders, models, tmp_path):
    noisy, clean, _ = folders
    pipeline, header = load_model(models["grey"])
    own = tmp_path / "own.safetensors"
    save_model(own, pipeline, header.model_copy(update={"name": "median"}))
    rows = iter_pairs(noisy, clean, models=[str(own)], naive=["median"])
    assert [row.method for row in rows] == ["noisy", "median", str(own)]

"""The figures of a model's card, and how they get into its header."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from imageio.v3 import imread, imwrite
from skimage import data

from napari_gradnet import api
from napari_gradnet.bundle import load_model, read_header, save_model
from napari_gradnet.errors import InputError
from napari_gradnet.inference.accuracy import iter_accuracy
from napari_gradnet.inference.card import card_table, measure_card, write_metrics


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "Set2"
    path.mkdir()
    imwrite(path / "a.png", data.astronaut()[:72, 200:280])
    imwrite(path / "b.png", data.astronaut()[100:170, 200:264])
    return path


@pytest.fixture
def model(models, tmp_path):
    path = tmp_path / "color.safetensors"
    shutil.copy(models["color"], path)
    return path


def _row(model, folder, **options):
    rows = iter_accuracy(folder, models=[model], precision="float32", **options)
    return next(row for row in rows if row.method != "noisy")


def test_the_figures_are_those_of_the_accuracy_benchmark(model, folder):
    metrics = measure_card(model, [folder], sigmas=[10, 30])
    row = _row(model, folder, sigmas=[30])
    assert metrics["psnr"]["Set2"]["30"] == pytest.approx(row.psnr, abs=6e-4)
    assert metrics["ssim"]["Set2"]["30"] == pytest.approx(row.ssim, abs=6e-5)
    assert metrics["noisy"]["Set2"]["10"] > metrics["noisy"]["Set2"]["30"]
    clean = _row(model, folder, sigmas=[0])
    assert metrics["clean"] == {"Set2": pytest.approx(clean.psnr, abs=6e-3)}
    table = card_table(metrics)
    assert "| test set | sigma 10 | sigma 30 |" in table
    assert f"| {row.psnr:.2f} / {row.ssim:.4f} |" in table


def test_other_noise_is_named_with_what_it_was_before(model, folder):
    metrics = measure_card(
        model, [folder], noises=["jpeg=10"], luma=True, crops={"Set2": 40}
    )
    row = _row(model, folder, noises=["jpeg=10"], luma=True, crop=40)
    assert metrics["psnr"]["Set2"]["jpeg=10"] == pytest.approx(row.psnr, abs=6e-4)
    before = metrics["noisy"]["Set2"]["jpeg=10"]
    table = card_table(metrics)
    assert "| test set | jpeg=10 |" in table
    assert f"| Set2 (40x40 centre) | {before:.2f} → {row.psnr:.2f} / " in table


def test_writing_leaves_the_weights_alone(model, folder):
    before = load_model(model)[0].state_dict()
    api.benchmark_card(model, [folder], sigmas=[25], write=True)
    after = load_model(model)[0].state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert read_header(model).metrics["psnr"]["Set2"].keys() == {"25"}
    # figures of pairs come beside them
    noisy = folder.parent / "noisy"
    noisy.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        clean = imread(folder / name).astype(float)
        worse = clean + rng.normal(0, 10, clean.shape)
        imwrite(noisy / name, worse.clip(0, 255).astype(np.uint8))
    for label in ("ours", "theirs"):
        rows = list(
            api.benchmark_pairs(
                noisy, folder, [str(model)], naive=["median"], write=label
            )
        )
    metrics = read_header(model).metrics
    assert metrics["psnr"]["Set2"].keys() == {"25"}
    assert metrics["pairs"].keys() == {"ours", "theirs"}
    (network,) = (r for r in rows if r.method == "color")
    found = metrics["pairs"]["ours"]
    assert found["psnr"] == pytest.approx(network.psnr, abs=6e-4)
    assert found["worst_gain"] == pytest.approx(network.worst_gain, abs=6e-4)
    assert found["noisy"] == pytest.approx(rows[0].psnr, abs=6e-4)
    assert found["num_pairs"] == 2


def test_folders_and_crops_that_do_not_fit_are_refused(model, folder, tmp_path):
    other = tmp_path / "more" / "Set2"
    shutil.copytree(folder, other)
    with pytest.raises(InputError, match="folders of one name"):
        measure_card(model, [folder, other])
    with pytest.raises(InputError, match="crop of set2: the folders are Set2"):
        measure_card(model, [folder], crops={"set2": 40})
    with pytest.raises(InputError, match="at least 8 pixels"):
        measure_card(model, [folder], crops={"Set2": 0})


def test_figures_leave_the_weights_as_precise_as_they_are(model):
    pipeline, header = load_model(model)
    save_model(model, pipeline, header, half=False)
    before = model.stat().st_size
    write_metrics(model, {"psnr": {}})
    assert model.stat().st_size == pytest.approx(before, rel=0.02)


def test_figures_of_two_models_of_one_name_are_not_mixed(model, folder, tmp_path):
    twin = tmp_path / "twin.safetensors"
    shutil.copy(model, twin)
    rows = api.benchmark_pairs(
        folder, folder, [str(model), str(twin)], naive=[], write="x"
    )
    with pytest.raises(InputError, match="have one name in their headers"):
        next(rows)


def test_pictures_are_named_as_pictures(model, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.png"):
        api.benchmark_failures(model, tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"must end in \.png"):
        api.demo(tmp_path / "demo.tif")

"""The figures of a model's card, and how they get into its header."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from imageio.v3 import imread, imwrite
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from skimage import data

from napari_gradnet import api
from napari_gradnet.bundle import load_model, read_header, save_model
from napari_gradnet.errors import InputError
from napari_gradnet.inference import card
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


def test_the_last_folder_is_looked_at_before_the_work(
    model, folder, tmp_path, monkeypatch
):
    last = tmp_path / "last"
    last.mkdir()
    imwrite(last / "small.png", data.astronaut()[:30, :40])
    monkeypatch.setattr(card, "iter_accuracy", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(InputError, match=r"small\.png has 40 x 30 pixels, less than"):
        measure_card(model, [folder, last], crops={"last": 32})


def test_a_folder_given_as_a_dot_has_its_own_name(model, folder, monkeypatch):
    monkeypatch.chdir(folder)
    metrics = measure_card(model, [Path()], sigmas=[25], crops={"Set2": 32})
    assert list(metrics["psnr"]) == list(metrics["clean"]) == ["Set2"]


def test_figures_leave_the_weights_as_precise_as_they_are(model):
    pipeline, header = load_model(model)
    save_model(model, pipeline, header, half=False)
    before = model.stat().st_size
    write_metrics(model, {"psnr": {}})
    assert model.stat().st_size == pytest.approx(before, rel=0.02)


def test_bfloat16_weights_do_not_become_float16(model):
    with safe_open(model, "pt") as file:
        about = file.metadata()
    # below the smallest that float16 holds
    tiny = {k: (v.float() * 1e-9).bfloat16() for k, v in load_file(model).items()}
    save_file(tiny, model, about)
    write_metrics(model, {"psnr": {}})
    after = load_file(model)
    assert all(torch.equal(after[key], tiny[key].float()) for key in tiny)


def test_figures_of_identical_pairs_are_not_written(model, folder):
    before = model.read_bytes()
    rows = api.benchmark_pairs(folder, folder, [str(model)], [], write="x")
    with pytest.raises(InputError, match="images of a pair are identical"):
        list(rows)
    assert model.read_bytes() == before


def test_figures_of_a_method_are_not_written_into_a_model(model, folder):
    pipeline, header = load_model(model)
    save_model(model, pipeline, header.model_copy(update={"name": "median"}))
    rows = api.benchmark_pairs(folder, folder, [str(model)], ["median"], write="x")
    with pytest.raises(InputError, match="is named 'median' as another method is"):
        next(rows)


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

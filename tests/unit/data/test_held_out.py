"""Images held out for validation are trained on by no source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_gradnet.config.data import DataConfig
from napari_gradnet.data.sources import load_data
from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gradnet.data.sources import TrainingData

GAUSS = {"kind": "gaussian", "sigma": 10}


@pytest.fixture
def folders(tmp_path: Path, rng: np.random.Generator) -> tuple[str, str]:
    """Eight images and five others."""
    for name, count in (("a", 8), ("b", 5)):
        (tmp_path / name).mkdir()
        for number in range(count):
            image = rng.integers(0, 255, (32, 32), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")
    return str(tmp_path / "a"), str(tmp_path / "b")


def load(train: list[dict[str, Any]], num_held_out: int = 2) -> TrainingData:
    values = {"train": train, "validation": {"num_held_out": num_held_out}}
    return load_data(DataConfig.parse(values), 1, 16)


def contents(data: TrainingData) -> tuple[list[bytes], set[bytes]]:
    """Pixels of the validation images, and of those that are trained on."""
    trained = {
        source.clean.image(i).numpy().tobytes()
        for source in data.sources
        for i in range(len(source.clean))
    }
    return [image.clean.numpy().tobytes() for image in data.validation], trained


def test_a_file_of_two_sources(folders: tuple[str, str]) -> None:
    a, b = folders
    data = load([{"clean": a, "noise": GAUSS}, {"clean": [a, b], "noise": GAUSS}])
    held, trained = contents(data)
    assert len(set(held)) == 4
    assert not trained & set(held)


def test_a_file_under_another_name(folders: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "c").symlink_to(folders[0])
    sources = [{"clean": [str(tmp_path / n)], "noise": GAUSS} for n in ("a", "c")]
    sources[1]["clean"].append(folders[1])
    held, trained = contents(load(sources))
    assert not trained & set(held)


def test_the_choice_among_distinct_files(folders: tuple[str, str]) -> None:
    """Evenly spread in each source, as in runs of before."""
    sources = [{"clean": folder, "noise": GAUSS} for folder in folders]
    data = load(sources)
    left = [[name[-5] for name in source.names] for source in data.sources]
    assert left == [list("013457"), list("0134")]
    twice = load([sources[0], {**sources[0], "intensity": "percentile"}])
    assert [len(source.clean) for source in twice.sources] == [6, 6]
    assert len(twice.validation) == 4


def frames(tmp_path: Path, scenes: int) -> list[tuple[str, str]]:
    """Three noisy frames of each scene."""
    rng = np.random.default_rng(0)
    pairs = []
    for scene in range(scenes):
        clean = rng.integers(0, 200, (32, 32)).astype(np.uint8)
        Image.fromarray(clean).save(tmp_path / f"clean-{scene}.png")
        for frame in range(3):
            path = tmp_path / f"noisy-{scene}-{frame}.png"
            Image.fromarray(clean + np.uint8(frame)).save(path)
            pairs.append((str(path), str(tmp_path / f"clean-{scene}.png")))
    return pairs


def test_many_noisy_frames_of_a_scene(tmp_path: Path) -> None:
    data = load([{"pairs": frames(tmp_path, 8)}])
    held, trained = contents(data)
    assert len(set(held)) == len(held) == 2
    assert len(trained) == 6
    assert len(data.sources[0].clean) == 18
    assert not trained & set(held)
    assert data.warnings == []


def test_too_few_scenes_to_hold_one_out(tmp_path: Path) -> None:
    data = load([{"pairs": frames(tmp_path, 2)}])
    assert data.validation == []
    (warning,) = data.warnings
    assert "6 pairs share 2 clean images" in warning
    assert load([{"pairs": frames(tmp_path, 2)}], num_held_out=0).warnings == []


def test_a_source_of_nothing_but_held_out_images(folders: tuple[str, str]) -> None:
    a, _ = folders
    few = {"clean": [f"{a}/2.png"], "noise": GAUSS}
    with pytest.raises(ConfigError, match=r"2\.png is held out by another source"):
        load([{"clean": a, "noise": GAUSS}, few])


def test_noise_of_clean_validation_images(folders: tuple[str, str]) -> None:
    a, b = folders
    noisy = {"clean": b, "noise": GAUSS}
    values = {
        "train": [{"clean": a, "noise": GAUSS}],
        "validation": {"sources": [noisy, {"clean": b}], "noises": [GAUSS]},
    }
    data, again = (load_data(DataConfig.parse(values), 1, 16) for _ in range(2))
    assert len(data.validation) == 10
    for (clean, partner, _), (_, other, _) in zip(
        data.validation[:5], again.validation[:5], strict=True
    ):
        assert partner is not None
        assert other is not None
        assert float((partner - clean).std()) * 255 == pytest.approx(10, rel=0.1)
        assert torch.equal(partner, other)
    # those without get what validation.noises say
    assert all(image.noisy is None for image in data.validation[5:])


@pytest.mark.parametrize(
    ("name", "value"), [("scales", [0.5]), ("saturation", [1, 2]), ("weight", 2)]
)
def test_what_validation_images_cannot_be_told(name: str, value: Any) -> None:
    source = {"clean": "a", "noise": GAUSS, name: value}
    values = {"train": [{"clean": "a"}], "validation": {"sources": [source]}}
    with pytest.raises(ConfigError, match=f"{name}=.* is for training, .*remove it"):
        DataConfig.parse(values)


def test_validation_without_any_noise(folders: tuple[str, str], tmp_path: Path) -> None:
    train = [{"clean": folders[0], "noise": GAUSS}]
    given = {"sources": [{"clean": folders[1]}]}
    values: dict[str, Any] = {"train": train, "validation": given}
    with pytest.raises(ConfigError, match=r"5 images of validation\.sources have no"):
        load_data(DataConfig.parse(values), 1, 16)
    # pairs need none
    values["validation"] = {}
    values["train"] = [{"pairs": frames(tmp_path, 8)}]
    assert len(load_data(DataConfig.parse(values), 1, 16).validation) == 2


def test_images_for_both_are_told(folders: tuple[str, str]) -> None:
    a, b = folders
    values: dict[str, Any] = {
        "train": [{"clean": a, "noise": GAUSS}],
        "validation": {
            "sources": [{"clean": [b, f"{a}/2.png"]}],
            "noises": [GAUSS],
        },
    }
    (warning,) = load_data(DataConfig.parse(values), 1, 16).warnings
    assert warning.startswith("1 of 6 images of validation.sources are trained on")
    values["validation"]["sources"] = [{"clean": b}]
    assert load_data(DataConfig.parse(values), 1, 16).warnings == []


def test_held_out_images_get_the_noise_of_their_source(
    folders: tuple[str, str],
) -> None:
    a, b = folders
    strong = {"kind": "gaussian", "sigma": 40}
    train = [{"clean": a, "noise": GAUSS}, {"clean": b, "noise": strong}]
    data, again = load(train), load(train)
    found = [
        float((image.noisy - image.clean).std()) * 255  # type: ignore[operator]
        for image in data.validation
    ]
    assert found == pytest.approx([10, 10, 40], rel=0.1)
    for one, two in zip(data.validation, again.validation, strict=True):
        assert torch.equal(one.noisy, two.noisy)  # type: ignore[arg-type]
    # a noise that is named is added to the clean image later
    values = {"train": train, "validation": {"noises": [GAUSS]}}
    named = load_data(DataConfig.parse(values), 1, 16).validation
    assert all(image.noisy is None for image in named)


def test_copies_of_a_clean_image_are_held_out_together(
    rng: np.random.Generator,
) -> None:
    """As of a mean that is there once for each of its noisy frames."""
    scenes = [rng.random((20, 20)).round(2) for _ in range(8)]
    clean = [scene for scene in scenes for _ in range(5)]
    noisy = [image + rng.normal(0, 0.1, image.shape) for image in clean]
    source = {"clean": "array:c", "noisy": "array:n", "check_alignment": False}
    values = {"train": [source], "validation": {"num_held_out": 2}}
    data = load_data(DataConfig.parse(values), 1, 16, {"c": clean, "n": noisy})
    assert len(data.validation) == 2
    assert len(data.sources[0].clean) == 30


def test_sources_of_one_name_are_told_apart(rng: np.random.Generator) -> None:
    images = [rng.random((20, 20)) for _ in range(8)]
    source = {"clean": "array:c", "noise": {"kind": "gaussian", "sigma": 10}}
    values = {"train": [source, source], "validation": {"num_held_out": 1}}
    data = load_data(DataConfig.parse(values), 1, 16, {"c": images})
    assert [held.source for held in data.validation] == ["array:c #1", "array:c #2"]

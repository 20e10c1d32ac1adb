"""What a batch of patches is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_gradnet.config.data import DataConfig
from napari_gradnet.data.sources import load_data
from napari_gradnet.data.store import ImageStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAUSS = {"kind": "gaussian", "sigma": 10}


def test_weights_mix_sources(rng: np.random.Generator) -> None:
    """Twice the weight, twice the patches; each source has its own noise."""
    values = {
        "train": [
            {"clean": "array:dark", "noise": GAUSS, "crops_per_image": 5, "weight": 2},
            {
                "clean": "array:bright",
                "noise": {**GAUSS, "sigma": 0},
                "crops_per_image": 5,
            },
        ],
        "validation": {"num_held_out": 0},
    }
    arrays = {"dark": np.zeros((4, 32, 32)), "bright": np.ones((4, 32, 32))}
    data = load_data(DataConfig.parse(values), 1, 16, arrays)
    assert data.patches_per_epoch() == 60
    batches = list(data.iter_epoch(seed=1, epoch=0, batch_size=60, patch_size=16))
    bright = batches[0].clean[:, 0, 0, 0] > 0.5
    assert int(bright.sum()) == 20
    error = (batches[0].noisy - batches[0].clean) * 255
    assert float(error[bright].abs().max()) == 0
    assert float(error[~bright].std()) == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(
    ("images", "crops", "weight", "patches"), [(8, 4, 0.1, 3), (10, 1, 1.5, 15)]
)
def test_parts_of_a_patch_go_round(
    images: int, crops: int, weight: float, patches: int
) -> None:
    """As many patches as were asked for, and in the long run of each image as many."""
    source = {"clean": "array:a", "noise": GAUSS, "crops_per_image": crops}
    values = {
        "train": [{**source, "weight": weight}],
        "validation": {"num_held_out": 0},
    }
    arrays = {"a": [np.full((16, 16), i / images) for i in range(images)]}
    data = load_data(DataConfig.parse(values), 1, 16, arrays)
    assert data.patches_per_epoch() == patches
    seen = []
    for epoch in range(images):
        (batch,) = data.iter_epoch(
            seed=0, epoch=epoch, batch_size=patches, patch_size=16
        )
        numbers = [round(float(v) * images) for v in batch.clean[:, 0, 0, 0]]
        assert len(set(numbers)) == min(patches, images)
        seen += numbers
    assert sorted(seen) == sorted([*range(images)] * patches)


def test_noise_on_top_of_noisy_partners() -> None:
    """In training anew each time, in validation the same each time."""
    pair = {
        "clean": "array:clean",
        "noisy": "array:noisy",
        "noise": GAUSS,
        "check_alignment": False,
        "crops_per_image": 60,
    }
    values = {"train": [pair], "validation": {"sources": [pair]}}
    arrays = {"clean": np.zeros((32, 32)), "noisy": np.full((32, 32), 0.5)}
    data, again = (load_data(DataConfig.parse(values), 1, 16, arrays) for _ in range(2))
    first, second = (
        next(data.iter_epoch(seed=1, epoch=e, batch_size=60, patch_size=16))
        for e in range(2)
    )
    for batch in first, second:
        assert float(batch.clean.abs().max()) == 0
        assert float(batch.noisy.mean()) == pytest.approx(0.5, abs=0.01)
        assert float(batch.noisy.std()) * 255 == pytest.approx(10, rel=0.05)
    assert not torch.equal(first.noisy, second.noisy)
    ((clean, noisy, _),), ((_, other, _),) = data.validation, again.validation
    assert noisy is not None
    assert other is not None
    assert float(clean.abs().max()) == 0
    assert float(noisy.std()) * 255 == pytest.approx(10, rel=0.1)
    assert torch.equal(noisy, other)


def test_patches_are_pieces_of_their_pairs() -> None:
    """Noisy and clean patches come from the same place and are turned alike."""
    ramp = np.arange(40 * 50, dtype=np.float64).reshape(40, 50) / 2000
    arrays = {"clean": ramp, "noisy": ramp + 0.25}
    values = {"train": [{"clean": "array:clean", "noisy": "array:noisy"}]}
    values["train"][0]["crops_per_image"] = 64
    data = load_data(DataConfig.parse(values), 1, 16, arrays)
    batch = next(data.iter_epoch(seed=0, epoch=0, batch_size=64, patch_size=16))
    torch.testing.assert_close(batch.noisy - 0.25, batch.clean, atol=1e-5, rtol=0)
    # 8 orientations of the ramp: sign and size of the step along a row
    steps = {round(float(p[0, 0, 1] - p[0, 0, 0]) * 2000) for p in batch.clean}
    assert steps == {1, -1, 50, -50}


@pytest.mark.parametrize(
    ("flips", "rotations", "wanted"),
    [
        (False, False, {"abcd"}),
        (False, True, {"abcd", "bdac", "dcba", "cadb"}),
        (True, False, {"abcd", "badc", "cdab", "dcba"}),
        (True, True, {"abcd", "bdac", "dcba", "cadb", "badc", "cdab", "acbd", "dbca"}),
    ],
)
def test_how_patches_are_turned(flips: bool, rotations: bool, wanted: set[str]) -> None:
    corners = np.float32([[0, 1], [2, 3]])
    store = ImageStore([np.repeat(np.repeat(corners, 4, 0), 4, 1)[None]])
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(200, dtype=torch.long)
    index = store.draw(images, 8, generator, flips=flips, rotations=rotations)
    patches = store.cut(index, 8)[:, 0, ::7, ::7].reshape(-1, 4)
    assert {"".join("abcd"[int(v)] for v in p) for p in patches} == wanted


def test_origin_of_a_batch() -> None:
    values = {"train": [{"clean": "array:a", "noise": GAUSS, "crops_per_image": 3}]}
    data = load_data(DataConfig.parse(values), 1, 16, {"a": np.zeros((1, 20, 20))})
    assert data.origin(seed=0, epoch=0, batch=0, batch_size=3) == "array:a"


def test_crops_and_noise_depend_on_seed_epoch_and_batch_alone(
    grey: NDArray[np.uint8],
) -> None:
    values = {"train": [{"clean": "array:a", "noise": GAUSS, "crops_per_image": 12}]}
    data = load_data(DataConfig.parse(values), 1, 16, {"a": grey})

    def batches(seed: int, epoch: int, start: int = 0) -> list[Any]:
        size = {"batch_size": 3, "patch_size": 16}
        return list(data.iter_epoch(seed=seed, epoch=epoch, start=start, **size))

    def noises(found: list[Any]) -> list[torch.Tensor]:
        return [b.noisy - b.clean for b in found]

    first = batches(0, 0)
    assert len(first) == 4
    for one, two in zip(first, batches(0, 0), strict=True):
        assert torch.equal(one.noisy, two.noisy)
    for one, two in zip(first[2:], batches(0, 0, start=2), strict=True):
        assert torch.equal(one.noisy, two.noisy)
    # nothing else is drawn twice: batches, epochs, seeds
    others = [*first, *batches(0, 1), *batches(1, 0)]
    for kind in (noises(others), [b.clean for b in others]):
        for number, one in enumerate(kind):
            for two in kind[:number]:
                assert not torch.allclose(one, two, atol=1e-3)

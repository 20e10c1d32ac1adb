"""The comparisons run, go on where they stopped, and judge their claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_gradnet.errors import ConfigError
from napari_gradnet.experiments import COMPARISONS, Result, iter_comparison
from napari_gradnet.experiments.comparison import check_claims, choose_cases
from napari_gradnet.networks.registry import build, count_parameters
from napari_gradnet.training.events import StepDone

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"patch_size": 16, "batch_size": 4, "device": "cpu"}


@pytest.fixture
def images(tmp_path: Path) -> str:
    """Eight colour photos of 48 x 48 pixels."""
    from PIL import Image
    from skimage import data

    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        part = data.astronaut()[40 * number : 40 * number + 48, 100:148]
        Image.fromarray(part).save(folder / f"{number}.png")
    return str(folder)


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_rehearsal(name: str, images: str, tmp_path: Path) -> None:
    comparison = COMPARISONS[name]
    events: list[Any] = list(
        iter_comparison(
            comparison,
            images,
            tmp_path / "runs",
            patches=24,
            overrides=SETTINGS,
            tiny=True,
        )
    )
    results = {e.case: e for e in events if isinstance(e, Result)}
    assert list(results) == [c.name for c in comparison.cases]
    assert all(r.psnr > 0 for r in results.values())
    judged = {c.text: gain for c, gain in check_claims(comparison, results)}
    assert len(judged) == len(comparison.claims)
    first = comparison.claims[0]
    assert judged[first.text] == pytest.approx(
        results[first.better].psnr - results[first.worse].psnr
    )
    table = (tmp_path / "runs/table.csv").read_text().splitlines()
    assert len(table) == 1 + len(results)
    # what is done is not done again
    again = list(
        iter_comparison(
            comparison,
            images,
            tmp_path / "runs",
            patches=24,
            overrides=SETTINGS,
            tiny=True,
        )
    )
    assert again == list(results.values())
    assert not any(isinstance(e, StepDone) for e in again)


def test_results_of_another_training_are_not_taken(images: str, tmp_path: Path) -> None:
    comparison = choose_cases(COMPARISONS["guides"], ["mskresnet"])

    def results(patches: int) -> list[Any]:
        given = {"patches": patches, "overrides": SETTINGS, "tiny": True}
        folder = tmp_path / "runs"
        events = iter_comparison(comparison, images, folder, crops_per_image=3, **given)
        return [e for e in events if isinstance(e, Result)]

    # an epoch has 18 patches, 4 batches of 4
    (result,) = results(48)
    assert result.steps * 4 == 48
    assert results(48) == [result]
    with pytest.raises(
        ConfigError, match=r"differs in training\): give another folder"
    ):
        results(96)


def test_cases_of_a_comparison_take_as_many_steps() -> None:
    for name in ("growth", "guides", "evolution"):
        comparison = COMPARISONS[name]
        lengths = {
            comparison.experiment(
                case, "photos", patches=20_000, crops_per_image=1, num_images=408
            ).training.num_epochs
            for case in comparison.cases
        }
        assert lengths == {50}  # of 25 whole batches, 400 patches


def test_networks_have_about_as_many_weights() -> None:
    comparison = COMPARISONS["guides"]
    counts = [
        count_parameters(
            build(
                comparison.experiment(
                    case, "photos", patches=1, crops_per_image=1, num_images=1
                ).network
            )
        )
        for case in comparison.cases
    ]
    assert min(counts) > 0.13e6
    assert max(counts) < 0.17e6
    assert max(counts) / min(counts) < 1.15


def test_some_cases_only() -> None:
    guides = COMPARISONS["guides"]
    some = choose_cases(guides, ["oracle", "mskresnet"])
    assert [c.name for c in some.cases] == ["mskresnet", "oracle"]
    assert some.claims == guides.claims
    assert choose_cases(guides, ()) == guides
    with pytest.raises(ConfigError, match="no case clean in guides: mskresnet, noisy"):
        choose_cases(guides, ["clean"])

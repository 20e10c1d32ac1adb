"""The packaged DnCNN as a naive denoiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_gradnet import api
from napari_gradnet.inference import naive_network
from napari_gradnet.metrics import psnr

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Where all of them are packaged.
COLOR = ("dncnn-color", "gradnet-fast-color")
ALL = (*COLOR, "dncnn-gray", "gradnet-fast-gray", "gradnet-gray")


@pytest.mark.parametrize(
    ("channels", "missing", "wanted"),
    [
        (3, (), "dncnn-color"),
        (3, ("dncnn-color",), "gradnet-fast-color"),
        (1, (), "gradnet-fast-gray"),
        (1, ("gradnet-fast-gray", "gradnet-gray"), "dncnn-gray"),
    ],
)
def test_the_best_one_is_taken(
    channels: int,
    missing: tuple[str, ...],
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []

    def remember(name: str) -> None:
        opened.append(name)
        raise LookupError

    packaged = {name: None for name in ALL if name not in missing}
    monkeypatch.setattr(naive_network, "list_packaged", lambda: packaged)
    monkeypatch.setattr(naive_network, "open_model", remember)
    plane = np.zeros((16, 16, channels))
    with pytest.raises(LookupError):
        naive_network.denoise_with_dncnn(plane, np.full(channels, 0.1))
    assert opened == [wanted]


def test_the_guide_alone_denoises(rng: np.random.Generator) -> None:
    rows, columns = np.mgrid[:96, :96] / 96
    clean = np.where((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.1, 0.8, 0.3 * columns)
    noisy = clean + rng.normal(0, 25 / 255, clean.shape)
    naive = api.naive_denoise(noisy, "dncnn", sigma=25 / 255)
    assert psnr(naive, clean) > psnr(noisy, clean) + 8
    # the guide of the packaged GradNet, not all of it
    whole = api.denoise(noisy, "gradnet-fast-gray", value_range=(0, 1))
    assert psnr(whole, clean) > psnr(naive, clean) + 0.1


def test_a_hot_pixel_stays_and_spoils_no_other(
    grey_photo: NDArray[Any], rng: np.random.Generator
) -> None:
    clean = grey_photo[100:196, 100:196] * 510 + 500
    noisy = clean + rng.normal(0, 40, clean.shape)
    hot = noisy.copy()
    hot[10, 10] = 65535
    away = np.ones(clean.shape, bool)
    away[5:16, 5:16] = False
    plain, result = (
        api.naive_denoise(image, "dncnn", sigma=40, vst=False, axes="YX")
        for image in (noisy, hot)
    )
    assert np.abs(result - plain)[away].max() < 10
    errors = [np.sqrt(np.mean((r - clean)[away] ** 2)) for r in (plain, result)]
    assert errors[1] < 1.05 * errors[0] < 20
    assert result[10, 10] > 60000

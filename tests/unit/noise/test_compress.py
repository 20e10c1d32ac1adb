"""Compression artefacts and chains of noise."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from napari_gradnet.config.noise import (
    BpgNoise,
    ChainNoise,
    GaussianNoise,
    Jpeg2000Noise,
    JpegNoise,
    PoissonNoise,
)
from napari_gradnet.errors import InputError, MissingDependencyError
from napari_gradnet.noise.add import add_noise, noise_generator
from napari_gradnet.noise.compress import has_bpg


def psnr(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(-10 * torch.log10((one - two).square().mean()))


@pytest.fixture
def photo_batch(photo: np.ndarray) -> torch.Tensor:
    """Two crops of a photo, shape (2, 3, 96, 96)."""
    crops = [photo[k : k + 96, k : k + 96].transpose(2, 0, 1) for k in (60, 200)]
    return torch.from_numpy(np.stack(crops).copy())


def test_jpeg_is_what_the_codec_makes(photo_batch: torch.Tensor) -> None:
    noisy = add_noise(photo_batch, JpegNoise(quality=30), noise_generator(0))
    for clean, result in zip(photo_batch, noisy, strict=True):
        image = np.rint(clean.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        encoded = imagecodecs.jpeg8_encode(np.ascontiguousarray(image), level=30)
        expected = imagecodecs.jpeg8_decode(encoded)
        got = np.rint(result.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        assert np.array_equal(got, expected)


def _block_edges(noisy: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """Jumps of the error between columns, by column modulo 8."""
    jumps = (noisy - clean).diff(dim=-1).abs().mean((0, 1, 2))
    return torch.stack([jumps[k::8][:11].mean() for k in range(8)])


def test_blocks_begin_at_the_first_pixel_or_anywhere(photo_batch: torch.Tensor) -> None:
    def first_block(config: JpegNoise, seed: int) -> int:
        noisy = add_noise(photo_batch, config, noise_generator(seed))
        assert noisy.shape == photo_batch.shape
        return int(_block_edges(noisy, photo_batch).argmax())

    fixed = {first_block(JpegNoise(quality=10), seed) for seed in range(10)}
    assert fixed == {7}
    shifted = [
        first_block(JpegNoise(quality=10, shifted=True), seed) for seed in range(10)
    ]
    assert len(set(shifted)) > 3
    again = [
        first_block(JpegNoise(quality=10, shifted=True), seed) for seed in range(10)
    ]
    assert shifted == again


def test_grey_jpeg_keeps_its_shape(photo_batch: torch.Tensor) -> None:
    grey = photo_batch[:, :1, :33, :50]
    noisy = add_noise(grey, JpegNoise(quality=90), noise_generator(0))
    assert noisy.shape == grey.shape
    assert psnr(noisy, grey) > 33


@pytest.mark.parametrize("kind", [JpegNoise, Jpeg2000Noise])
def test_better_quality_leaves_less_error(
    kind: type, photo_batch: torch.Tensor
) -> None:
    name = "quality" if kind is JpegNoise else "psnr"
    levels = (5, 30, 90) if kind is JpegNoise else (22, 30, 42)
    found = [
        psnr(add_noise(photo_batch, kind(**{name: q}), noise_generator(0)), photo_batch)
        for q in levels
    ]
    assert found[0] + 2 < found[1] < found[2] - 2


def test_jpeg2000_meets_its_fidelity(photo_batch: torch.Tensor) -> None:
    noisy = add_noise(photo_batch, Jpeg2000Noise(psnr=34), noise_generator(0))
    assert psnr(noisy, photo_batch) == pytest.approx(34, abs=1)


def test_compressed_is_clipped_and_quantised() -> None:
    wild = 3 * torch.randn(1, 1, 32, 32, generator=noise_generator(1))
    noisy = add_noise(wild, JpegNoise(quality=95), noise_generator(0))
    assert float(noisy.min()) >= 0
    assert float(noisy.max()) <= 1
    torch.testing.assert_close(noisy * 255, (noisy * 255).round())


def test_quality_is_drawn_for_each_image(photo_batch: torch.Tensor) -> None:
    same = photo_batch[:1].repeat(6, 1, 1, 1)
    noisy = add_noise(same, JpegNoise(quality=(5, 95)), noise_generator(3))
    errors = [round(psnr(a, b), 2) for a, b in zip(noisy, same, strict=True)]
    assert len(set(errors)) > 3
    again = add_noise(same, JpegNoise(quality=(5, 95)), noise_generator(3))
    assert torch.equal(noisy, again)


def test_chain_adds_variances() -> None:
    flat = torch.full((4, 1, 128, 128), 0.5)
    parts = (GaussianNoise(sigma=30), GaussianNoise(sigma=40))
    noisy = add_noise(flat, ChainNoise(parts=parts), noise_generator(0))
    error = (noisy - flat) * 255
    assert float(error.mean()) == pytest.approx(0, abs=1)
    assert float(error.std()) == pytest.approx(50, rel=0.02)


def test_chain_has_an_order() -> None:
    """Shot noise first and then scaled noise is not the same the other way round."""
    flat = torch.full((1, 1, 64, 64), 0.5)
    shot, white = PoissonNoise(peak=4), GaussianNoise(sigma=5)
    last = add_noise(flat, ChainNoise(parts=(white, shot)), noise_generator(0))
    torch.testing.assert_close(last * 4, (last * 4).round())  # whole photons
    first = add_noise(flat, ChainNoise(parts=(shot, white)), noise_generator(0))
    assert not torch.allclose(first * 4, (first * 4).round(), atol=1e-2)


def test_a_chain_of_one_is_its_part(photo_batch: torch.Tensor) -> None:
    part = GaussianNoise(sigma=10)
    alone = add_noise(photo_batch, part, noise_generator(5))
    chained = add_noise(photo_batch, ChainNoise(parts=(part,)), noise_generator(5))
    assert torch.equal(alone, chained)
    assert not torch.equal(alone, photo_batch)


@pytest.mark.skipif(has_bpg(), reason="the BPG programs are installed")
def test_bpg_without_its_programs(photo_batch: torch.Tensor) -> None:
    with pytest.raises(MissingDependencyError, match="needs the programs bpgenc"):
        add_noise(photo_batch, BpgNoise(), noise_generator(0))


def test_bpg_calls_its_programs(
    photo_batch: torch.Tensor, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-ins of the two programs: they copy, and note the quantiser."""
    import os
    from pathlib import Path

    folder = Path(str(tmp_path))
    for name, last in (("bpgenc", "$5"), ("bpgdec", "$3")):
        script = folder / name
        target = "$4" if name == "bpgenc" else "$2"
        note = f'echo "$2" >> {folder}/q\n' if name == "bpgenc" else ""
        script.write_text(f'#!/bin/sh\n{note}cp "{last}" "{target}"\n')
        script.chmod(0o755)
    if os.name == "nt":
        pytest.skip("shell scripts")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    noisy = add_noise(photo_batch, BpgNoise(quantizer=37), noise_generator(0))
    assert psnr(noisy, photo_batch) > 50
    assert (folder / "q").read_text().split() == ["37", "37"]
    (folder / "bpgdec").write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    with pytest.raises(InputError, match="bpgdec failed: broken"):
        add_noise(photo_batch, BpgNoise(quantizer=37), noise_generator(0))


def test_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match="these have 2 channels"):
        add_noise(torch.rand(1, 2, 16, 16), JpegNoise(), noise_generator(0))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (JpegNoise, {"quality": 120}, "largest value here is 100"),
        (JpegNoise, {"quality": (60, 10)}, "lowest value first"),
        (BpgNoise, {"quantizer": 60}, "largest value here is 51"),
        (ChainNoise, {"parts": ()}, "at least 1"),
    ],
)
def test_ranges_are_checked(kind: type, values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind(**values)

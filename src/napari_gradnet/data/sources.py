"""Training sources and the order in which an epoch visits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_gradnet.data.files import expand_paths, read_images
from napari_gradnet.data.store import ImageStore, PatchIndex
from napari_gradnet.errors import ConfigError
from napari_gradnet.noise.add import add_noise, noise_generator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gradnet.config.data import DataConfig, SourceConfig

__all__ = ["Batch", "Source", "TrainingData", "load_data"]


@dataclass(frozen=True)
class Batch:
    """Noisy and clean patches, float32, shape (N, C, P, P)."""

    noisy: Tensor
    clean: Tensor


@dataclass
class Source:
    """One source in memory."""

    config: SourceConfig
    clean: ImageStore
    noisy: ImageStore | None


@dataclass
class TrainingData:
    """All sources, the validation images and what could not be read.

    Parameters
    ----------
    sources : list of Source
    validation : list of (Tensor, Tensor or None)
        Clean centre crops, shape (C, H, W), and their noisy partners where they have
        some.
    skipped : list of (Path, str)
        Files left out and why.
    """

    sources: list[Source]
    validation: list[tuple[Tensor, Tensor | None]]
    skipped: list[tuple[Path, str]]

    def patches_per_epoch(self) -> int:
        """Patches that an epoch visits."""
        return sum(len(s.clean) * _repeats(s) for s in self.sources)

    def iter_epoch(
        self, *, seed: int, epoch: int, batch_size: int, patch_size: int, start: int = 0
    ) -> Iterator[Batch]:
        """Batches of one epoch, from batch number `start` on.

        The last, incomplete batch is left out. What a batch holds depends on the seed,
        the epoch and its number alone, so that a resumed run sees the same.
        """
        order = noise_generator(seed, epoch)
        numbers = torch.cat(
            [
                torch.stack([torch.full((k,), i), torch.arange(k) % len(s.clean)], 1)
                for i, s in enumerate(self.sources)
                for k in [len(s.clean) * _repeats(s)]
            ]
        )
        numbers = numbers[torch.randperm(len(numbers), generator=order)]
        for batch in range(start, len(numbers) // batch_size):
            chosen = numbers[batch * batch_size : (batch + 1) * batch_size]
            yield self._make(chosen, patch_size, (seed, epoch, batch))

    def _make(
        self, chosen: Tensor, patch_size: int, counters: tuple[int, int, int]
    ) -> Batch:
        crops = noise_generator(*counters, 0)
        first = self.sources[0].clean
        shape = (len(chosen), first.channels, patch_size, patch_size)
        device = first.flat.device
        clean, noisy = (torch.empty(shape, device=device) for _ in range(2))
        for number, source in enumerate(self.sources):
            places = (chosen[:, 0] == number).nonzero()[:, 0]
            if not len(places):
                continue
            index = source.clean.draw(
                chosen[places, 1],
                patch_size,
                crops,
                flips=source.config.flips,
                rotations=source.config.rotations,
            )
            clean[places], noisy[places] = _patches(
                source, index, patch_size, (*counters, number + 1)
            )
        return Batch(noisy, clean)


def _repeats(source: Source) -> int:
    return max(1, round(source.config.crops_per_image * source.config.weight))


def _patches(
    source: Source, index: PatchIndex, patch_size: int, counters: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    clean = source.clean.cut(index, patch_size)
    if source.noisy is not None:
        return clean, source.noisy.cut(index, patch_size)
    if source.config.noise is None:
        msg = "a source without noisy partners needs a noise model: give noise.kind"
        raise ConfigError(msg)
    generator = noise_generator(*counters, device=clean.device)
    return clean, add_noise(clean, source.config.noise, generator)


def _load(
    config: SourceConfig, channels: int, patch_size: int
) -> tuple[list[NDArray[Any]], list[NDArray[Any]], list[tuple[Path, str]]]:
    paths = expand_paths(config.clean)
    if not config.noisy:
        clean, bad = read_images(paths, channels)
        kept = [i for i in clean if min(i.shape[1:]) >= patch_size]
        return kept, [], bad
    partners = expand_paths(config.noisy)
    if len(partners) != len(paths):
        msg = (
            f"{len(paths)} clean and {len(partners)} noisy files: each clean image "
            "needs one noisy partner, in the same sorted order"
        )
        raise ConfigError(msg)
    clean_kept, noisy_kept, bad = [], [], []
    for clean_path, noisy_path in zip(paths, partners, strict=True):
        images, failed = read_images([clean_path, noisy_path], channels)
        bad += failed
        half = len(images) // 2
        pair = (images[:half], images[half:])
        if failed:
            continue
        if [i.shape for i in pair[0]] != [i.shape for i in pair[1]]:
            bad.append((noisy_path, f"its shape differs from that of {clean_path}"))
            continue
        clean_kept += pair[0]
        noisy_kept += pair[1]
    return clean_kept, noisy_kept, bad


def load_data(config: DataConfig, channels: int, patch_size: int) -> TrainingData:
    """Read all images of a data description into memory.

    Raises
    ------
    ConfigError
        A pattern names nothing, or no usable image is left in a source.
    """
    sources: list[Source] = []
    validation: list[tuple[Tensor, Tensor | None]] = []
    skipped: list[tuple[Path, str]] = []
    crop = config.validation.crop
    for source in config.train:
        clean, noisy, bad = _load(source, channels, patch_size)
        skipped += bad
        held = set[int]()
        if not config.validation.sources and len(clean) > 1:
            count = min(config.validation.num_held_out, len(clean) // 4)
            held = {round((i + 0.5) * len(clean) / count - 0.5) for i in range(count)}
        keep = [i for i in range(len(clean)) if i not in held]
        if not keep:
            names = ", ".join(source.clean)
            msg = f"no usable image of at least {patch_size} pixels in {names}"
            raise ConfigError(msg)
        validation += _centres(clean, noisy, sorted(held), crop)
        sources.append(
            Source(
                source,
                ImageStore([clean[i] for i in keep]),
                ImageStore([noisy[i] for i in keep]) if noisy else None,
            )
        )
    for source in config.validation.sources:
        clean, noisy, bad = _load(source, channels, 16)
        skipped += bad
        validation += _centres(clean, noisy, list(range(len(clean))), crop)
    return TrainingData(sources, validation, skipped)


def _centres(
    clean: list[NDArray[Any]],
    noisy: list[NDArray[Any]],
    numbers: list[int],
    crop: int,
) -> list[tuple[Tensor, Tensor | None]]:
    return [
        (
            ImageStore([clean[i]]).image(0, crop),
            ImageStore([noisy[i]]).image(0, crop) if noisy else None,
        )
        for i in numbers
    ]

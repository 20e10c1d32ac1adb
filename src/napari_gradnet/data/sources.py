"""Training sources and the order in which an epoch visits them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_gradnet.data.held_out import (
    centres,
    choose_held_out,
    source_label,
    unique_labels,
)
from napari_gradnet.data.load import LoadedImages, load_images
from napari_gradnet.data.saturation import saturate
from napari_gradnet.data.scales import at_scales
from napari_gradnet.data.store import ImageStore, PatchIndex, room_for_images
from napari_gradnet.errors import ConfigError
from napari_gradnet.noise.add import add_noise, noise_generator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_gradnet.config.data import DataConfig, SourceConfig
    from napari_gradnet.data.held_out import HeldOut

__all__ = ["Batch", "Source", "TrainingData", "load_data"]


@dataclass(frozen=True)
class Batch:
    """Noisy and clean patches, float32, shape (N, C, P, P)."""

    noisy: Tensor
    clean: Tensor


@dataclass
class Source:
    """One source in memory; `names` says where each image comes from."""

    config: SourceConfig
    clean: ImageStore
    noisy: ImageStore | None
    names: list[str] = field(default_factory=list)


@dataclass
class TrainingData:
    """All sources, the validation images and what could not be read.

    Parameters
    ----------
    sources : list of Source
    validation : list of HeldOut
        Centre crops.
    skipped : list of (Path, str)
        Files left out and why.
    warnings : list of str
        What looks wrong, such as shifted pairs.
    files : list of Path
        Files that were read.
    """

    sources: list[Source]
    validation: list[HeldOut]
    skipped: list[tuple[Path, str]]
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def to(self, device: torch.device) -> TrainingData:
        """Make batches on a device; the images go there too where they fit."""
        self.device = device
        room = room_for_images(device)
        stores = [s for source in self.sources for s in (source.clean, source.noisy)]
        for store in stores:
            if store is not None and store.flat.nbytes <= room:
                room -= store.flat.nbytes
                store.to(device)
        return self

    def patches_per_epoch(self) -> int:
        """Patches that an epoch visits."""
        return sum(_patches_of(source) for source in self.sources)

    def iter_epoch(
        self, *, seed: int, epoch: int, batch_size: int, patch_size: int, start: int = 0
    ) -> Iterator[Batch]:
        """Batches of one epoch, from batch number `start` on.

        The last, incomplete batch is left out. What a batch holds depends on the seed,
        the epoch and its number alone, so that a resumed run sees the same.
        """
        numbers = self._order(seed, epoch)
        for batch in range(start, len(numbers) // batch_size):
            chosen = numbers[batch * batch_size : (batch + 1) * batch_size]
            yield self._make(chosen, patch_size, (seed, epoch, batch))

    def origin(self, *, seed: int, epoch: int, batch: int, batch_size: int) -> str:
        """Say which images a batch was cut from."""
        chosen = self._order(seed, epoch)[batch * batch_size : (batch + 1) * batch_size]
        names = Counter(self.sources[s].names[i] for s, i in chosen.tolist())
        return ", ".join(names)

    def _order(self, seed: int, epoch: int) -> Tensor:
        """(source, image) of every patch of an epoch, shape (patches, 2)."""
        numbers = torch.cat(
            [
                # the images take turns where it is no whole number of each
                torch.stack(
                    [torch.full((k,), i), (epoch * k + torch.arange(k)) % len(s.clean)],
                    1,
                )
                for i, s in enumerate(self.sources)
                for k in [_patches_of(s)]
            ]
        )
        order = noise_generator(seed, epoch)
        return numbers[torch.randperm(len(numbers), generator=order)]

    def _make(
        self, chosen: Tensor, patch_size: int, counters: tuple[int, int, int]
    ) -> Batch:
        crops = noise_generator(*counters, 0)
        shape = (len(chosen), self.sources[0].clean.channels, patch_size, patch_size)
        clean, noisy = (torch.empty(shape, device=self.device) for _ in range(2))
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
            clean[places], noisy[places] = self._patches(
                source, index, patch_size, (*counters, number + 1)
            )
        return Batch(noisy, clean)

    def _patches(
        self,
        source: Source,
        index: PatchIndex,
        patch_size: int,
        counters: tuple[int, ...],
    ) -> tuple[Tensor, Tensor]:
        clean = source.clean.cut(index, patch_size).to(self.device)
        if source.config.saturation != 1:
            colours = noise_generator(*counters, 0, device=self.device)
            clean = saturate(clean, source.config.saturation, colours)
        noisy = clean
        if source.noisy is not None:
            noisy = source.noisy.cut(index, patch_size).to(self.device)
        if source.config.noise is not None:
            generator = noise_generator(*counters, device=self.device)
            noisy = add_noise(noisy, source.config.noise, generator)
        return clean, noisy


def _patches_of(source: Source) -> int:
    """Patches of a source an epoch; what is left over its images have by turns."""
    each = source.config.crops_per_image * source.config.weight
    return max(1, round(len(source.clean) * each))


def load_data(
    config: DataConfig,
    channels: int,
    patch_size: int,
    arrays: Mapping[str, Any] | None = None,
) -> TrainingData:
    """Read all images of a data description into memory.

    Parameters
    ----------
    config : DataConfig
        The description.
    channels : int
        Of the network: 1 or 3.
    patch_size : int
        Pixels; smaller images are left out.
    arrays : mapping of str to ndarray or list of them, optional
        What ``array:NAME`` in the description stands for.

    Raises
    ------
    ConfigError
        A pattern names nothing, a source has neither partners nor noise, or no usable
        image is left in it.
    """
    data = TrainingData([], [], [])
    every = []
    for source in config.train:
        if not source.noisy and not source.pairs and source.noise is None:
            msg = (
                f"the source {', '.join(source.clean)} has neither noisy partners nor "
                "a noise model: give noise.kind"
            )
            raise ConfigError(msg)
        every.append(load_images(source, channels, patch_size, arrays))
    # what one source holds out, no source trains on
    chosen = [choose_held_out(loaded, config.validation) for loaded in every]
    held = {
        loaded.keys[i]
        for loaded, numbers in zip(every, chosen, strict=True)
        for i in numbers
    }
    trained = {key for loaded in every for key in loaded.keys} - held
    labels = iter(unique_labels([*config.train, *config.validation.sources]))
    for source, numbers in zip(config.train, chosen, strict=True):
        loaded = every.pop(0)  # its memory is free once it is stored
        _note(data, loaded)
        data.validation += centres(
            loaded,
            numbers,
            config.validation.crop,
            source,
            next(labels),
            # judged on the noise that it trains on, where no other is named
            onto_clean=not config.validation.noises,
        )
        data.sources.append(_trained_on(source, loaded, held, patch_size))
    for source in config.validation.sources:
        loaded = load_images(source, channels, 16, arrays)
        _note(data, loaded)
        both = len(trained.intersection(loaded.keys))
        if both:
            data.warnings.append(
                f"{both} of {len(loaded.keys)} images of validation.sources are "
                "trained on, too: their PSNR says nothing of other images"
            )
        numbers = list(range(len(loaded.clean)))
        data.validation += centres(
            loaded,
            numbers,
            config.validation.crop,
            source,
            next(labels),
            onto_clean=True,
        )
    unjudged = sum(image.noisy is None for image in data.validation)
    if unjudged and not config.validation.noises:
        msg = (
            f"{unjudged} images of validation.sources have no noise: give these "
            "sources one, or validation.noises such as [{kind: gaussian, sigma: 25}]"
        )
        raise ConfigError(msg)
    _try_noises(config, channels)
    return data


def _try_noises(config: DataConfig, channels: int) -> None:
    """Add each noise once: one that cannot be is told before the first epoch."""
    sources = [*config.train, *config.validation.sources]
    grey = torch.full((1, channels, 64, 64), 0.5)
    for noise in [*config.validation.noises, *(source.noise for source in sources)]:
        if noise is not None:
            add_noise(grey, noise, noise_generator(0))


def _trained_on(
    source: SourceConfig,
    loaded: LoadedImages,
    held: set[bytes],
    patch_size: int,
) -> Source:
    """What is left of a source without the images that are held out."""
    keep = [i for i, key in enumerate(loaded.keys) if key not in held]
    names = source_label(source)
    if not loaded.clean:
        reasons = "".join(f"\n  {p}: {why}" for p, why in loaded.skipped[:5])
        msg = f"no usable image of at least {patch_size} pixels in {names}{reasons}"
        raise ConfigError(msg)
    if not keep:
        msg = (
            f"every image of {names} is held out by another source that has it too: "
            "lower validation.num_held_out or give validation.sources"
        )
        raise ConfigError(msg)
    noisy = ImageStore([loaded.noisy[i] for i in keep]) if loaded.noisy else None
    images, names_kept = at_scales(
        [loaded.clean[i] for i in keep],
        [loaded.names[i] for i in keep],
        source.scales,
        patch_size,
    )
    if not images:
        sizes = ", ".join(f"{scale:g}" for scale in source.scales)
        msg = (
            f"no image of {names} has {patch_size} pixels when shrunk to {sizes}: add "
            "1 to scales, or lower training.patch_size"
        )
        raise ConfigError(msg)
    return Source(source, ImageStore(images), noisy, names_kept)


def _note(data: TrainingData, loaded: LoadedImages) -> None:
    data.skipped += loaded.skipped
    data.warnings += loaded.warnings
    data.files += loaded.files

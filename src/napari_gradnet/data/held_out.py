"""Images that are held out of training, to judge it by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_gradnet.data.store import ImageStore
from napari_gradnet.noise.add import add_noise, noise_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_gradnet.config.data import SourceConfig, ValidationConfig
    from napari_gradnet.data.load import LoadedImages

__all__ = ["HeldOut", "centres", "choose_held_out", "source_label", "unique_labels"]

#: Of what is added to validation images' noisy partners.
_SEED = 20_211


class HeldOut(NamedTuple):
    """One validation image, shape (C, H, W).

    Parameters
    ----------
    clean : Tensor
    noisy : Tensor or None
        Its noisy partner, or itself with its source's noise; without one,
        ``validation.noises`` make some.
    source : str
        Which it is of, as `unique_labels` names it.
    """

    clean: Tensor
    noisy: Tensor | None
    source: str = ""


def source_label(source: SourceConfig) -> str:
    """Name a source for people to read."""
    if isinstance(source.pairs, str):
        return source.pairs
    return ", ".join(source.clean) or "the list of pairs"


def unique_labels(sources: Sequence[SourceConfig]) -> list[str]:
    """Name sources for people to read, with a number where names would repeat."""
    labels = [source_label(source) for source in sources]
    return [
        f"{label} #{labels[: i + 1].count(label)}" if labels.count(label) > 1 else label
        for i, label in enumerate(labels)
    ]


def choose_held_out(loaded: LoadedImages, config: ValidationConfig) -> list[int]:
    """Choose the images to hold out; those of one clean image count as one.

    Parameters
    ----------
    loaded : LoadedImages
        One source's; gets a warning where it has too few images for any.
    config : ValidationConfig
        How many are wanted.

    Returns
    -------
    list of int
        Their numbers, evenly spread, at most a quarter.
    """
    if config.sources:
        return []
    first = {key: i for i, key in reversed(list(enumerate(loaded.keys)))}
    distinct = sorted(first.values())
    held = [distinct[n] for n in sorted(_spread(len(distinct), config.num_held_out))]
    if config.num_held_out and not held and len(distinct) < len(loaded.keys):
        loaded.warnings.append(
            f"no image is held out for validation: {len(loaded.keys)} pairs share "
            f"{len(distinct)} clean images, of which at most a quarter is; give "
            "validation.sources"
        )
    return held


def _spread(total: int, wanted: int) -> set[int]:
    count = min(wanted, total // 4)
    return {round((i + 0.5) * total / count - 0.5) for i in range(count)}


def centres(
    loaded: LoadedImages,
    numbers: list[int],
    crop: int,
    source: SourceConfig,
    label: str,
    *,
    onto_clean: bool = False,
) -> list[HeldOut]:
    """Cut the central crops of some of a source's images.

    Parameters
    ----------
    loaded : LoadedImages
        The source's images.
    numbers : list of int
        Which of them.
    crop : int
        Pixels.
    source : SourceConfig
        Its noise is added to noisy partners, once and for all.
    label : str
        Its name.
    onto_clean : bool
        Make partners of clean images without one, in the same way.
    """
    images: list[HeldOut] = []
    for i in numbers:
        clean = ImageStore([loaded.clean[i]]).image(0, crop)
        partner = None
        if loaded.noisy:
            partner = ImageStore([loaded.noisy[i]]).image(0, crop)
        elif onto_clean and source.noise is not None:
            partner = clean
        if partner is not None and source.noise is not None:
            generator = noise_generator(_SEED, i)
            partner = add_noise(partner[None], source.noise, generator)[0]
        images.append(HeldOut(clean, partner, label))
    return images

"""What a network is trained and validated on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.config.noise import NoiseConfig, NoiseRange

__all__ = ["DRAWN_PREFIX", "DataConfig", "SourceConfig", "ValidationConfig"]

DRAWN_PREFIX = "drawn:"


class SourceConfig(FrozenModel):
    """Clean images that get synthetic noise, or (noisy, clean) pairs."""

    clean: tuple[str, ...] = Field(
        (),
        description="Folders, files or globs of clean images; 'array:NAME' for one "
        "handed over from Python; 'drawn:NUMBER' for so many drawn ones of shapes, "
        "waves and text. All planes of a stack are used.",
    )
    noisy: tuple[str, ...] = Field(
        (),
        description="Their noisy partners in the same order, or none.",
    )
    pairs: str | tuple[tuple[str, str], ...] = Field(
        (),
        description="Instead of both: a CSV file with the columns noisy and clean "
        "(paths relative to it), or a list of [noisy, clean].",
    )
    noise: NoiseConfig | None = Field(
        None,
        description="Noise added to the clean images or, where they have noisy "
        "partners, to those: such as jpeg, for files of a lower quality.",
    )
    intensity: Literal["dtype", "percentile"] = Field(
        "dtype",
        description="What becomes 0 and 1: the ends of the integer type (floats as "
        "they are), or each noisy image's 0.1 and 99.9 percentiles, as in use on data "
        "without a fixed scale.",
    )
    fit_clean: bool = Field(
        False,
        description="Fit gain and offset of each clean image to its noisy partner by "
        "least squares, where the two were scaled apart.",
    )
    align: bool = Field(
        False,
        description="Shift each clean image onto its noisy partner, by parts of a "
        "pixel and up to 4 pixels.",
    )
    fit_lighting: float | None = Field(
        None,
        gt=0,
        description="Give each clean image the slow differences of brightness and "
        "colour that its noisy partner has, as of flickering lamps: slower than a "
        "Gaussian of so many pixels, which must be more than any noise spans (32).",
    )
    check_alignment: bool = Field(
        True, description="Warn of pairs that are shifted against each other."
    )
    scales: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (1.0,),
        min_length=1,
        description="Each clean image is used at each of these sizes: shrunk ones are "
        "sharper and of finer texture. Not for pairs, whose noise would shrink.",
    )
    crops_per_image: int = Field(4, ge=1, description="Patches of an image an epoch.")
    weight: float = Field(
        1.0,
        gt=0,
        description="Multiplies crops_per_image; where that makes no whole number, "
        "the images take turns from epoch to epoch.",
    )
    flips: bool = True
    rotations: bool = Field(True, description="By 90, 180 and 270 degrees.")
    saturation: NoiseRange = Field(
        1.0,
        description="Factor by which the colours of each patch are moved away from its "
        "grey: photos hold few pure ones. A range is drawn log-uniformly. Not for "
        "pairs; nothing for grey networks.",
    )

    @field_validator("saturation")
    @classmethod
    def _range_ascends(cls, value: NoiseRange) -> NoiseRange:
        low, high = value if isinstance(value, tuple) else (value, value)
        if not 0 < low <= high < float("inf"):
            msg = "give one factor above 0, or the lowest and the highest"
            raise ValueError(msg)
        return value

    @field_validator("clean", "noisy", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _clean_or_pairs(self) -> SourceConfig:
        if bool(self.pairs) == bool(self.clean):
            msg = "give either clean (with noisy or noise) or pairs"
            raise ValueError(msg)
        if self.pairs and self.noisy:
            msg = "pairs name both images: remove noisy"
            raise ValueError(msg)
        paired = self.noisy + (self.clean if self.noisy else ())
        if any(pattern.startswith(DRAWN_PREFIX) for pattern in paired):
            msg = "drawn images are clean and have no noisy partners: add noise to them"
            raise ValueError(msg)
        for name in ("fit_clean", "fit_lighting", "align"):
            if getattr(self, name) and not (self.pairs or self.noisy):
                msg = f"{name} is for pairs: give noisy partners or remove it"
                raise ValueError(msg)
        if self.scales != (1.0,) and (self.pairs or self.noisy):
            msg = "scales are for clean images: the noise of pairs would shrink too"
            raise ValueError(msg)
        if self.saturation != 1 and (self.pairs or self.noisy):
            msg = "saturation is for clean images: the noise of pairs would grow too"
            raise ValueError(msg)
        return self


class ValidationConfig(FrozenModel):
    """Held-out images, never trained on."""

    sources: tuple[SourceConfig, ...] = Field(
        (),
        description="Images for validation, with the noise that they name; hold some "
        "out of training when empty.",
    )
    num_held_out: int = Field(
        24,
        ge=0,
        description="Images held out of each training source, evenly spread, at most a "
        "quarter; pairs of one clean image count as one.",
    )
    crop: int = Field(256, ge=16, description="Central crop, pixels.")
    noises: tuple[NoiseConfig, ...] = Field(
        (),
        description="Each is measured on the images without noise of their own; PSNR "
        "is their mean, that of noisy partners counting as one more. When empty, "
        "images held out of training get their source's noise, the same every time.",
    )
    num_pictures: int = Field(
        2,
        ge=0,
        description="Images written as pictures at each validation, and at each best.",
    )

    @model_validator(mode="after")
    def _whole_images(self) -> ValidationConfig:
        for source in self.sources:
            for name in ("scales", "saturation", "weight"):
                value = getattr(source, name)
                if value != SourceConfig.model_fields[name].default:
                    msg = (
                        f"sources: {name}={value} is for training, images are "
                        "validated as they are: remove it"
                    )
                    raise ValueError(msg)
        return self


class DataConfig(FrozenModel):
    """All sources."""

    train: tuple[SourceConfig, ...] = Field(min_length=1)
    validation: ValidationConfig = ValidationConfig()

"""What a network is trained and validated on."""

from __future__ import annotations

from pydantic import Field, field_validator

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.config.noise import GaussianNoise, NoiseConfig

__all__ = ["DataConfig", "SourceConfig", "ValidationConfig"]


class SourceConfig(FrozenModel):
    """Clean images that get synthetic noise, or (noisy, clean) pairs."""

    clean: tuple[str, ...] = Field(
        min_length=1, description="Folders, files or globs of clean images."
    )
    noisy: tuple[str, ...] = Field(
        (),
        description="Their noisy partners in the same order, or none.",
    )
    noise: NoiseConfig | None = Field(
        None, description="Noise added to the clean images (without partners)."
    )
    crops_per_image: int = Field(4, ge=1, description="Patches of an image an epoch.")
    weight: float = Field(1.0, gt=0, description="Multiplies crops_per_image.")
    flips: bool = True
    rotations: bool = Field(True, description="By 90, 180 and 270 degrees.")

    @field_validator("clean", "noisy", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ValidationConfig(FrozenModel):
    """Held-out images, never trained on."""

    sources: tuple[SourceConfig, ...] = Field(
        (), description="Images for validation; hold some out of training when empty."
    )
    num_held_out: int = Field(
        24, ge=0, description="Images held out of each training source, evenly spread."
    )
    crop: int = Field(256, ge=16, description="Central crop, pixels.")
    noises: tuple[NoiseConfig, ...] = Field(
        (GaussianNoise(sigma=25.0),),
        description="Each is measured; PSNR is their mean.",
    )


class DataConfig(FrozenModel):
    """All sources."""

    train: tuple[SourceConfig, ...] = Field(min_length=1)
    validation: ValidationConfig = ValidationConfig()

"""Noise models as configuration.

Intensities are in [0, 1]; sigma is written in levels of 255, as the field does
(``sigma=25`` means 25/255).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from napari_gradnet.config.base import FrozenModel

__all__ = [
    "CameraNoise",
    "GaussianNoise",
    "MixedNoise",
    "NoiseConfig",
    "NoiseRange",
    "PoissonGaussianNoise",
    "PoissonNoise",
]

#: A fixed value, or the lowest and the highest of a range.
NoiseRange = float | tuple[float, float]


class _Noise(FrozenModel):
    _ranges: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _ranges_ascend(self) -> _Noise:
        for name in self._ranges:
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            if not 0 <= low <= high:
                msg = f"{name}={value}: give the lowest value first, none negative"
                raise ValueError(msg)
        return self


class GaussianNoise(_Noise):
    """Additive white Gaussian noise, neither clipped nor quantised."""

    _ranges = ("sigma",)
    kind: Literal["gaussian"] = "gaussian"
    sigma: NoiseRange = Field(25.0, description="Standard deviation, levels of 255.")


class PoissonNoise(_Noise):
    """Shot noise: the image scaled to max = peak, then Poisson (DN-ResNet)."""

    _ranges = ("peak",)
    kind: Literal["poisson"] = "poisson"
    peak: NoiseRange = Field(
        (1.0, 8.0), description="Photons at full scale; a range is drawn log-uniformly."
    )


class PoissonGaussianNoise(_Noise):
    """Shot noise and Gaussian noise of sigma = peak / 10 photons (DN-ResNet)."""

    _ranges = ("peak", "ratio")
    kind: Literal["poisson-gaussian"] = "poisson-gaussian"
    peak: NoiseRange = Field(
        (1.0, 120.0),
        description="Photons at full scale; a range is drawn log-uniformly.",
    )
    ratio: float = Field(0.1, description="Gaussian sigma in photons, divided by peak.")


class CameraNoise(_Noise):
    """A camera: gain * Poisson(electrons) + offset + Gaussian read noise.

    The image is taken as ``(counts - offset) / full_scale`` and given back so scaled.
    """

    _ranges = ("electrons", "read_noise")
    kind: Literal["camera"] = "camera"
    electrons: NoiseRange = Field(
        (20.0, 2000.0), description="Electrons at full scale, drawn log-uniformly."
    )
    read_noise: NoiseRange = Field(
        (1.0, 5.0), description="Read noise, electrons (standard deviation)."
    )


class MixedNoise(_Noise):
    """Every patch gets one of the parts, drawn by weight."""

    kind: Literal["mixed"] = "mixed"
    parts: tuple[NoiseConfig, ...] = Field(min_length=1)
    weights: tuple[float, ...] = Field((), description="One a part; equal when empty.")

    @model_validator(mode="after")
    def _one_weight_a_part(self) -> MixedNoise:
        if self.weights and len(self.weights) != len(self.parts):
            msg = f"{len(self.weights)} weights for {len(self.parts)} parts"
            raise ValueError(msg)
        return self


NoiseConfig = Annotated[
    GaussianNoise | PoissonNoise | PoissonGaussianNoise | CameraNoise | MixedNoise,
    Field(discriminator="kind"),
]
MixedNoise.model_rebuild()

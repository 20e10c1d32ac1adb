"""Noise models as configuration.

Intensities are in [0, 1]; sigma is written in levels of 255, as the field does
(``sigma=25`` means 25/255).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter, model_validator

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.errors import ConfigError

__all__ = [
    "BpgNoise",
    "CameraNoise",
    "ChainNoise",
    "GaussianNoise",
    "Jpeg2000Noise",
    "JpegNoise",
    "MixedNoise",
    "NoiseConfig",
    "NoiseRange",
    "PhotoNoise",
    "PoissonGaussianNoise",
    "PoissonNoise",
    "describe_noise_config",
    "parse_noise",
]

#: A fixed value, or the lowest and the highest of a range.
NoiseRange = float | tuple[float, float]
#: Of the noise of photos, pixels.
LARGEST_BLUR = 3.0


class _Noise(FrozenModel):
    _ranges: ClassVar[tuple[str, ...]] = ()
    _largest: ClassVar[float] = float("inf")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> _Noise:
        for name in self._ranges:
            value = getattr(self, name)
            if value is None:
                continue
            lowest = value[0] if isinstance(value, tuple) else value
            if name in ("peak", "electrons") and lowest <= 0:
                msg = f"{name}={value}: the counts at full scale must be above 0"
                raise ValueError(msg)
            if name in ("gamma", "red_gain", "blue_gain") and lowest < 1:
                msg = f"{name}={value}: give at least 1"
                raise ValueError(msg)
            low, high = value if isinstance(value, tuple) else (value, value)
            if not 0 <= low <= high:
                msg = f"{name}={value}: give the lowest value first, none negative"
                raise ValueError(msg)
            if high > self._largest:
                msg = f"{name}={value}: the largest value here is {self._largest:g}"
                raise ValueError(msg)
        return self


class GaussianNoise(_Noise):
    """Additive white Gaussian noise, neither clipped nor quantised."""

    _ranges = ("sigma",)
    kind: Literal["gaussian"] = "gaussian"
    sigma: NoiseRange = Field(25.0, description="Standard deviation, levels of 255.")


class PoissonNoise(_Noise):
    """Shot noise: full scale becomes `peak` photons, then Poisson (DN-ResNet)."""

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
    """A camera: gain * (Poisson(electrons) + Gaussian read noise) + offset.

    With `electrons` alone the image is taken as ``(counts - offset) / full_scale`` and
    given back so scaled. With `gain` it is taken as ``counts / full_scale``, the offset
    included, as files have it.
    """

    _ranges = ("electrons", "read_noise", "gain")
    kind: Literal["camera"] = "camera"
    electrons: NoiseRange = Field(
        (20.0, 2000.0),
        description="Electrons at full scale, drawn log-uniformly; without gain.",
    )
    read_noise: NoiseRange = Field(
        (1.0, 5.0), description="Read noise, electrons (standard deviation)."
    )
    gain: NoiseRange | None = Field(
        None, description="Counts an electron, drawn log-uniformly."
    )
    offset: float = Field(0.0, ge=0, description="Counts without light; with gain.")
    full_scale: float = Field(
        65535.0, gt=0, description="Counts that are 1.0 in the image; with gain."
    )

    @model_validator(mode="after")
    def _gain_above_zero(self) -> CameraNoise:
        low = self.gain[0] if isinstance(self.gain, tuple) else self.gain
        if low is not None and low <= 0:
            msg = f"gain={self.gain}: give counts an electron above 0"
            raise ValueError(msg)
        return self


class PhotoNoise(_Noise):
    """A camera's noise as its processing leaves it in a colour photo.

    Sensor noise on linear intensities behind a colour filter, then demosaicking, white
    balance, colour matrix, tone curve and the camera's noise reduction, which correlate
    it between neighbours and colours. For images in sRGB; chain it with jpeg for the
    camera's files.
    """

    _ranges = (
        *("electrons", "read_noise", "red_gain", "blue_gain", "colour", "gamma"),
        *("luma_blur", "chroma_blur"),
    )
    kind: Literal["photo"] = "photo"
    electrons: NoiseRange = Field(
        (50.0, 5000.0),
        description="Electrons at full scale of the sensor, drawn log-uniformly.",
    )
    read_noise: NoiseRange = Field(
        (1.0, 8.0), description="Read noise, electrons (standard deviation)."
    )
    red_gain: NoiseRange = Field((1.2, 2.6), description="White balance; green is 1.")
    blue_gain: NoiseRange = Field((1.2, 2.6), description="White balance; green is 1.")
    colour: NoiseRange = Field(
        (0.0, 1.0), description="Part of a sensor's colour matrix, 0 none to 1."
    )
    gamma: NoiseRange = Field((1.8, 2.6), description="Of the tone curve.")
    luma_blur: NoiseRange = Field(
        (0.0, 1.0),
        description="Smears the noise of luma (standard deviation, pixels).",
    )
    chroma_blur: NoiseRange = Field((0.0, 3.0), description="And that of chroma.")

    @model_validator(mode="after")
    def _blur_fits(self) -> PhotoNoise:
        for name in ("luma_blur", "chroma_blur"):
            value = getattr(self, name)
            if (value[1] if isinstance(value, tuple) else value) > LARGEST_BLUR:
                msg = (
                    f"{name}={value}: the largest blur here is {LARGEST_BLUR:g} pixels"
                )
                raise ValueError(msg)
        return self


class JpegNoise(_Noise):
    """What JPEG compression leaves: clipped, quantised to 8 bits, with block edges."""

    _ranges = ("quality",)
    _largest = 100
    kind: Literal["jpeg"] = "jpeg"
    quality: NoiseRange = Field((10.0, 60.0), description="JPEG quality, 1 to 100.")
    shifted: bool = Field(
        False,
        description="Blocks begin anywhere, as in a crop of a compressed image, not at "
        "the first pixel.",
    )


class Jpeg2000Noise(_Noise):
    """What JPEG 2000 compression leaves."""

    _ranges = ("psnr",)
    kind: Literal["jpeg2000"] = "jpeg2000"
    psnr: NoiseRange = Field(
        (26.0, 38.0), description="Fidelity that the encoder is asked for, dB."
    )


class BpgNoise(_Noise):
    """What BPG compression leaves; needs the programs bpgenc and bpgdec."""

    _ranges = ("quantizer",)
    _largest = 51
    kind: Literal["bpg"] = "bpg"
    quantizer: NoiseRange = Field(
        (30.0, 44.0), description="HEVC quantiser, 0 (best) to 51."
    )


class ChainNoise(_Noise):
    """The parts one after the other: a sensor's noise, then its JPEG compression."""

    kind: Literal["chain"] = "chain"
    parts: tuple[NoiseConfig, ...] = Field(min_length=1)


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
        if self.weights and not (
            min(self.weights) >= 0 and 0 < sum(self.weights) < float("inf")
        ):
            msg = f"weights={self.weights}: give none below 0, and one above it"
            raise ValueError(msg)
        return self


NoiseConfig = Annotated[
    GaussianNoise
    | PoissonNoise
    | PoissonGaussianNoise
    | CameraNoise
    | PhotoNoise
    | JpegNoise
    | Jpeg2000Noise
    | BpgNoise
    | ChainNoise
    | MixedNoise,
    Field(discriminator="kind"),
]
ChainNoise.model_rebuild()
MixedNoise.model_rebuild()

#: Kind: (its name, its range, what stands behind the numbers).
_WORDS: dict[str, tuple[str, str, str]] = {
    "gaussian": ("Gaussian noise, sigma", "sigma", "of 255"),
    "poisson": ("Poisson noise,", "peak", "photons at full scale"),
    "poisson-gaussian": ("Poisson-Gaussian noise,", "peak", "photons at full scale"),
    "camera": ("camera noise,", "electrons", "electrons at full scale"),
    "photo": ("a photo's noise,", "electrons", "electrons at full scale"),
    "jpeg": ("JPEG, quality", "quality", ""),
    "jpeg2000": ("JPEG 2000,", "psnr", "dB"),
    "bpg": ("BPG, quantiser", "quantizer", ""),
}


def describe_noise_config(noise: NoiseConfig) -> str:
    """Say a noise model in words.

    Parameters
    ----------
    noise : NoiseConfig
        The model.

    Returns
    -------
    str
        Such as ``"Gaussian noise, sigma 0 to 55 of 255"``.
    """
    if isinstance(noise, ChainNoise | MixedNoise):
        joint = ", then " if isinstance(noise, ChainNoise) else " or "
        return joint.join(describe_noise_config(part) for part in noise.parts)
    if isinstance(noise, CameraNoise) and noise.gain is not None:
        return f"camera noise, gain {_in_words(noise.gain)} counts an electron"
    name, field, unit = _WORDS[noise.kind]
    return f"{name} {_in_words(getattr(noise, field))} {unit}".strip()


def parse_noise(words: str) -> NoiseConfig:
    """Read a noise model from a word such as ``poisson=4``.

    Parameters
    ----------
    words : str
        A kind and its number: gaussian (sigma, levels of 255), poisson and
        poisson-gaussian (peak), camera and photo (electrons), jpeg (quality),
        jpeg2000 (dB) or bpg (quantiser).

    Raises
    ------
    ConfigError
        The kind is unknown or the number no number of its kind.
    """
    kind, _, number = words.partition("=")
    try:
        value = float(number)
        values = {"kind": kind, _WORDS[kind][1]: value}
        return TypeAdapter(NoiseConfig).validate_python(values)
    except (KeyError, ValueError) as error:
        msg = (
            f"{words!r} is no noise: write KIND=NUMBER, such as poisson=4, with one of "
            f"{', '.join(_WORDS)}"
        )
        raise ConfigError(msg) from error


def _in_words(value: NoiseRange) -> str:
    low, high = value if isinstance(value, tuple) else (value, value)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"

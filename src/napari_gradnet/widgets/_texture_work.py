"""What the Gradient widget's threads do beside gradients. No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.errors import InputError
from napari_gradnet.events import Event, Progress
from napari_gradnet.values import black_and_white
from napari_gradnet.widgets._naive_work import GradientRun, PlaneRun

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_gradnet.region import Region

__all__ = ["TEXTURED", "PairRun", "TextureRun"]

#: Label of textured pixels; smooth ones have none.
TEXTURED = 1


class TextureRun(PlaneRun):
    """Which pixels are textured, by the GradNet paper's threshold.

    Black and white become 0 and 1, so that one threshold fits all images.

    Parameters
    ----------
    image : array
        numpy, dask or zarr.
    axes : str
        One letter a dimension.
    epsilon : float
        See `metrics.textured_mask`.
    region : tuple of slice, optional
        The part of the image that is wanted.
    """

    operation = "texture mask"

    def __init__(
        self, image: Any, axes: str, epsilon: float, region: Region | None = None
    ) -> None:
        super().__init__(image, axes, region)
        self.epsilon = epsilon
        #: Part of the pixels that are textured.
        self.share = 0.0
        self._ranges: dict[int, tuple[float, float]] = {}

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        yield from super().events()
        self.share = float(np.count_nonzero(self.result) / max(1, self.result.size))
        self.record["textured_share"] = round(self.share, 4)

    def _has(self, letter: str) -> bool:
        return letter != "S" and super()._has(letter)

    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def _prepare(self) -> Generator[Event, None, dict[str, Any]]:
        from napari_gradnet.samples import sample_planes

        yield Progress(0, 1, "plane")
        indices = list(self.axes.iter_planes())
        if self.image.dtype == np.uint8:
            self._ranges = dict.fromkeys(range(self.axes.length("C")), (0.0, 255.0))
        else:
            samples = sample_planes(
                lambda n: self.axes.to_plane(np.asarray(self.image[indices[n]])),
                self.axes,
            )
            rgb = self.axes.is_rgb
            self._ranges = {
                channel: black_and_white(
                    self.image.dtype, [p[..., :3] if rgb else p for p in planes]
                )
                for channel, planes in samples.items()
            }
        return {"epsilon": self.epsilon, "black_white": list(self._ranges.values())}

    def _plane(self, plane: NDArray[Any], channel: int) -> NDArray[Any]:
        from napari_gradnet.metrics import textured_mask

        low, high = self._ranges[channel]
        colours = self.axes.is_rgb
        values = plane[..., :3] if colours else plane
        scaled = (values.astype(np.float64) - low) / (high - low)
        mask = textured_mask(scaled, self.epsilon, channel_axis=-1 if colours else None)
        return mask.astype(np.uint8) * TEXTURED


class PairRun:
    """Gradients of an image and of another one of its shape, such as the denoised.

    Parameters
    ----------
    first, second : GradientRun
        What is done one after the other.

    Raises
    ------
    InputError
        The images have different shapes.
    """

    def __init__(self, first: GradientRun, second: GradientRun) -> None:
        shapes = [tuple(run.image.shape) for run in (first, second)]
        if shapes[0] != shapes[1]:
            msg = (
                f"the layer beside has shape {shapes[1]}, this one {shapes[0]}: choose "
                "one of the same shape, such as this one denoised"
            )
            raise InputError(msg)
        self.first, self.second = first, second
        self.axes, self.region = first.axes, first.region
        #: How the first was made.
        self.record = first.record

    @property
    def num_finished(self) -> int:
        """Planes of the first that are finished."""
        return self.first.num_finished

    @property
    def result(self) -> NDArray[Any]:
        """Gradient of the first."""
        return self.first.result

    @property
    def is_whole(self) -> bool:
        """Whether the gradient of the second is finished too."""
        return self.second.num_finished == self.second.axes.num_planes

    @property
    def steepest(self) -> float:
        """What few pixels of both exceed: white of a display."""
        if not self.is_whole:
            return self.first.steepest
        return max(self.first.steepest, self.second.steepest)

    def events(self) -> Generator[Event, None, None]:
        """Do the work; yields `Progress`."""
        for number, run in enumerate((self.first, self.second)):
            for event in run.events():
                if isinstance(event, Progress):
                    done = event.done + number * event.total
                    yield Progress(done, 2 * event.total, event.unit)

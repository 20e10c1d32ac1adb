"""What a batch does to every plane, apart from networks: naive methods, gradients.

Nothing here imports torch, so that a batch without a network starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gradnet.batch.operation import Operation, PlaneWork
from napari_gradnet.errors import InputError
from napari_gradnet.gradient import GradientKind, sobel_gradient
from napari_gradnet.noise.stabilize import Stabilizer
from napari_gradnet.values import cast_values, check_dtype, output_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_gradnet.axes import ImageAxes
    from napari_gradnet.batch.operation import Samples
    from napari_gradnet.inference.options import Vst

__all__ = [
    "GradientOperation",
    "NaiveOperation",
    "PipelineOperation",
    "plane_gradient",
]


class NaiveOperation(Operation):
    """A classical denoiser; see `naive_denoise`.

    Parameters
    ----------
    method : str
        One of `list_naive_methods`.
    sigma : float, optional
        Noise standard deviation, in the image's units; estimated for each channel when
        not given.
    sigma_factor : float
        Times sigma.
    vst : bool or "auto"
        See `naive_denoise`.
    dtype : {"same", "float32"}
        Of the results.
    """

    def __init__(
        self,
        method: str,
        *,
        sigma: float | None = None,
        sigma_factor: float = 1.0,
        vst: Vst = "auto",
        dtype: str = "same",
    ) -> None:
        from napari_gradnet.inference.naive import list_naive_methods

        if method not in list_naive_methods():
            names = ", ".join(list_naive_methods())
            msg = f"method={method!r} is unknown: use one of {names}"
            raise InputError(msg)
        if dtype not in ("same", "float32"):
            msg = f"dtype={dtype!r}: naive methods give 'same' or 'float32'"
            raise InputError(msg)
        self.method = method
        self.sigma = sigma
        self.sigma_factor = sigma_factor
        self.vst = vst
        self.dtype = dtype

    def describe(self, axes: ImageAxes, dtype: np.dtype[Any]) -> dict[str, Any]:
        """All that results depend on, as JSON."""
        return {"naive": self.method, **self._given(), "dtype": self.dtype}

    def _given(self) -> dict[str, Any]:
        """The options that a file's history tells."""
        return {
            "sigma": self.sigma,
            "sigma_factor": self.sigma_factor,
            "vst": self.vst,
        }

    def settle(
        self, axes: ImageAxes, dtype: np.dtype[Any], samples: Samples
    ) -> dict[str, Any]:
        """Estimate each channel's noise, unless it is given."""
        from napari_gradnet.naive import settle_channels

        check_dtype(dtype)
        if self.sigma is not None:
            return {"channels": {}}
        settled = settle_channels(samples, rgb=axes.is_rgb, vst=self.vst)
        return {"channels": {str(c): _noise_json(n) for c, n in settled.items()}}

    def bind(
        self, axes: ImageAxes, dtype: np.dtype[Any], state: Mapping[str, Any]
    ) -> PlaneWork:
        """Make what runs from what `settle` gave."""
        return _NaiveWork(self, axes, dtype, state)


def _noise_json(noise: Mapping[str, Any]) -> dict[str, Any]:
    vst = noise["vst"]
    if isinstance(vst, Stabilizer):
        return {"vst": [vst.gain, vst.offset, vst.read_noise]}
    return {"sigma": [float(s) for s in noise["sigma"]]}


class _NaiveWork(PlaneWork):
    halo = None  # estimates and transforms look at the whole plane

    def __init__(
        self,
        operation: NaiveOperation,
        axes: ImageAxes,
        dtype: np.dtype[Any],
        state: Mapping[str, Any],
    ) -> None:
        self._operation = operation
        self._axes = axes
        self.dtype = output_dtype(operation.dtype, dtype)
        self._noise: dict[int, dict[str, Any]] = {}
        for channel, known in state["channels"].items():
            if "vst" in known:
                self._noise[int(channel)] = {"vst": Stabilizer(*known["vst"])}
            else:
                self._noise[int(channel)] = {"sigma": known["sigma"], "vst": False}

    @property
    def record(self) -> dict[str, Any]:
        operation = self._operation
        given = operation._given()
        return {"operation": "naive_denoise", "method": operation.method, **given}

    def apply(
        self,
        plane: NDArray[Any],
        number: int,
        statistics: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        from napari_gradnet.inference.naive import naive_denoise

        operation = self._operation
        options = operation._given() | self._noise.get(
            self._axes.channel_of(number), {}
        )
        return naive_denoise(
            plane,
            operation.method,
            axes=self._axes.plane_axes,
            dtype="same" if operation.dtype == "same" else "float32",
            workers=1,
            **options,
        )


def plane_gradient(plane: NDArray[Any], kind: GradientKind) -> NDArray[np.float32]:
    """Sobel gradient of a plane; alpha passes through.

    Parameters
    ----------
    plane : ndarray, shape (Y, X) or (Y, X, S)
        Any real numbers.
    kind : str
        See `sobel_gradient`.

    Returns
    -------
    ndarray of float32, shape of `plane`
    """
    samples = 2 if plane.ndim == 3 else None
    gradient = sobel_gradient(plane, kind, plane_axes=(0, 1), samples_axis=samples)
    return gradient.astype(np.float32, copy=False)


class GradientOperation(Operation):
    """The Sobel gradient of every plane, as float32.

    Parameters
    ----------
    kind : str
        See `sobel_gradient`.
    """

    def __init__(self, kind: GradientKind) -> None:
        self.kind: GradientKind = kind
        sobel_gradient(np.zeros((1, 1)), kind)  # an unknown kind fails here

    def describe(self, axes: ImageAxes, dtype: np.dtype[Any]) -> dict[str, Any]:
        """All that results depend on, as JSON."""
        return {"gradient": self.kind}

    def settle(
        self, axes: ImageAxes, dtype: np.dtype[Any], samples: Samples
    ) -> dict[str, Any]:
        """Nothing is to be settled."""
        check_dtype(dtype)
        return {}

    def bind(
        self, axes: ImageAxes, dtype: np.dtype[Any], state: Mapping[str, Any]
    ) -> PlaneWork:
        """Make what runs."""
        return _GradientWork(self.kind)


class _GradientWork(PlaneWork):
    halo = 1
    dtype = np.dtype(np.float32)

    def __init__(self, kind: GradientKind) -> None:
        self._kind: GradientKind = kind

    @property
    def record(self) -> dict[str, Any]:
        return {"operation": "gradient", "kind": self._kind}

    def apply(
        self,
        plane: NDArray[Any],
        number: int,
        statistics: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        return plane_gradient(plane, self._kind)


class PipelineOperation(Operation):
    """Several operations, one after the other.

    Parameters
    ----------
    steps : sequence of Operation
        At least two, all of which give float32.
    dtype : str
        ``same`` (as the image) or a dtype's name, of the results.
    """

    def __init__(self, steps: Sequence[Operation], *, dtype: str = "same") -> None:
        self.steps = tuple(steps)
        self.dtype = dtype

    def describe(self, axes: ImageAxes, dtype: np.dtype[Any]) -> dict[str, Any]:
        """All that results depend on, as JSON."""
        told = {}
        for number, step in enumerate(self.steps, 1):
            told[f"step {number}"] = step.describe(axes, dtype)
            dtype = np.dtype(np.float32)  # what all steps give
        return {**told, "dtype": self.dtype}

    def settle(
        self, axes: ImageAxes, dtype: np.dtype[Any], samples: Samples
    ) -> dict[str, Any]:
        """Settle each step from samples that went through those before it."""
        numbers = _first_of_channels(axes)
        states = []
        for step in self.steps:
            states.append(step.settle(axes, dtype, samples))
            if step is self.steps[-1]:
                break
            samples = {
                channel: [
                    self._try(step, axes, dtype, states[-1], p, numbers[channel])
                    for p in planes
                ]
                for channel, planes in samples.items()
            }
            dtype = np.dtype(np.float32)
        return {"steps": states}

    @staticmethod
    def _try(
        step: Operation,
        axes: ImageAxes,
        dtype: np.dtype[Any],
        state: Mapping[str, Any],
        part: NDArray[Any],
        number: int,
    ) -> NDArray[Any]:
        """Run a step on a sample, which is a small image by itself."""
        shape = tuple(
            part.shape["YXS".index(a)] if a in "YXS" else k
            for a, k in zip(axes.axes, axes.shape, strict=True)
        )
        return step.bind(type(axes)(axes.axes, shape), dtype, state).apply(part, number)

    def bind(
        self, axes: ImageAxes, dtype: np.dtype[Any], state: Mapping[str, Any]
    ) -> PlaneWork:
        """Make what runs from what `settle` gave."""
        works: list[PlaneWork] = []
        for step, settled in zip(self.steps, state["steps"], strict=True):
            works.append(step.bind(axes, works[-1].dtype if works else dtype, settled))
        return _PipelineWork(works, output_dtype(self.dtype, dtype))


def _first_of_channels(axes: ImageAxes) -> dict[int, int]:
    """The number of a plane of each channel."""
    return {c: planes[0] for c, planes in axes.spread_planes(1).items()}


class _PipelineWork(PlaneWork):
    def __init__(self, works: Sequence[PlaneWork], dtype: np.dtype[Any]) -> None:
        self._works = tuple(works)
        self.dtype = dtype
        halos = [work.halo for work in works]
        # what the first step sees must reach through all the others
        whole = any(h is None for h in halos) or any(w.statistics_size for w in works)
        self.halo = None if whole else sum(h or 0 for h in halos)
        self.alignment = int(np.lcm.reduce([work.alignment for work in works]))

    @property
    def record(self) -> dict[str, Any]:
        steps = [work.record for work in self._works]
        return {"operation": "pipeline", "steps": steps}

    def apply(
        self,
        plane: NDArray[Any],
        number: int,
        statistics: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        for work in self._works:
            plane = work.apply(plane, number)
        return cast_values(plane, self.dtype)

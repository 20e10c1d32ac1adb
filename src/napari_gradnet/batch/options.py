"""What is done to the files of a batch: one set of options a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from napari_gradnet.config.base import FrozenModel
from napari_gradnet.gradient import GradientKind
from napari_gradnet.inference.options import NanPolicy, StackOptions, Vst

if TYPE_CHECKING:
    from typing import Self

    from napari_gradnet.batch.operation import Operation

__all__ = ["BatchOptions", "make_operation"]


class BatchOptions(FrozenModel):
    """What is done to a file; also the columns of a list of files.

    Where `naive` or `gradient` is given, a network is used only when `model` names one.
    The order is always: naive method, network, gradient.

    Parameters
    ----------
    model : str
        ``auto``, a packaged model's name or a file; see `api.denoise`.
    naive : str, optional
        A naive method, see `api.naive_denoise`.
    gradient : str, optional
        Kind of gradient, see `api.gradient`.
    axes, device, precision, tile, ensemble, vst, nan, dtype, value_range
        See `api.denoise`.
    sigma : float, optional
        Noise for `naive`, in the image's units; estimated when not given.
    sigma_factor : float
        Times sigma.
    format : {"same", "ome-zarr"}
        Of the outputs.
    zarr : dict
        Layout of OME-Zarr outputs: the fields of `io.ZarrLayout`.
    """

    model: str = "auto"
    naive: str | None = None
    gradient: GradientKind | None = None
    axes: str | None = None
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    tile: int | None = Field(None, ge=1)
    ensemble: bool | None = None
    vst: Vst = "auto"
    nan: NanPolicy = "raise"
    dtype: str = "same"
    value_range: tuple[float, float] | None = None
    sigma: float | None = Field(None, gt=0)
    sigma_factor: float = Field(1.0, gt=0)
    format: Literal["same", "ome-zarr"] = "same"
    zarr: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gradient is not None and self.dtype not in ("same", "float32"):
            msg = f"dtype={self.dtype!r}: a gradient is written as float32"
            raise ValueError(msg)
        return self

    @property
    def uses_network(self) -> bool:
        """Whether a network is among the steps."""
        return self.model != "auto" or (self.naive is None and self.gradient is None)

    @property
    def gives_float(self) -> bool:
        """Whether the results are floating-point whatever the input."""
        return self.gradient is not None or self.dtype.startswith("float")


def make_operation(options: BatchOptions, *, leads: bool = False) -> Operation:
    """Make the operation that options describe.

    Parameters
    ----------
    options : BatchOptions
        Of a file.
    leads : bool
        Whether other processes do the work, on devices that this one may not have.

    Raises
    ------
    GradNetError
        A method, model or value is unknown or does not fit.
    """
    from napari_gradnet.batch.operations import PipelineOperation

    steps = _steps(options, options.dtype, leads=leads)
    if len(steps) == 1:
        return steps[0]
    dtype = "float32" if options.gradient is not None else options.dtype
    return PipelineOperation(_steps(options, "float32", leads=leads), dtype=dtype)


def _steps(options: BatchOptions, dtype: str, *, leads: bool) -> list[Operation]:
    from napari_gradnet.batch.operations import GradientOperation, NaiveOperation

    steps: list[Operation] = []
    if options.naive is not None:
        steps.append(
            NaiveOperation(
                options.naive,
                sigma=options.sigma,
                sigma_factor=options.sigma_factor,
                vst=options.vst,
                dtype=dtype,
            )
        )
    if options.uses_network:
        from napari_gradnet.batch.network import NetworkOperation

        stack = StackOptions(
            options.tile,
            options.ensemble,
            # a naive method leaves no noise whose law could be measured
            options.vst if options.naive is None else False,
            options.nan,
            dtype,
            options.value_range,
        )
        steps.append(
            NetworkOperation(
                options.model,
                device=options.device,
                precision=options.precision,
                options=stack,
                leads=leads,
            )
        )
    if options.gradient is not None:
        steps.append(GradientOperation(options.gradient))
    return steps

"""The naive denoiser ``dncnn``: a packaged DnCNN behind the naive protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gradnet.bundle import list_packaged
from napari_gradnet.errors import ModelError
from napari_gradnet.inference.models import Model, open_model
from napari_gradnet.inference.plane import PlaneDenoiser
from napari_gradnet.networks.pipeline import Pipeline
from napari_gradnet.values import robust_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["denoise_with_dncnn"]

#: Packaged models that hold a DnCNN, best first: alone, or as the guide of a GradNet.
_COLOR = ("dncnn-color", "gradnet-fast-color", "gradnet-small-color")
_GRAY = ("gradnet-fast-gray", "gradnet-gray", "dncnn-gray")
#: Of black 0 and white 1, what the network sees. Closer than `plane.INSIDE`: noise that
#: is stabilised does not reach so far.
_INSIDE = (-1.0, 2.0)


def _open(channels: int) -> Model:
    packaged = list_packaged()
    names = [n for n in (_COLOR if channels == 3 else _GRAY) if n in packaged]
    if not names:
        kind = "colour" if channels == 3 else "grey"
        msg = f"no packaged DnCNN for {kind} images: use another method, such as bm3d"
        raise ModelError(msg)
    return open_model(names[0])


def denoise_with_dncnn(
    plane: NDArray[np.floating],
    sigma: NDArray[np.float64],
    *,
    workers: int = 1,
) -> NDArray[np.floating]:
    """Denoise a plane with DnCNN; see `naive.NaiveDenoiser`.

    The network is blind: `sigma` only settles the scale, so that noise above 50/255 of
    the plane's range does not leave what the network was trained for. Outliers stay.
    """
    channels = plane.shape[2]
    model = _open(channels)
    if model.header.guide is not None:
        guide = model.pipeline.guide
        if guide is None:  # pragma: no cover - packaged models are tested
            msg = f"{model.path} holds no guide network: reinstall napari-gradnet"
            raise ModelError(msg)
        model = Model(
            Pipeline(guide),
            model.header,
            model.path,
            model.sha256,
            model.device,
            model.dtype,
            model.lock,
        )
    low, high = robust_range([plane])
    scale = max(high - low, float(sigma.max()) * 255 / 50, 1e-30)
    image = (plane - low) / scale
    inside = np.clip(image, *_INSIDE)
    result = PlaneDenoiser(model).denoise(inside.transpose(2, 0, 1).astype(np.float32))
    denoised = (result.transpose(1, 2, 0) + (image - inside)) * scale + low
    return np.asarray(denoised.astype(plane.dtype, copy=False))

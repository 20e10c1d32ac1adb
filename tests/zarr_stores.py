"""Small OME-Zarr stores for tests, made with zarr itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_gradnet.io import open_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def ramp(shape: tuple[int, ...], dtype: Any = "u2") -> NDArray[Any]:
    """Numbers that are all different where the dtype allows."""
    values = np.random.default_rng(7).integers(0, 4000, shape)
    return values.astype(dtype)


def write_ome(
    path: Path,
    data: NDArray[Any],
    axes: str = "tczyx",
    *,
    version: str = "0.5",
    chunks: tuple[int, ...] | None = None,
    shards: tuple[int, ...] | None = None,
    num_levels: int = 1,
    extra: dict[str, Any] | None = None,
    block: dict[str, Any] | None = None,
    dataset: dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Write an OME-Zarr.

    Parameters
    ----------
    path, data, axes, version, chunks, shards
        Of the store.
    num_levels : int
        Levels below the first hold every second pixel.
    extra, block : dict
        Attributes beside OME's, and more of OME's.
    dataset : dict
        More entries of the finest level.
    **options
        Of `zarr.create_array`.
    """
    zarr_format = 2 if version == "0.4" else 3
    store = LocalStore(path)
    zarr.open_group(store, mode="w", zarr_format=zarr_format)
    datasets = []
    level = data
    for number in range(num_levels):
        array = zarr.create_array(
            store,
            name=str(number),
            shape=level.shape,
            chunks=chunks or level.shape,
            shards=shards,
            dtype=data.dtype,
            zarr_format=zarr_format,
            **({"dimension_names": list(axes)} if zarr_format == 3 else {}),
            **options,
        )
        array[...] = level
        scale = [2.0**number if a in "yx" else 1.0 for a in axes]
        transform = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(number), "coordinateTransformations": transform})
        level = level[..., ::2, ::2]
    datasets[0] |= dataset or {}
    multiscale: dict[str, Any] = {
        "name": "test",
        "axes": [{"name": a, "type": _TYPES[a]} for a in axes],
        "datasets": datasets,
    }
    if zarr_format == 2:
        multiscale["version"] = version
        attributes = {"multiscales": [multiscale], **(block or {}), **(extra or {})}
    else:
        ome = {"version": version, "multiscales": [multiscale], **(block or {})}
        attributes = {"ome": ome, **(extra or {})}
    write_attributes(path, attributes)
    return path


def read_attributes(path: Path) -> dict[str, Any]:
    """Attributes of a group or array of either format."""
    if (path / "zarr.json").exists():
        return json.loads((path / "zarr.json").read_text())["attributes"]
    return json.loads((path / ".zattrs").read_text())


def write_attributes(path: Path, attributes: dict[str, Any]) -> None:
    """Replace the attributes of a group of either format."""
    if (path / "zarr.json").exists():
        document = json.loads((path / "zarr.json").read_text())
        document["attributes"] = attributes
        (path / "zarr.json").write_text(json.dumps(document))
    else:
        (path / ".zattrs").write_text(json.dumps(attributes))


def read_level(path: Path, name: str = "0") -> NDArray[Any]:
    """All of a level."""
    return np.asarray(zarr.open_array(LocalStore(path), path=name, mode="r")[...])


def edit(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file."""
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | changes))


def read_all(path: Path) -> NDArray[Any]:
    """All planes of an image."""
    with open_image(path) as image:
        return np.stack(list(image.iter_planes()))

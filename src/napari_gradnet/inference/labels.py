"""Names by which the rows of a benchmark can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gradnet.bundle import find_model, read_header
from napari_gradnet.inference.models import Model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["label_repeated"]


def label_repeated(
    models: Sequence[str | Path | Model] | None, taken: Sequence[str] = ()
) -> dict[Path, str]:
    """Label models whose name is that of another model or method.

    Parameters
    ----------
    models : sequence of str, Path or Model, optional
        Names, files or open models; the packaged ones, of which each has a name of its
        own, where not given.
    taken : sequence of str
        Names of other methods.

    Returns
    -------
    dict of Path to str
        What was given, for such a model, by its resolved file.
    """
    files = {}
    for one in models or ():
        if isinstance(one, Model):
            files[one.path] = (one.header.name, str(one.path))
        else:
            path = find_model(one).resolve()
            files[path] = (read_header(path).name, str(one))
    names = [*taken, *(name for name, _ in files.values())]
    return {
        path: label for path, (name, label) in files.items() if names.count(name) > 1
    }

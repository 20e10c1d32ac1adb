"""Ready training configurations: commented YAML files to start from."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["list_recipes", "read_recipe"]

_SUFFIX = ".yaml"


def _recipes() -> dict[str, Traversable]:
    return {
        item.name.removesuffix(_SUFFIX): item
        for item in sorted(files(__name__).iterdir(), key=lambda item: item.name)
        if item.name.endswith(_SUFFIX)
    }


def list_recipes() -> dict[str, str]:
    """Recipes by name, with the first line of their comment."""
    return {
        name: item.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        for name, item in _recipes().items()
    }


def read_recipe(name: str) -> str:
    """Read a recipe.

    Parameters
    ----------
    name : str
        One of `list_recipes`.

    Returns
    -------
    str
        A commented YAML file, which `train` takes once its paths are set.

    Raises
    ------
    ConfigError
        There is no such recipe.
    """
    recipes = _recipes()
    if name not in recipes:
        msg = f"recipe {name!r} is unknown: use one of {', '.join(recipes)}"
        raise ConfigError(msg)
    return recipes[name].read_text("utf-8")

"""The manifest, checked for what ``npe2 validate`` lets pass.

npe2 ignores unknown keys and accepts menus, commands and submenus that do not exist,
and defaults out of range. `find_problems` does not, which the broken manifests below
prove.
"""

from __future__ import annotations

import ast
import copy
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from npe2 import PluginManifest

import napari_gradnet

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = Path(napari_gradnet.__file__).with_name("napari.yaml")
PLUGIN = "napari-gradnet"

#: Menus of napari 0.9 to which a plugin can contribute.
MENUS = {
    *(f"napari/file/{name}" for name in ("new_layer", "io_utilities", "acquire")),
    *(
        f"napari/layers/{name}"
        for name in ("visualize", "annotate", "data", "metadata")
    ),
    *(f"napari/layers/{name}" for name in ("layer_type", "filter", "transform")),
    *(f"napari/layers/{name}" for name in ("measure", "register", "project")),
    *(f"napari/layers/{name}" for name in ("segment", "track", "classify")),
}
#: Context keys that napari evaluates in `when` and `enablement`.
CONTEXT_KEYS = {
    *("num_layers", "num_selected_image_layers", "all_selected_layers_image"),
    *("active_layer_is_rgb", "active_layer_dtype", "all_selected_layers_same_shape"),
}
#: Sections whose items name a command.
WITH_COMMAND = ("readers", "writers", "widgets", "sample_data", "keybindings")
SCHEMA_KEYS = {
    *("type", "default", "enum", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
}


def find_unknown_keys(raw: Any, known: Any, path: str = "") -> Iterator[str]:
    """Keys of the YAML that npe2's model does not have."""
    if isinstance(raw, dict):
        known = known if isinstance(known, dict) else {}
        for key, value in raw.items():
            if key in known:
                yield from find_unknown_keys(value, known[key], f"{path}{key}.")
            else:
                yield f"unknown key {path}{key}"
    elif isinstance(raw, list):
        for i, (value, other) in enumerate(zip(raw, known, strict=True)):
            yield from find_unknown_keys(value, other, f"{path}{i}.")


def find_broken_commands(contributions: dict[str, Any]) -> Iterator[str]:
    """Commands that are misnamed, double, cannot be imported or do not exist."""
    commands = contributions.get("commands", [])
    names = [command["id"] for command in commands]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"command {name} is defined twice"
    for command in commands:
        if not command["id"].startswith(f"{PLUGIN}."):
            yield f"command {command['id']} does not start with {PLUGIN}."
        module, _, attribute = command.get("python_name", ":").partition(":")
        try:
            function = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            yield f"command {command['id']}: {error}"
        else:
            if not callable(function):
                yield f"command {command['id']} is not callable"
        yield from find_unknown_names(command.get("enablement"))
    used = [item for section in WITH_COMMAND for item in contributions.get(section, [])]
    used += [item for menu in contributions.get("menus", {}).values() for item in menu]
    for item in used:
        if "command" in item and item["command"] not in names:
            yield f"command {item['command']} does not exist"


def find_unknown_names(expression: str | None) -> Iterator[str]:
    """Names in a `when` or `enablement` expression that napari does not know."""
    if expression:
        for node in ast.walk(ast.parse(expression, mode="eval")):
            if isinstance(node, ast.Name) and node.id not in CONTEXT_KEYS:
                yield f"context key {node.id} does not exist"


def find_broken_menus(contributions: dict[str, Any]) -> Iterator[str]:
    """Menus that napari does not have, and submenus that lead nowhere."""
    defined = {submenu["id"] for submenu in contributions.get("submenus", [])}
    menus = contributions.get("menus", {})
    for menu, items in menus.items():
        if menu not in MENUS | defined:
            yield f"menu {menu} does not exist"
        for item in items:
            if "submenu" in item and item["submenu"] not in defined:
                yield f"submenu {item['submenu']} does not exist"
            yield from find_unknown_names(item.get("when"))
    placed = {item.get("submenu") for items in menus.values() for item in items}
    for submenu in sorted(defined):
        if submenu not in placed:
            yield f"submenu {submenu} is in no menu"
        if not menus.get(submenu):
            yield f"submenu {submenu} is empty"


def find_broken_settings(contributions: dict[str, Any]) -> Iterator[str]:
    """Settings without a default, or with one outside their own range."""
    for section, configuration in contributions.get("configurations", {}).items():
        for name, setting in configuration["properties"].items():
            where = f"setting {section}.{name}"
            missing = {"title", "type", "default"} - set(setting)
            if missing:
                yield f"{where} lacks {', '.join(sorted(missing))}"
                continue
            schema = {k: v for k, v in setting.items() if k in SCHEMA_KEYS}
            try:
                jsonschema.validate(setting["default"], schema)
            except jsonschema.ValidationError as error:
                yield f"{where}: {error.message}"


def find_problems(raw: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a manifest."""
    manifest = PluginManifest(**copy.deepcopy(raw))
    contributions = raw.get("contributions", {})
    return [
        *find_unknown_keys(raw, manifest.model_dump(by_alias=True)),
        *find_broken_commands(contributions),
        *find_broken_menus(contributions),
        *find_broken_settings(contributions),
    ]


def load() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def test_the_manifest_has_no_problems() -> None:
    assert find_problems(load()) == []


def test_npe2_finds_the_manifest_of_the_distribution() -> None:
    manifest = PluginManifest.from_distribution(PLUGIN)
    assert manifest.name == PLUGIN
    assert manifest.display_name == load()["display_name"]
    assert manifest.package_version == napari_gradnet.__version__


def small(**contributions: Any) -> dict[str, Any]:
    """A correct manifest with one command, changed by `contributions`."""
    command = {
        "id": f"{PLUGIN}.open",
        "title": "Open",
        "python_name": "napari_gradnet.events:drain",
    }
    return {
        "name": PLUGIN,
        "display_name": "GradNet",
        "contributions": {"commands": [command], **contributions},
    }


def setting(**changes: Any) -> dict[str, Any]:
    tile = {"title": "Tile", "type": "integer", "default": 256, "minimum": 64}
    tile |= changes
    return {"compute": {"title": "Compute", "properties": {"tile": tile}}}


OPEN = {"command": f"{PLUGIN}.open"}
OWN = [{"id": "gradnet", "label": "GradNet"}]


@pytest.mark.parametrize(
    "contributions",
    [
        {},
        {"menus": {"napari/layers/filter": [OPEN | {"when": "num_layers > 0"}]}},
        {
            "submenus": OWN,
            "menus": {
                "napari/layers/filter": [{"submenu": "gradnet"}],
                "gradnet": [OPEN],
            },
        },
        {"widgets": [OPEN | {"display_name": "Denoise"}]},
        {"configurations": setting()},
    ],
)
def test_a_correct_manifest_passes(contributions: dict[str, Any]) -> None:
    assert find_problems(small(**contributions)) == []


@pytest.mark.parametrize(
    ("contributions", "problem"),
    [
        ({"wigets": []}, "unknown key contributions.wigets"),
        (
            {"configurations": setting(minimun=64)},
            "unknown key contributions.configurations.compute.properties.tile.minimun",
        ),
        (
            {"widgets": [{"command": f"{PLUGIN}.none", "display_name": "Denoise"}]},
            f"command {PLUGIN}.none does not exist",
        ),
        (
            {"menus": {"napari/layers/context": [OPEN]}},
            "menu napari/layers/context does not exist",
        ),
        (
            {"menus": {"napari/layers/filter": [{"submenu": "gone"}]}},
            "submenu gone does not exist",
        ),
        (
            {"menus": {"napari/layers/filter": [OPEN | {"when": "layers > 0"}]}},
            "context key layers does not exist",
        ),
        (
            {"submenus": OWN, "menus": {"gradnet": [OPEN]}},
            "submenu gradnet is in no menu",
        ),
        (
            {
                "submenus": OWN,
                "menus": {"napari/layers/filter": [{"submenu": "gradnet"}]},
            },
            "submenu gradnet is empty",
        ),
        (
            {"configurations": setting(default=32)},
            "setting compute.tile: 32 is less than the minimum of 64",
        ),
        (
            {"configurations": setting(default="big")},
            "setting compute.tile: 'big' is not of type 'integer'",
        ),
        (
            {
                "commands": [
                    {"id": f"{PLUGIN}.x", "title": "X", "python_name": "json.no:open"}
                ]
            },
            f"command {PLUGIN}.x: No module named 'json.no'",
        ),
    ],
)
def test_a_broken_manifest_is_found(
    contributions: dict[str, Any], problem: str
) -> None:
    assert find_problems(small(**contributions)) == [problem]

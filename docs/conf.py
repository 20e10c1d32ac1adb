"""Sphinx builds the user guide: ``tox -e docs``."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_gradnet import __version__, api
from napari_gradnet.cli import COMMANDS
from napari_gradnet.config.training import Experiment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

HERE = Path(__file__).parent

project = "napari-gradnet"
author = "napari-gradnet developers"
version = release = __version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "README.md"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"  # the docstrings say more
templates_path: list[str] = []
html_theme = "furo"
html_title = "napari-gradnet"
html_show_sourcelink = False

#: Headings of the API reference; what is in none of them comes last.
TOPICS = {
    "Denoise": [
        *("denoise", "iter_denoise", "denoise_region", "iter_denoise_region"),
        *("denoise_lazy", "denoise_file", "list_models", "open_model", "ModelInfo"),
        *("list_devices", "naive_denoise", "naive_denoise_file", "list_naive_methods"),
    ],
    "Many files": [
        *("denoise_files", "iter_denoise_files", "plan_files"),
        *("BatchReport", "FileEvent", "FilePlan", "FileReport"),
    ],
    "Noise and quality": [
        *("estimate_noise", "describe_noise", "NoiseEstimate", "psnr", "ssim"),
        *("measure_quality", "iter_measure_quality", "Quality"),
        *("analyze_residual", "iter_analyze_residual", "ResidualReport"),
    ],
    "Gradients": ["gradient", "gradient_file"],
    "Train": [
        *("train", "iter_train", "finish_training", "check_training", "CheckReport"),
        *("list_recipes", "read_recipe", "build_network", "list_networks"),
        "export_network",
    ],
    "Measure": [
        *("benchmark_accuracy", "benchmark_card", "benchmark_inference"),
        *("benchmark_training", "TrainingSpeedRow", "demo"),
    ],
    "Files, events, errors": ["open_image", "Progress", "Event", "GradNetError"],
}


def write_api() -> str:
    """List all of `napari_gradnet.api` under its headings."""
    placed = {name for names in TOPICS.values() for name in names}
    topics = {**TOPICS, "More": sorted(set(api.__all__) - placed)}
    parts = ["# Python API\n", "Everything here is imported from `napari_gradnet.api`."]
    for topic, names in topics.items():
        there = [name for name in names if name in api.__all__]
        if there:
            parts.append(f"\n## {topic}\n\n```{{eval-rst}}")
            for name in there:
                kind = "class" if inspect.isclass(getattr(api, name)) else "function"
                parts.append(f".. auto{kind}:: napari_gradnet.api.{name}\n")
            parts.append("```")
    return "\n".join(parts) + "\n"


def write_commands() -> str:
    """Take over the help of every command."""
    import click

    parts = [
        "# Command line\n",
        "Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.",
    ]

    def add(command: click.Command, name: str) -> None:
        with click.Context(command, info_name=name, max_content_width=80) as context:
            parts.append(f"\n## {name}\n\n```text\n{command.get_help(context)}\n```")
            if isinstance(command, click.Group):
                for child in command.list_commands(context):
                    found = command.get_command(context, child)
                    if found is not None:
                        add(found, f"{name} {child}")

    for name, (place, _) in COMMANDS.items():
        module, _, attribute = place.partition(":")
        add(getattr(importlib.import_module(module), attribute), f"gradnet {name}")
    return "\n".join(parts) + "\n"


def write_recipes() -> str:
    """List the recipes."""
    rows = [f"| `{name}` | {line} |" for name, line in api.list_recipes().items()]
    return "\n".join(["| recipe | what it is |", "|---|---|", *rows]) + "\n"


def write_options() -> str:
    """List all that a training's configuration may say."""
    parts = ["# Options of a training\n", "What its configuration may say."]
    for path, model in _configurations(Experiment, ""):
        fields = dict(model.model_fields)
        title = f"`{path}`" if path else "At the top"
        if path and (tag := next((t for t in ("kind", "name") if t in fields), None)):
            title += f", `{tag}: {fields.pop(tag).default}`"
        about = inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0]
        parts.append(f"\n## {title}\n\n{about}\n")
        if not fields:
            continue
        parts.append("| option | default | what it is |\n|---|---|---|")
        parts += [
            f"| `{name}` | {_default(field)} | {_explained(field)} |"
            for name, field in fields.items()
        ]
    return "\n".join(parts) + "\n"


def _configurations(
    model: type[BaseModel], path: str
) -> Iterator[tuple[str, type[BaseModel]]]:
    """A configuration and those inside it, each once."""
    found: dict[type[BaseModel], str] = {}
    waiting = [(path, model)]
    while waiting:
        path, model = waiting.pop(0)
        if model in found:
            continue
        found[model] = path
        for name, field in model.model_fields.items():
            inner = f"{path}.{name}".lstrip(".")
            waiting += [(inner, kind) for kind in _models(field.annotation)]
    return ((path, model) for model, path in found.items())


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "see below"
    value = field.default
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def _explained(field: FieldInfo) -> str:
    words = [f"`{value}`" for value in _choices(field.annotation)]
    parts = [field.description or "", ", ".join(words)]
    return " One of: ".join(part for part in parts if part).replace("|", "\\|")


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    kinds = [_choices(part) for part in get_args(annotation)]
    return next((kind for kind in kinds if kind), [])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, encoding="utf-8")


_write(HERE / "reference" / "api.md", write_api())
_write(HERE / "reference" / "commands.md", write_commands())
_write(HERE / "reference" / "training.md", write_options())
_write(HERE / "_generated" / "recipes.md", write_recipes())
exclude_patterns.append("_generated")

"""What the Batch form says, as a script and as a command."""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.cli.batch import command
from napari_gradnet.errors import InputError
from napari_gradnet.widgets._batch_options import BatchSettings

FULL = BatchSettings(
    inputs=("raw data/a.tif", "more"),
    output="out put",
    model="own.safetensors",
    naive="bm3d",
    sigma_factor=1.5,
    axes="ZYX",
    device="cpu",
    precision="float32",
    tile=64,
    ensemble=True,
    dtype="float32",
    vst=False,
    format="ome-zarr",
    workers=2,
    overwrite=True,
    restart=True,
)


def test_defaults_are_those_of_the_engine() -> None:
    defaults = BatchOptions()
    for option in dataclasses.fields(BatchSettings):
        if hasattr(defaults, option.name):
            assert getattr(defaults, option.name) == option.default
    assert BatchSettings(("a",), "b").changed() == {}


@pytest.mark.parametrize("ensemble", [True, False])
def test_the_command_is_understood_by_the_program(ensemble: bool) -> None:
    settings = dataclasses.replace(FULL, ensemble=ensemble)
    words = shlex.split(settings.command_line())
    assert words[:2] == ["gradnet", "batch"]
    context = command.make_context("batch", words[2:])
    said = context.params
    assert said["patterns"] == FULL.inputs
    assert str(said["output"]) == "out put"
    assert said["vst"] == "off"
    for name, value in settings.changed().items():
        if name != "vst":
            assert said[name] == value


def test_the_script_calls_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_gradnet import api

    calls = []

    def denoise_files(*arguments: object, **options: object) -> None:
        calls.append((arguments, options))

    monkeypatch.setattr(api, "denoise_files", denoise_files)
    exec(FULL.python_script(), {})
    assert calls == [((list(FULL.inputs), FULL.output), FULL.changed())]
    BatchOptions.parse(
        {
            k: v
            for k, v in FULL.changed().items()
            if k not in ("workers", "overwrite", "restart")
        },
        "options",
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (BatchSettings(output="b"), "add files or a folder"),
        (BatchSettings(inputs=("a",)), "folder for the results is missing"),
    ],
)
def test_a_form_that_is_not_filled_in_is_refused(
    settings: BatchSettings, told: str
) -> None:
    for write in (settings.check, settings.python_script, settings.command_line):
        with pytest.raises(InputError, match=told):
            write()

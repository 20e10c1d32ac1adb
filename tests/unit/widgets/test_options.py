"""Options of the form are those of the API, and scripts say them."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

pytest.importorskip("napari")

from napari_gradnet import api
from napari_gradnet.widgets._options import (
    DenoiseOptions,
    command_line,
    file_script,
    layer_script,
)
from napari_gradnet.widgets._timing import TimeLeft, in_words

CHANGED = DenoiseOptions(
    model="m.safetensors",
    axes="ZYX",
    tile=128,
    ensemble=True,
    vst=False,
    value_range=(1.5, 900.0),
)


def test_defaults_are_those_of_the_api() -> None:
    parameters = inspect.signature(api.denoise).parameters
    for field in dataclasses.fields(DenoiseOptions):
        assert parameters[field.name].default == field.default, field.name


def test_changed_leaves_defaults_out() -> None:
    assert DenoiseOptions().changed() == {}
    assert DenoiseOptions(vst=True, device="cpu").changed() == {
        "vst": True,
        "device": "cpu",
    }


def test_layer_script_names_the_part_and_the_guide() -> None:
    region = (slice(2, 3), slice(10, 30), slice(0, 20))
    text = layer_script(
        CHANGED, "a'b", multiscale=True, region=region, guide=("it's", False)
    )
    assert text.endswith(
        "denoised = api.denoise_region(image, region, model='m.safetensors', "
        "axes='ZYX', tile=128, ensemble=True, vst=False, value_range=(1.5, 900.0), "
        'guide=layers["it\'s"].data)\n'
    )
    assert "region = np.s_[2:3, 10:30, 0:20]\n" in text
    assert 'image = layers["a\'b"].data[0]\n' in text
    compile(text, "script", "exec")


def test_layer_script_of_a_whole_layer() -> None:
    text = layer_script(DenoiseOptions(vst=True), "a", guide=("b", True))
    assert "numpy" not in text
    assert text.endswith(
        "denoised = api.denoise(image, vst=True, guide=layers['b'].data[0])\n"
    )


def test_file_script_names_an_output_beside_the_input() -> None:
    text = file_script(DenoiseOptions(tile=64), "cells.ome.tif")
    assert (
        "api.denoise_file('cells.ome.tif', 'cells.ome-denoised.tif', tile=64)" in text
    )


def test_command_line_quotes_and_uses_the_options_of_the_program() -> None:
    assert command_line(CHANGED, "my cells.tif") == (
        "gradnet denoise 'my cells.tif' -o 'my cells-denoised.tif' "
        "--model m.safetensors --axes ZYX --tile 128 --ensemble --vst off "
        "--range 1.5 900.0"
    )
    assert command_line(DenoiseOptions(vst=True), "a.png").endswith("--vst on")
    floats = DenoiseOptions(dtype="float32")
    assert command_line(floats, "a.png") == (
        "gradnet denoise a.png -o a-denoised.tif --dtype float32"
    )
    assert "'a.b-denoised.TIFF'" in file_script(floats, "a.b.TIFF")
    assert command_line(DenoiseOptions(ensemble=False), "a.png").endswith(
        " --no-ensemble"
    )


def test_time_left_follows_the_pace_after_the_first_step() -> None:
    left = TimeLeft()
    assert left.update(0, 10, now=100.0) == ""
    assert left.update(1, 10, now=109.0) == "1 min 21 s left"
    assert left.update(1, 10, now=109.5) == ""
    assert left.update(3, 10, now=113.0) == "14 s left"
    assert left.update(10, 10, now=120.0) == ""


def test_times_in_words() -> None:
    assert [in_words(t) for t in (0.2, 42.4, 61, 3600, 7500)] == [
        *("1 s", "42 s", "1 min 01 s", "1 h 00 min", "2 h 05 min")
    ]

"""Names of outputs, and what happens to a row of files."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from napari_gradnet.cli._files import output_paths, process_files
from napari_gradnet.cli._progress import ProgressBar
from napari_gradnet.errors import FileFormatError
from napari_gradnet.events import Event, Progress

A, B = Path("in/a.tif"), Path("in/b.PNG")


@pytest.mark.parametrize(
    "name", ["out.tif", "out.TIFF", "out.png", "out.jpeg", "x/y.jpg"]
)
def test_one_file(tmp_path: Path, name: str) -> None:
    assert output_paths((A,), tmp_path / name) == [tmp_path / name]
    assert list(tmp_path.iterdir()) == []  # nothing is made for a file


def test_a_folder_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    assert output_paths((A, B), folder) == [folder / "a.tif", folder / "b.PNG"]
    assert folder.is_dir()
    assert output_paths((A,), folder) == [folder / "a.tif"]
    assert output_paths((A, B), folder, ".tif") == [folder / "a.tif", folder / "b.tif"]


def test_a_folder_that_is_called_like_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "stack.tif"
    folder.mkdir()
    assert output_paths((A,), folder) == [folder / "a.tif"]


@pytest.mark.parametrize("name", ["out.npy", "out.bmp", "out.tfi", "out.zarr"])
def test_one_input_does_not_make_a_folder_of_a_mistyped_file(
    tmp_path: Path, name: str
) -> None:
    # the writer says which suffixes there are
    assert output_paths((A,), tmp_path / name) == [tmp_path / name]
    assert not (tmp_path / name).exists()


def test_many_inputs_and_one_file(tmp_path: Path) -> None:
    message = r"2 inputs cannot all be written to .*out.tif: name a folder"
    with pytest.raises(click.UsageError, match=message):
        output_paths((A, B), tmp_path / "out.tif")


@pytest.mark.parametrize(
    ("inputs", "suffix"),
    [
        (("x/a.tif", "y/a.tif"), None),
        (("a.tif", "a.tif"), None),
        (("a.tif", "a.png"), ".tif"),
    ],
)
def test_outputs_that_would_collide(
    tmp_path: Path, inputs: tuple[str, ...], suffix: str | None
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(click.UsageError, match=r"several inputs are called a.tif"):
        output_paths(tuple(map(Path, inputs)), folder, suffix)
    assert not folder.exists()


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(click.UsageError, match=r"out is a file: name a folder or"):
        output_paths((A, B), tmp_path / "out")


def test_a_bad_file_does_not_stop_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[Path] = []

    def work(path: Path, output: Path, bar: ProgressBar) -> str:
        if path.name == "bad":
            msg = "it is damaged"
            raise FileFormatError(msg)
        if path.name == "gone":
            raise FileNotFoundError(2, "No such file", "gone")
        done.append(output)
        return "colours lost" if path.name == "odd" else ""

    inputs = tuple(map(Path, ("good", "bad", "odd", "gone", "last")))
    outputs = [Path("out") / p for p in inputs]
    assert process_files(inputs, outputs, work) == 1
    assert [p.name for p in done] == ["good", "odd", "last"]
    out, err = capsys.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        f"{p} -> {Path('out') / p}" for p in ("good", "odd", "last")
    ]
    assert "(colours lost)" in out.splitlines()[1]
    assert err.splitlines() == [
        "Error: bad: it is damaged",
        "Error: gone: [Errno 2] No such file: 'gone'",
        "2 of 5 files failed",
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory: use fewer workers or smaller tiles"),
        (RuntimeError("no kernel"), "RuntimeError: no kernel"),
    ],
)
def test_an_unexpected_failure_does_not_stop_the_rest(
    capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    def work(path: Path, *_: object) -> str:
        if path == A:
            raise error
        return ""

    assert process_files((A, B), [A, B], work) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{B} -> ")
    assert f"Error: {A}: {words}" in err.splitlines()
    assert "1 of 2 files failed" in err.splitlines()


def test_an_interrupt_does() -> None:
    def work(*_: object) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process_files((A, B), [A, B], work)


def test_all_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert process_files((A,), [B], lambda *_: "") == 0
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------- progress


def test_quiet_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("napari_gradnet.cli._progress.time.monotonic", lambda: now[0])
    with ProgressBar("a.tif") as bar:
        bar(Progress(0, 9, "tile", "axes guessed as ZYX"))
        for done in range(1, 10):
            now[0] += 12
            bar(Progress(done, 9, "tile"))
        bar(Event())
    out, err = capsys.readouterr()
    assert out == ""
    # a line every 30 seconds, none at the end
    assert err.splitlines() == [
        "a.tif: axes guessed as ZYX",
        "a.tif: 3 of 9 tiles",
        "a.tif: 6 of 9 tiles",
    ]
    assert bar.seconds == 108


def test_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar("a.tif") as bar:
        for done in range(4):
            bar(Progress(done, 3, "tile"))
        assert bar._bar is not None
        assert (bar._bar.n, bar._bar.total, bar._bar.unit) == (3, 3, "tile")
    err = capsys.readouterr().err
    assert "a.tif" in err
    assert "tile/s" in err

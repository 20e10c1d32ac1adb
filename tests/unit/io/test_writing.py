"""The user's files are safe whatever happens on the way."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_gradnet.errors import FileFormatError, InputError
from napari_gradnet.io import create_like, open_image, write_like
from napari_gradnet.io._partial import PartialFile

RECORD = {"software": "napari-gradnet"}
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="needs privileges")


@pytest.fixture(params=["imagej", "plain", "png"])
def path(request, tmp_path, rng):
    """One input of each way of writing."""
    data = rng.integers(0, 255, (6, 24, 32), dtype=np.uint8)
    path = tmp_path / "in.tif"
    if request.param == "imagej":
        tifffile.imwrite(path, data, imagej=True, metadata={"axes": "ZYX"})
    elif request.param == "plain":
        tifffile.imwrite(path, data, compression="zlib", metadata=None)
    else:
        import imagecodecs

        path = tmp_path / "in.png"
        path.write_bytes(imagecodecs.png_encode(data[0]))
    return path


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("exists", [False, True])
def test_an_exception_midway_leaves_nothing(path, tmp_path, error, exists):
    out = tmp_path / f"out{path.suffix}"
    if exists:
        out.write_text("precious")
    before = names(tmp_path)

    def planes(source):
        for index, plane in enumerate(source.iter_planes()):
            if index == source.num_planes // 2:
                raise error
            yield plane

    with open_image(path) as source, pytest.raises(error):
        write_like(source, out, planes(source), record=RECORD, overwrite=exists)
    assert names(tmp_path) == before
    if exists:
        assert out.read_text() == "precious"


def test_output_appears_only_when_complete(path, tmp_path):
    out = tmp_path / f"out{path.suffix}"
    with open_image(path) as source:
        with create_like(source, out, record=RECORD) as writer:
            for plane in source.iter_planes():
                assert not out.exists()
                writer.write_plane(plane)
        assert out.exists()
    assert names(tmp_path) == sorted([path.name, out.name])
    if sys.platform != "win32":
        umask = os.umask(0)
        os.umask(umask)
        assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask


def test_existing_output(path, tmp_path):
    out = tmp_path / f"out{path.suffix}"
    out.write_text("precious")
    with open_image(path) as source:
        with pytest.raises(FileFormatError, match=r"already exists: choose.*overwrit"):
            write_like(source, out, source.iter_planes(), record=RECORD)
        assert out.read_text() == "precious"
        write_like(source, out, source.iter_planes(), record=RECORD, overwrite=True)
        expected = source.read_plane(source.num_planes - 1)
    with open_image(out) as source:
        np.testing.assert_array_equal(
            source.read_plane(source.num_planes - 1), expected
        )
    assert names(tmp_path) == sorted([path.name, out.name])


@pytest.mark.parametrize("links", [True, False])
def test_output_that_comes_up_meanwhile(path, tmp_path, monkeypatch, links):
    """Also on file systems without hard links."""
    if not links:

        def refuse(*_):
            raise OSError(errno.EPERM, "no hard links")

        monkeypatch.setattr(os, "link", refuse)
    out = tmp_path / f"out{path.suffix}"

    def planes(source):
        yield from source.iter_planes()
        out.write_text("somebody else's")

    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match=r"already exists"),
    ):
        write_like(source, out, planes(source), record=RECORD)
    assert out.read_text() == "somebody else's"
    assert names(tmp_path) == sorted([path.name, out.name])
    out.unlink()
    with open_image(path) as source:
        write_like(source, out, source.iter_planes(), record=RECORD)
    assert names(tmp_path) == sorted([path.name, out.name])


@pytest.mark.parametrize(
    "kind",
    [
        "same",
        "dotted",
        pytest.param("symbolic", marks=needs_links),
        pytest.param("hard", marks=needs_links),
        pytest.param("through folder", marks=needs_links),
    ],
)
def test_input_is_never_the_output(path, tmp_path, kind):
    content = path.read_bytes()
    out = tmp_path / f"out{path.suffix}"
    if kind == "same":
        out = path
    elif kind == "dotted":
        out = tmp_path / ".." / tmp_path.name / path.name
    elif kind == "symbolic":
        out.symlink_to(path)
    elif kind == "hard":
        os.link(path, out)
    else:
        (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
        out = tmp_path / "link" / path.name
    before = names(tmp_path)
    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match=r"is the input .* itself"),
    ):
        create_like(source, out, record=RECORD, overwrite=True)
    assert path.read_bytes() == content
    assert names(tmp_path) == before


@needs_links
def test_output_that_is_a_link(path, tmp_path):
    """Its target is replaced, the link stays."""
    target, out = tmp_path / "target", tmp_path / f"out{path.suffix}"
    target.write_text("old")
    out.symlink_to(target)
    with open_image(path) as source:
        write_like(source, out, source.iter_planes(), record=RECORD, overwrite=True)
    assert out.is_symlink()
    with open_image(target) as source:
        assert source.dtype == np.uint8
    target.unlink()  # the link leads nowhere now, but is still somebody's
    with open_image(path) as source, pytest.raises(FileFormatError, match="exists"):
        create_like(source, out, record=RECORD)


def test_folder(path, tmp_path):
    suffix = path.suffix
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with open_image(path) as source:
        with pytest.raises(FileFormatError, match="is a folder: name a file in it"):
            create_like(source, folder, record=RECORD, overwrite=True)
        with pytest.raises(FileFormatError, match="does not exist: create it first"):
            create_like(source, tmp_path / "no" / f"a{suffix}", record=RECORD)


def test_name_that_is_too_long(path, tmp_path):
    out = tmp_path / ("x" * 300 + path.suffix)
    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match="could not be written"),
    ):
        create_like(source, out, record=RECORD)
    assert names(tmp_path) == [path.name]


def test_folder_without_permission(path, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with open_image(path) as source:
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(FileFormatError, match=r"not be written .Permission denied"):
            create_like(source, tmp_path / f"a{path.suffix}", record=RECORD)
    assert names(tmp_path) == [path.name]


def test_full_disk(path, tmp_path, monkeypatch):
    out = tmp_path / f"out{path.suffix}"

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def run():
        with create_like(source, out, record=RECORD) as writer:
            monkeypatch.setattr(writer._sink, "write_plane", full)
            writer.write_plane(source.read_plane(0))

    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match=r"No space left.*nothing was stored"),
    ):
        run()
    assert names(tmp_path) == [path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_full_disk_on_closing(path, tmp_path, monkeypatch):
    """What is buffered reaches the disk late; that failure counts, too."""
    monkeypatch.setattr(PartialFile, "commit", lambda _: pytest.fail("committed"))
    out = tmp_path / f"out{path.suffix}"
    real = PartialFile.__init__

    def on_full_device(self, *args, **options):
        real(self, *args, **options)
        self.temporary.unlink()
        self.temporary.symlink_to("/dev/full")

    monkeypatch.setattr(PartialFile, "__init__", on_full_device)
    with (
        open_image(path) as source,
        pytest.raises(FileFormatError, match="could not be written"),
    ):
        write_like(source, out, source.iter_planes(), record=RECORD)
    assert names(tmp_path) == [path.name]


def test_number_shape_and_type_of_planes(path, tmp_path):
    out = tmp_path / f"out{path.suffix}"
    with open_image(path) as source:
        planes = list(source.iter_planes())
        with pytest.raises(InputError, match="planes were written: nothing stands"):
            write_like(source, out, planes[:-1], record=RECORD)
        with pytest.raises(InputError, match="one plane more than the"):
            write_like(source, out, [*planes, planes[0]], record=RECORD)
        with pytest.raises(InputError, match=r"plane 0 has shape .* and type float64"):
            write_like(source, out, [p / 2 for p in planes], record=RECORD)
        with pytest.raises(InputError, match=r"shape \(23, 32\) and type uint8"):
            write_like(source, out, [p[1:] for p in planes], record=RECORD)
    assert names(tmp_path) == [path.name]


def test_partial_file_has_a_short_name(tmp_path):
    source = tmp_path / "in"
    source.write_text("")
    partial = PartialFile(tmp_path / ("x" * 250), source, overwrite=False)
    partial.commit()
    partial.discard()
    assert names(tmp_path) == ["in", "x" * 250]


def test_importing_takes_no_torch():
    import subprocess

    code = "import napari_gradnet.io, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
